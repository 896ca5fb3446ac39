#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::names::Prefix;

const MS: Duration = Duration::from_millis(1);

fn keys(share: Share) -> LockKeys {
    LockKeys::shared(&Prefix::default(), "lock", share).unwrap()
}

fn permit(of: u32) -> Share {
    Share::Permit { of: NonZeroU32::new(of).unwrap() }
}

fn ticket(number: usize) -> Ticket {
    let token = Token::parse(&format!("the-token-{number}")).unwrap();
    Ticket { token, lease: Some(Span::new("lease", 20 * MS).unwrap()), kept: Span::new("kept", 10 * MS).unwrap() }
}

fn acquired(attempt: Option<Attempt>) -> bool {
    matches!(attempt, Some(Attempt::Acquired { .. }))
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Ask(usize),
    Release(usize),
    Withdraw(usize),
    Renew(usize),
    Pass(u64),
}

fn event(tickets: usize) -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (0..tickets).prop_map(Event::Ask),
        2 => (0..tickets).prop_map(Event::Release),
        1 => (0..tickets).prop_map(Event::Withdraw),
        1 => (0..tickets).prop_map(Event::Renew),
        2 => (0..15_u64).prop_map(Event::Pass),
    ]
}

/// Plays events with one ticket for each share, and checks after each that those who hold the lock fit together, that fences rise, and
/// that nobody was passed by who came later.
fn play(shares: &[Share], events: &[Event], fits: impl Fn(&[Share]) -> bool) {
    let (mut table, mut now) = (SharedTable::default(), Instant::now());
    let locks: Vec<_> = shares.iter().map(|share| keys(*share)).collect();
    let mut tickets: Vec<_> = (0..shares.len()).map(ticket).collect();
    let mut fresh = shares.len();
    // Who waits, in order, by index; the fences in the order in which they were given.
    let (waiting, last) = (RefCell::new(Vec::<usize>::new()), RefCell::new(0));
    let mut kept = now;
    for event in events {
        if kept <= now {
            waiting.borrow_mut().clear();
        }
        let known = tickets.clone();
        let gets = |index: usize, fence: u64| {
            assert!(fence > *last.borrow(), "fences rise");
            *last.borrow_mut() = fence;
            let mut waiting = waiting.borrow_mut();
            assert!(waiting.is_empty() || waiting.first() == Some(&index), "{index} passed {waiting:?}");
            waiting.retain(|other| *other != index);
        };
        let tell = |word| {
            let Word::Granted { token, fence } = word else { panic!("{word:?}") };
            gets(known.iter().position(|ticket| ticket.token == token).unwrap(), fence);
            true
        };
        match *event {
            Event::Ask(n) => {
                let holds = table.holding(&locks[n], &tickets[n].token, now) != Holding::No;
                let queueing = Queueing { joins: true, fair: true, brief: false };
                let first = waiting.borrow().first().is_none_or(|first| *first == n);
                let fit = first && table.with(&locks[n], now, |room, _| room.fits(shares[n]));
                // It has the lock, or a place in the queue, before others are granted it.
                let before = *last.borrow();
                if fit && !holds {
                    waiting.borrow_mut().retain(|other| *other != n);
                } else if !holds {
                    kept = now + 10 * MS;
                    if !waiting.borrow().contains(&n) {
                        waiting.borrow_mut().push(n);
                    }
                }
                match table.attempt(&locks[n], &tickets[n], queueing, &tell, now) {
                    Some(Attempt::Acquired { fence }) => {
                        assert!((holds || fit) && fence > before);
                        last.replace_with(|last| fence.max(*last));
                    }
                    Some(Attempt::Busy { .. }) => assert!(!fit),
                    None => panic!("a fresh token was refused"),
                }
            }
            Event::Release(n) | Event::Withdraw(n) => {
                waiting.borrow_mut().retain(|other| *other != n);
                let release = Release { withdraws: Some(&tickets[n]), ..Release::of(&tickets[n].token) };
                table.release(&locks[n], release, &tell, now);
                tickets[n] = ticket(fresh);
                fresh += 1;
            }
            Event::Renew(n) => _ = table.renew(&locks[n], &tickets[n].token, tickets[n].lease, now),
            Event::Pass(ms) => now += Duration::from_millis(ms),
        }
        let holders: Vec<_> = (0..shares.len())
            .filter(|n| table.holding(&locks[*n], &tickets[*n].token, now) != Holding::No)
            .map(|n| shares[n])
            .collect();
        assert!(fits(&holders), "{holders:?} hold it after {event:?}");
        assert_eq!(table.holders(&locks[0], now), holders.len() as u64);
    }
}

