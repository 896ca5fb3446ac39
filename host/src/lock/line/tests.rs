#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;
use crate::clock::Span;
use crate::lock::waiter::Arrival;
use crate::names::{Prefix, Share};
use crate::store::Released;

mod places;
mod world;

const MS: Duration = Duration::from_millis(1);

fn span(millis: u64) -> Span {
    Span::new("time", Duration::from_millis(millis)).unwrap()
}

fn arrival(fair: bool, reply: u64) -> Arrival<u64> {
    let ticket = Ticket { token: Token::random().unwrap(), lease: Some(span(2_000)), kept: span(800) };
    let lock = LockKeys::new(&Prefix::default(), "lock").unwrap();
    Arrival { lock, ticket, fair, places: usize::MAX, pulse: span(100), queued: false, reply }
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
fn the_first_few_of_many_have_places_and_each_who_goes_lets_one_come() {
    let now = Instant::now();
    let mut line = Line::new(now);
    for number in 0..1_000 {
        line.join(Arrival { places: 4, ..arrival(true, number) }, now);
    }
    line.listen(now);
    line.listening(true, now);
    let busy = Attempt::Busy { lease_left: None, fence: 1 };
    assert_eq!(asked(&line.step(now, 0)), Some(Number(0)));
    for number in 1..4 {
        assert_eq!(asked(&line.step_besides(now, 0)), Some(Number(number)), "all of them at once");
    }
    assert_eq!(line.step_besides(now, 0), Step::Rest);
    for number in 0..4 {
        assert!(line.answered(Number(number), busy, now, now).is_none());
    }
    assert_eq!(asked(&line.step(now, 0)), None);
    // One gets the lock, one gives up, and one of those behind does.
    assert!(line.answered(Number(2), Attempt::Acquired { fence: 2 }, now, now).is_some_and(|(to, _)| to == 2));
    assert_eq!((line.leave(Number(0), now), line.leave(Number(4), now)), (Some(true), Some(false)));
    assert_eq!((asked(&line.step(now, 0)), asked(&line.step_besides(now, 0))), (Some(Number(5)), Some(Number(6))));
    assert_eq!(line.step_besides(now, 0), Step::Rest);
    // Places that are in doubt are asked for again one after the other, and no question is asked twice at once.
    line.heard(Word::Doubt, now);
    assert_eq!(line.leave(Number(1), now), Some(true));
    assert_eq!(line.step_besides(now, 0), Step::Rest, "who never asked does not come before them");
    for number in [3, 5, 6, 7] {
        assert_eq!(asked(&line.step(now, 0)), Some(Number(number)));
    }
    assert!(line.is_crowded(996) && !line.is_crowded(997));
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
fn nobody_asks_when_a_share_is_let_go_of_as_the_store_passes_it_on() {
    let now = Instant::now();
    let asks_when_let_go_of = |share| {
        let lock = LockKeys::shared(&Prefix::default(), "lock", share).unwrap();
        let (mut line, held) = (Line::new(now), Token::random().unwrap());
        line.hold(held.clone());
        line.join(Arrival { lock, queued: true, ..arrival(true, 0) }, now);
        line.listening(true, now);
        assert!(asked(&line.step(now, 0)).is_some());
        assert_eq!(asked(&line.step(now, 0)), None);
        assert!(line.unhold(&held, now));
        asked(&line.step(now, 0)).is_some()
    };
    assert!(asks_when_let_go_of(Share::Alone));
    assert!(!asks_when_let_go_of(Share::Writer));
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
