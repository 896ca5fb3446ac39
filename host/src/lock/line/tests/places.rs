//! Who has a place in the store's queue, and in which order they are asked for.

use super::*;
use crate::error::{Outage, Unavailable};

fn timed_out() -> Error {
    Unavailable { store: "here".to_owned(), why: Outage::TimedOut(MS) }.into()
}

/// The waiter whose place is kept by the request of `sent` that is answered at `now`.
fn keep(line: &mut Line<u64>, sent: Instant, now: Instant) -> Option<Number> {
    let number = asked(&line.step(sent, 0))?;
    line.answered(number, Attempt::Busy { lease_left: None, fence: 1 }, sent, now);
    Some(number)
}

/// A line whose waiters took their places at `now`; they are kept for 800 ms.
fn queued(waiters: u64, now: Instant) -> Line<u64> {
    let mut line = line(waiters, true, now);
    for number in 0..waiters {
        assert_eq!(keep(&mut line, now, now), Some(Number(number)));
    }
    assert_eq!(asked(&line.step(now, 0)), None, "all have places");
    line
}

#[test]
fn places_that_may_have_been_lost_before_a_late_answer_are_asked_for_anew() {
    let now = Instant::now();
    let (sent, in_time, late) = (now + 100 * MS, now + 800 * MS, now + 801 * MS);
    let mut line = queued(3, now);
    assert_eq!(keep(&mut line, sent, in_time), Some(Number(0)));
    assert_eq!(asked(&line.step(in_time, 0)), Some(Number(0)), "it is time again, and nothing else");
    let mut line = queued(3, now);
    assert_eq!(keep(&mut line, sent, late), Some(Number(0)));
    for number in [1, 2] {
        assert_eq!(keep(&mut line, late, late), Some(Number(number)), "the server may have stood still before it was asked");
    }
    assert_eq!(asked(&line.step(late, 0)), None);
}

/// One who waits with pauses of 10 ms, and whose place is kept for 30 ms.
fn brief(reply: u64) -> Arrival<u64> {
    let Arrival { ticket, .. } = arrival(true, reply);
    Arrival { ticket: Ticket { kept: span(30), ..ticket }, pulse: span(10), ..arrival(true, reply) }
}

#[test]
fn a_place_that_lasts_shorter_ends_no_other() {
    let now = Instant::now();
    let mut line = queued(2, now);
    let later = now + 50 * MS;
    line.join(brief(2), later);
    assert_eq!(keep(&mut line, later, later), Some(Number(2)));
    assert_eq!(asked(&line.step(later, 0)), None, "the others' places are kept for 800 ms");
    let later = now + 100 * MS;
    assert_eq!(keep(&mut line, later, later), Some(Number(0)));
    assert_eq!(asked(&line.step(later, 0)), None, "and so is this one, by theirs");
    let last = now + 901 * MS;
    for number in [0, 1, 2] {
        assert_eq!(keep(&mut line, last, last), Some(Number(number)), "and not for longer");
    }
}

#[test]
fn who_is_next_keeps_a_place_that_would_end_before_its_pause() {
    let now = Instant::now();
    let mut line = Line::new(now);
    let (first, _) = line.join(brief(0), now);
    line.join(Arrival { pulse: span(1_000), ..arrival(true, 1) }, now);
    line.listen(now);
    line.listening(true, now);
    for number in 0..2 {
        assert_eq!(keep(&mut line, now, now), Some(Number(number)));
    }
    let later = now + 700 * MS;
    line.leave(first, later);
    assert_eq!(asked(&line.step(later, 0)), Some(Number(1)), "its place is kept for 800 ms, and it would ask after 1,700 ms");
}