proptest! {
    #[test]
    fn a_writer_is_never_with_others(
        writes in proptest::collection::vec(any::<bool>(), 1..6),
        events in proptest::collection::vec(event(6), 0..80),
    ) {
        let shares: Vec<_> = writes.iter().map(|writes| if *writes { Share::Writer } else { Share::Reader }).collect();
        play(&shares, &within(&events, shares.len()), |holders| holders.len() < 2 || !holders.contains(&Share::Writer));
    }

    #[test]
    fn never_are_more_permits_out_than_there_are(
        of in 1..4_u32,
        events in proptest::collection::vec(event(6), 0..80),
    ) {
        play(&[permit(of); 6], &events, |holders| holders.len() <= of as usize);
    }
}

/// The same events with as many tickets as there are.
fn within(events: &[Event], tickets: usize) -> Vec<Event> {
    let fold = |event: &Event| match *event {
        Event::Ask(n) => Event::Ask(n % tickets),
        Event::Release(n) => Event::Release(n % tickets),
        Event::Withdraw(n) => Event::Withdraw(n % tickets),
        Event::Renew(n) => Event::Renew(n % tickets),
        pass @ Event::Pass(_) => pass,
    };
    events.iter().map(fold).collect()
}

#[test]
fn a_repeated_attempt_has_the_lock_once_and_a_late_one_not_at_all() {
    let (mut table, lock, now) = (SharedTable::default(), keys(permit(2)), Instant::now());
    let (one, two) = (ticket(1), ticket(2));
    assert!(acquired(table.attempt(&lock, &one, Queueing::NONE, &|_| true, now)));
    assert!(acquired(table.attempt(&lock, &one, Queueing::NONE, &|_| true, now + 15 * MS)));
    assert_eq!(table.holding(&lock, &one.token, now + 15 * MS), Holding::Left(20 * MS), "its lease began anew");
    assert_eq!(table.holders(&lock, now), 1);
    assert_eq!(table.release(&lock, Release::of(&one.token), &|_| true, now), Released::Now);
    assert_eq!(table.release(&lock, Release::of(&one.token), &|_| true, now), Released::Before);
    assert_eq!(table.attempt(&lock, &one, Queueing::NONE, &|_| true, now), None);
    assert_eq!(table.release(&lock, Release::of(&two.token), &|_| true, now), Released::NotHeld);
    assert_eq!(table.attempt(&lock, &two, Queueing::NONE, &|_| true, now), None, "it was given up");
}

#[test]
fn whom_nobody_can_tell_is_passed_over_and_keeps_its_place() {
    let (mut table, lock, now) = (SharedTable::default(), keys(permit(1)), Instant::now());
    let [one, two, three] = [1, 2, 3].map(ticket);
    let joins = Queueing { joins: true, fair: true, brief: false };
    assert!(acquired(table.attempt(&lock, &one, Queueing::NONE, &|_| true, now)));
    assert!(
        !acquired(table.attempt(&lock, &two, joins, &|_| true, now))
            && !acquired(table.attempt(&lock, &three, joins, &|_| true, now))
    );
    let deaf = two.token.clone();
    let tell = |word| !matches!(word, Word::Granted { token, .. } if token == deaf);
    table.release(&lock, Release::of(&one.token), &tell, now);
    assert_eq!(table.holding(&lock, &three.token, now), Holding::Left(10 * MS), "granted for as long as its place is kept");
    table.release(&lock, Release::of(&three.token), &tell, now);
    assert!(!acquired(table.attempt(&lock, &ticket(4), joins, &tell, now)), "its place is before this one");
}

