#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;
use crate::clock::Span;
use crate::error::{Outage, Unavailable};
use crate::store::Released;

mod world;

const MS: Duration = Duration::from_millis(1);

fn span(millis: u64) -> Span {
    Span::new("time", Duration::from_millis(millis)).unwrap()
}

fn arrival(fair: bool, reply: u64) -> Arrival<u64> {
    let ticket = Ticket { token: Token::random().unwrap(), lease: Some(span(2_000)), kept: span(800) };
    Arrival { ticket, fair, pulse: span(100), queued: false, reply }
}

/// A line with these waiters, by number, of which all are heard.
fn line(waiters: u64, fair: bool, now: Instant) -> Line<u64> {
    let mut line = Line::new(now);
    for number in 0..waiters {
        line.join(arrival(fair, number), now);
    }
    line.listen(now);
    line.listening(true, now);
    line
}

fn asked(step: &Step) -> Option<Number> {
    match step {
        Step::Ask { number, .. } => Some(*number),
        Step::Sleep { .. } | Step::Rest => None,
    }
}

#[test]
fn one_asks_for_all_and_each_who_is_fair_once_for_itself() {
    let now = Instant::now();
    let mut unfair = line(1_000, false, now);
    assert_eq!(asked(&unfair.step(now, 0)), Some(Number(0)));
    unfair.heard_busy(None, 1, now, now);
    assert_eq!(asked(&unfair.step(now, 0)), None, "one attempt for a thousand");
    assert_eq!(asked(&unfair.step(now + 100 * MS, 0)), Some(Number(0)), "and one a pause");
    let mut fair = line(10, true, now);
    for number in 0..10 {
        assert_eq!(asked(&fair.step(now, 0)), Some(Number(number)));
        fair.heard_busy(None, 1, now, now);
    }
    assert_eq!(asked(&fair.step(now, 0)), None);
    assert_eq!(fair.heard(Word::Doubt, now).map(|(to, _)| to), None);
    assert_eq!(asked(&fair.step(now, 0)), Some(Number(0)), "all places are in doubt");
    assert_eq!(asked(&fair.step(now, 0)), Some(Number(1)));
}

#[test]
fn while_this_process_holds_the_lock_nobody_asks_and_after_sixteen_turns_others_come_first() {
    let now = Instant::now();
    let mut line = line(40, false, now);
    line.step(now, 0);
    line.heard_busy(None, 1, now, now);
    line.hold(Token::random().unwrap());
    for turn in 0..16 {
        assert!(matches!(line.step(now, 0), Step::Sleep { .. }));
        let offer = line.offer().unwrap();
        assert!(!offer.yields && line.offer().is_none(), "one offer at a time");
        let passed = Some(Released::Passed { fence: 2 + turn });
        let (to, told) = line.offered(&offer, passed, now, now).unwrap();
        assert!(to == turn && matches!(told, Turn::Granted { .. }));
    }
    let offer = line.offer().unwrap();
    assert!(offer.yields);
    assert!(line.offered(&offer, Some(Released::Now), now, now).is_none());
    assert!(!line.offer().unwrap().yields, "it was others' turn");
}

#[test]
fn a_grant_that_comes_before_its_waiter_is_kept_for_it() {
    let now = Instant::now();
    let mut line = line(0, false, now);
    let early = arrival(false, 7);
    line.visit(early.ticket.token.clone(), now);
    line.heard_busy(None, 1, now, now);
    assert!(line.heard(Word::Granted { token: early.ticket.token.clone(), fence: 2 }, now).is_none());
    assert!(line.join(arrival(false, 6), now).1.is_none());
    let early_token = early.ticket.token.clone();
    let (_, told) = line.join(early, now);
    assert!(matches!(told, Some((7, Turn::Granted { fence: 2, .. }))), "{told:?}");
    line.visited(&early_token);
    let nobody = arrival(false, 8);
    assert!(line.heard(Word::Granted { token: nobody.ticket.token.clone(), fence: 3 }, now).is_none());
    assert!(line.join(nobody, now).1.is_none(), "nobody was about to come");
}

#[test]
fn a_grant_counts_from_the_last_question_that_did_not_know_of_it() {
    let now = Instant::now();
    let turn = |before: Option<(u64, Instant)>, fence, at| {
        let mut line = line(1, false, now);
        let Step::Ask { ticket, .. } = line.step(now, 0) else { panic!("it asks") };
        if let Some((fence, sent)) = before {
            line.heard_busy(None, fence, sent, at);
        }
        line.heard(Word::Granted { token: ticket.token, fence }, at).unwrap().1
    };
    let later = now + 100 * MS;
    assert!(matches!(turn(Some((7, now)), 8, later), Turn::Granted { sent, .. } if sent == now));
    assert!(matches!(turn(Some((8, now)), 8, later), Turn::Unsure), "it knew of it already, so it may be long ago");
    assert!(matches!(turn(None, 8, later), Turn::Unsure));
    assert!(matches!(turn(Some((7, now)), 8, now + 900 * MS), Turn::Unsure), "nobody confirmed it in time");
}

#[test]
fn each_of_many_grants_that_come_early_finds_its_waiter() {
    let now = Instant::now();
    let mut line = line(0, true, now);
    let visitors: Vec<_> = (0..400).map(|number| Arrival { queued: true, ..arrival(true, number) }).collect();
    for visitor in &visitors {
        line.visit(visitor.ticket.token.clone(), now);
    }
    for (visitor, fence) in visitors.iter().zip(2..) {
        let token = visitor.ticket.token.clone();
        line.visitor_heard_busy(&token, None, 1, now, now);
        assert!(line.heard(Word::Granted { token, fence }, now).is_none());
    }
    for (visitor, fence) in visitors.into_iter().zip(2_u64..) {
        let (token, number) = (visitor.ticket.token.clone(), visitor.reply);
        let (_, told) = line.join(visitor, now);
        assert!(matches!(told, Some((to, Turn::Granted { fence: with, .. })) if to == number && with == fence), "{told:?}");
        line.visited(&token);
    }
    assert!(line.is_empty());
}

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