#[test]
fn a_request_that_was_not_answered_keeps_no_places() {
    let now = Instant::now();
    let mut line = queued(3, now);
    let lost = now + 400 * MS;
    let number = asked(&line.step(lost, 0)).unwrap();
    assert!(line.failed(number, timed_out(), true, lost, 0).is_none());
    let later = now + 900 * MS;
    for number in [0, 1, 2] {
        assert_eq!(keep(&mut line, later, later), Some(Number(number)));
    }
}

#[test]
fn who_was_not_answered_has_no_place() {
    let now = Instant::now();
    let mut line = line(3, true, now);
    assert_eq!(keep(&mut line, now, now), Some(Number(0)));
    assert_eq!(asked(&line.step(now, 0)), Some(Number(1)));
    assert!(line.failed(Number(1), timed_out(), true, now, 0).is_none());
    let later = now + 100 * MS;
    for number in [0, 1, 2] {
        assert_eq!(keep(&mut line, later, later), Some(Number(number)), "the first tries whether it works again");
    }
}

#[test]
fn nobody_is_doubted_who_came_after_others_may_have_been_lost() {
    let (then, now) = (Instant::now(), Instant::now() + Duration::from_secs(9));
    let mut line = queued(1, then);
    let visitors: Vec<_> = (1..4).map(|number| Arrival { queued: true, ..arrival(true, number) }).collect();
    for Arrival { ticket, .. } in &visitors {
        line.visit(ticket.token.clone(), now);
        line.visitor_heard_busy(&ticket.token, None, 1, now, now);
    }
    for visitor in visitors {
        let token = visitor.ticket.token.clone();
        line.join(visitor, now);
        line.visited(&token);
    }
    assert_eq!(keep(&mut line, now, now), Some(Number(0)));
    assert_eq!(asked(&line.step(now, 0)), None);
}

#[test]
fn a_place_that_was_asked_for_outside_the_line_counts_if_there_is_no_doubt() {
    let now = Instant::now();
    let asks_anew = |answered: bool, doubt: Option<Word>, late: Instant| {
        let mut line = queued(1, now);
        let visitor = Arrival { queued: true, ..arrival(true, 7) };
        let token = visitor.ticket.token.clone();
        line.visit(token.clone(), now);
        if answered {
            line.visitor_heard_busy(&token, None, 1, now, now);
        }
        if let Some(word) = doubt {
            line.heard(word, now);
            assert_eq!(keep(&mut line, now, now), Some(Number(0)));
        }
        let (number, _) = line.join(visitor, late);
        line.visited(&token);
        (asked(&line.step(late, 0)), number)
    };
    let (in_time, late) = (now + 40 * MS, now + 801 * MS);
    assert_eq!(asks_anew(true, None, in_time).0, None);
    for (answered, doubt) in [(false, None), (true, Some(Word::Doubt))] {
        let (asks, number) = asks_anew(answered, doubt, in_time);
        assert_eq!(asks, Some(number), "its place is not certain");
    }
    assert_eq!(asks_anew(true, None, late).0, Some(Number(0)), "the other's place may be gone");
}

#[test]
fn who_is_fair_does_not_pass_a_visitor_who_came_before_but_does_not_wait_for_it_for_ever() {
    let now = Instant::now();
    let come = |line: &mut Line<u64>| {
        let visitor = arrival(true, 0);
        line.visit(visitor.ticket.token.clone(), now);
        for number in 1..3 {
            line.join(arrival(true, number), now);
        }
        line.listen(now);
        line.listening(true, now);
        visitor
    };
    let mut line = Line::new(now);
    let visitor = come(&mut line);
    assert_eq!(line.step(now, 0), Step::Sleep { until: now + 100 * MS });
    let token = visitor.ticket.token.clone();
    line.join(visitor, now);
    line.visited(&token);
    for number in 0..3 {
        assert_eq!(keep(&mut line, now, now), Some(Number(number)), "as they came");
    }
    let mut line = Line::new(now);
    come(&mut line);
    assert_eq!(asked(&line.step(now + 100 * MS, 0)), Some(Number(1)), "nobody polls the visitor");
}
