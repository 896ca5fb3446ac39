#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use super::super::fences::FENCE_KEPT;
use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn setup() -> (LockTable, LockKeys, Span, [Token; 2], Instant) {
    let tokens = [Token::random().unwrap(), Token::random().unwrap()];
    let keys = LockKeys::new(&Prefix::default(), "lock").unwrap();
    (LockTable::default(), keys, Span::new("lease", SECOND).unwrap(), tokens, Instant::now())
}

fn ticket(token: &Token, lease: Option<Span>) -> Ticket {
    Ticket { token: token.clone(), lease, kept: Span::new("kept", SECOND / 2).unwrap() }
}

impl LockTable {
    fn acquire(&mut self, lock: &LockKeys, token: &Token, lease: Option<Span>, now: Instant) -> Option<Attempt> {
        self.attempt(lock, &ticket(token, lease), Queueing::NONE, &|_| true, now)
    }

    fn let_go(&mut self, lock: &LockKeys, token: &Token, now: Instant) -> Released {
        self.release(lock, Release::of(token), &|_| true, now)
    }
}

fn fence(attempt: Option<Attempt>) -> u64 {
    match attempt {
        Some(Attempt::Acquired { fence }) => fence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_holds_it_until_the_lease_ends_and_fences_rise() {
    let (mut table, lock, lease, [a, b], now) = setup();
    let first = fence(table.acquire(&lock, &a, Some(lease), now));
    assert_eq!(table.acquire(&lock, &b, Some(lease), now), Some(Attempt::Busy { lease_left: Some(SECOND), fence: first }));
    let again = fence(table.acquire(&lock, &a, Some(lease), now + SECOND / 2));
    assert_eq!(again, first, "a repeated attempt is a success, and the holder is the same");
    assert_eq!(table.holding(&lock, &a, now + SECOND), Holding::Left(SECOND / 2), "its lease began anew");
    let [c, d] = [Token::random().unwrap(), Token::random().unwrap()];
    let adopted = table.adopt(&lock, &a, &c, now + SECOND).unwrap();
    assert!(adopted.fence > again && adopted.lease_left == Some(SECOND / 2));
    assert_eq!(table.adopt(&lock, &b, &d, now + SECOND), None);
    let next = fence(table.acquire(&lock, &b, None, now + 2 * SECOND));
    assert!(next > adopted.fence);
    assert_eq!(table.acquire(&lock, &d, None, now + 2 * SECOND), Some(Attempt::Busy { lease_left: None, fence: next }));
    assert_eq!(table.acquire(&lock, &a, None, now + 2 * SECOND), None, "it was adopted");
}

#[test]
fn a_release_is_told_from_a_repetition_and_from_a_stranger() {
    let (mut table, lock, lease, [a, b], now) = setup();
    let stranger = Token::random().unwrap();
    table.acquire(&lock, &a, Some(lease), now);
    assert_eq!(table.let_go(&lock, &stranger, now), Released::NotHeld);
    assert_eq!(table.let_go(&lock, &a, now), Released::Now);
    table.acquire(&lock, &b, Some(lease), now);
    assert_eq!(table.let_go(&lock, &a, now), Released::Before, "also while somebody else holds it");
    assert!(table.is_locked(&lock, now));
    assert_eq!(table.let_go(&lock, &b, now + SECOND), Released::NotHeld, "its lease had ended");
}

#[test]
fn only_the_holder_gets_more_time() {
    let (mut table, lock, lease, [a, b], now) = setup();
    table.acquire(&lock, &a, Some(lease), now);
    assert_eq!(table.extend(&lock, &a, lease, now), Holding::Left(2 * SECOND));
    assert_eq!(table.renew(&lock, &a, Some(lease), now), Holding::Left(SECOND));
    assert_eq!(table.extend(&lock, &b, lease, now), Holding::No);
    assert_eq!(table.renew(&lock, &b, Some(lease), now), Holding::No);
    assert_eq!(table.renew(&lock, &a, Some(lease), now + SECOND), Holding::No, "too late");
    table.acquire(&lock, &b, None, now + SECOND);
    assert_eq!(table.extend(&lock, &b, lease, now + SECOND), Holding::Unlimited);
}

#[test]
fn places_last_as_long_as_one_of_them_is_heard_of() {
    let (mut table, lock, lease, [a, b], now) = setup();
    let (joins, visits) = (Queueing { joins: true, fair: true, brief: true }, Queueing { fair: true, ..Queueing::NONE });
    let c = ticket(&Token::random().unwrap(), None);
    let [first, second] = [&a, &b].map(|token| ticket(token, Some(lease)));
    let held = Token::random().unwrap();
    table.acquire(&lock, &held, None, now);
    let attempt = |table: &mut LockTable, ticket: &Ticket, queueing, now| table.attempt(&lock, ticket, queueing, &|_| false, now);
    attempt(&mut table, &first, joins, now);
    attempt(&mut table, &second, joins, now + SECOND / 4);
    table.release(&lock, Release::of(&held), &|_| false, now + SECOND / 4);
    // Nobody hears of the grant, and the word of the second keeps the place of the first too.
    let almost = now + SECOND / 4 + SECOND / 2 - Duration::from_millis(1);
    assert!(matches!(attempt(&mut table, &c, visits, almost), Some(Attempt::Busy { .. })));
    assert_eq!(table.first(&lock, almost), Some(&first));
    let gone = almost + Duration::from_millis(1);
    assert!(matches!(table.attempt_all(std::slice::from_ref(&lock), &c, true, almost), Some(AttemptAll::Busy { .. })));
    fence(attempt(&mut table, &c, visits, gone));
    assert_eq!(table.sight(&lock, gone).unwrap().waiters, 0);
    attempt(&mut table, &second, joins, gone);
    assert_eq!(table.first(&lock, gone), Some(&second), "the place of before is not found again");
}

#[test]
fn a_place_that_lasts_shorter_ends_no_other() {
    let (mut table, lock, lease, [a, b], now) = setup();
    let joins = Queueing { joins: true, fair: true, brief: true };
    let [first, c] = [&a, &Token::random().unwrap()].map(|token| ticket(token, Some(lease)));
    let second = Ticket { kept: Span::new("kept", SECOND / 10).unwrap(), ..ticket(&b, Some(lease)) };
    let held = Token::random().unwrap();
    table.acquire(&lock, &held, None, now);
    for ticket in [&first, &second] {
        table.attempt(&lock, ticket, joins, &|_| false, now);
    }
    let almost = now + SECOND / 2 - Duration::from_millis(1);
    table.release(&lock, Release::of(&held), &|_| false, almost);
    let visits = Queueing { joins: false, ..joins };
    assert!(matches!(table.attempt(&lock, &c, visits, &|_| false, almost), Some(Attempt::Busy { .. })));
    assert_eq!(table.first(&lock, almost), Some(&first));
}

#[test]
fn nothing_is_kept_for_ever() {
    let (mut table, _, lease, [a, b], now) = setup();
    for n in 0..1_000 {
        let keys = LockKeys::new(&Prefix::default(), &format!("{n}")).unwrap();
        table.acquire(&keys, &a, Some(lease), now);
    }
    let waits = Queueing { joins: true, fair: true, brief: true };
    for n in 0..1_000 {
        let keys = LockKeys::new(&Prefix::default(), &format!("{n}")).unwrap();
        table.attempt(&keys, &ticket(&b, None), waits, &|_| false, now);
    }
    assert_eq!(table.queues.len(), 1_000);
    let later = now + FENCE_KEPT + SECOND;
    for n in 0..600 {
        let keys = LockKeys::new(&Prefix::default(), &format!("{n}")).unwrap();
        table.acquire(&keys, &a, Some(lease), later);
        table.attempt(&keys, &ticket(&b, None), waits, &|_| false, later);
    }
    assert_eq!((table.held.len(), table.fences.len(), table.queues.len()), (600, 600, 600));
}