#[test]
fn places_last_as_long_as_one_of_them_is_heard_of() {
    let (mut table, lock, now) = (SharedTable::default(), keys(permit(1)), Instant::now());
    let [one, two, three, four] = [1, 2, 3, 4].map(ticket);
    let joins = Queueing { joins: true, fair: true, brief: false };
    let mut attempt = |ticket: &Ticket, queueing, ms| acquired(table.attempt(&lock, ticket, queueing, &|_| false, now + ms * MS));
    assert!(attempt(&one, Queueing::NONE, 0));
    assert!(!attempt(&two, joins, 12) && !attempt(&three, joins, 15));
    // The lease has ended, and nobody hears that it is theirs. The word of the last keeps the places of both.
    assert!(!attempt(&four, Queueing::NONE, 24));
    assert!(attempt(&four, Queueing::NONE, 25));
    assert_eq!(table.sight(&lock, now + 25 * MS).unwrap().waiters, 0);
    let (still, gone) = (now + 24 * MS, now + 45 * MS);
    assert_eq!(table.holders(&lock, still), 1);
    table.with(&lock, gone, |room, _| assert!(room.queue.is_empty() && room.holders.is_empty()));
    assert_eq!(table.len(), 0);
}

#[test]
fn a_place_that_lasts_shorter_ends_no_other() {
    let (mut table, lock, now) = (SharedTable::default(), keys(permit(1)), Instant::now());
    let [one, two, three, four] = [1, 2, 3, 4].map(ticket);
    let brief = Ticket { kept: Span::new("kept", MS).unwrap(), ..three };
    let joins = Queueing { joins: true, fair: true, brief: false };
    let mut attempt = |ticket: &Ticket, queueing, ms| acquired(table.attempt(&lock, ticket, queueing, &|_| false, now + ms * MS));
    assert!(attempt(&one, Queueing::NONE, 0));
    assert!(!attempt(&two, joins, 12) && !attempt(&brief, joins, 13));
    assert!(!attempt(&four, Queueing::NONE, 21), "the lock is free, and the place of another is before this one");
    assert!(attempt(&four, Queueing::NONE, 22));
    // Who waits when nobody else does is kept for its own time.
    let (mut table, late) = (SharedTable::default(), now + 30 * MS);
    table.attempt(&lock, &one, Queueing::NONE, &|_| true, now);
    table.attempt(&lock, &two, joins, &|_| true, now);
    table.release(&lock, Release { withdraws: Some(&two), ..Release::of(&two.token) }, &|_| true, now);
    table.attempt(&lock, &brief, joins, &|_| true, now + MS);
    assert_eq!(table.sight(&lock, now + 2 * MS).unwrap().waiters, 0);
    assert_eq!(table.holders(&lock, late), 0);
}

#[test]
fn nothing_is_kept_of_a_lock_that_nobody_holds_or_wants() {
    let (mut table, lock, now) = (SharedTable::default(), keys(Share::Writer), Instant::now());
    table.attempt(&lock, &ticket(1), Queueing::NONE, &|_| true, now);
    assert_eq!(table.len(), 1);
    assert_eq!(table.holding(&lock, &ticket(1).token, now + 20 * MS), Holding::No);
    assert_eq!(table.len(), 0);
    // Nor where somebody waited whom nobody can tell; whoever takes another lock clears it away.
    let joins = Queueing { joins: true, fair: true, brief: false };
    table.attempt(&lock, &ticket(2), Queueing::NONE, &|_| true, now);
    table.attempt(&lock, &ticket(3), joins, &|_| false, now + 15 * MS);
    for (ms, count) in [(24, 2), (25, 1)] {
        table.attempt(&keys(permit(1)), &ticket(ms), Queueing::NONE, &|_| true, now + Duration::from_millis(ms as u64));
        assert_eq!(table.len(), count, "after {ms} ms");
    }
}
