//! What stores promise of locks that many can hold.

use bellwether::clock::Wait;
use bellwether::lock::{LockOptions, Locks};
use bellwether::names::Share;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};

use super::*;

const SOON: Duration = Duration::from_secs(10);

const JOINS: Queueing = Queueing { joins: true, fair: true, brief: true };

fn keys(name: &str, share: Share) -> LockKeys {
    LockKeys::shared(&Prefix::default(), name, share).unwrap()
}

pub(crate) fn rw(name: &str) -> (LockKeys, LockKeys) {
    (keys(name, Share::Reader), keys(name, Share::Writer))
}

pub(crate) fn permit(name: &str, of: u32) -> LockKeys {
    keys(name, Share::Permit { of: NonZeroU32::new(of).unwrap() })
}

pub(crate) async fn takes(store: &Shared, lock: &LockKeys, token: &Token, lease: u64) -> Option<u64> {
    match store.acquire(lock, token, Some(ms(lease))).await.unwrap() {
        Attempt::Acquired { fence } => Some(fence),
        Attempt::Busy { .. } => None,
    }
}

/// Takes a place, which lasts for so long.
pub(crate) async fn waits(store: &Shared, lock: &LockKeys, kept: u64) -> Ticket {
    let ticket = Ticket { token: token(), lease: Some(ms(LONG)), kept: ms(kept) };
    assert!(matches!(store.attempt(lock, &ticket, JOINS).await.unwrap(), Attempt::Busy { .. }));
    ticket
}

pub(crate) async fn let_go(store: &Shared, lock: &LockKeys, token: &Token) -> Released {
    store.release(lock, Release::of(token)).await.unwrap()
}

pub(crate) async fn granted(watch: &mut Watch) -> (Token, u64) {
    match timeout(SOON, watch.heard()).await.unwrap() {
        Word::Granted { token, fence } => (token, fence),
        Word::Doubt => panic!("nothing was missed"),
    }
}

pub(crate) async fn many_read_or_one_writes(store: Shared, name: &str) {
    let ((reader, writer), [a, b, c]) = (rw(name), [token(), token(), token()]);
    let first = takes(&store, &reader, &a, LONG).await.unwrap();
    let second = takes(&store, &reader, &b, LONG).await.unwrap();
    assert!(second > first);
    assert_eq!((store.holders(&reader).await.unwrap(), store.holders(&writer).await.unwrap()), (2, 2));
    assert_eq!(takes(&store, &writer, &c, LONG).await, None);
    assert!(left(store.holding(&reader, &a).await.unwrap()) > ms(LONG / 2).duration());
    assert_eq!(store.holding(&writer, &a).await.unwrap(), Holding::No, "it only reads");
    assert_eq!(let_go(&store, &reader, &a).await, Released::Now);
    assert_eq!(let_go(&store, &reader, &a).await, Released::Before);
    assert_eq!(let_go(&store, &reader, &b).await, Released::Now);
    assert!(!store.is_locked(&writer).await.unwrap());
    let third = takes(&store, &writer, &c, LONG).await.unwrap();
    assert!(third > second && store.is_locked(&reader).await.unwrap());
    assert_eq!(takes(&store, &reader, &token(), LONG).await, None);
    assert_eq!(takes(&store, &writer, &token(), LONG).await, None);
    assert_eq!(let_go(&store, &reader, &token()).await, Released::NotHeld);
    assert_eq!(let_go(&store, &writer, &c).await, Released::Now);
}

pub(crate) async fn permits_are_counted_and_come_back(store: Shared, name: &str) {
    let (two, [a, b, c]) = (permit(name, 2), [token(), token(), token()]);
    assert!(takes(&store, &two, &a, 50).await.is_some() && takes(&store, &two, &b, LONG).await.is_some());
    assert!(takes(&store, &permit(name, 3), &c, LONG).await.is_some(), "each goes by its own limit");
    assert_eq!(takes(&store, &two, &token(), LONG).await, None);
    let end = Instant::now() + SOON;
    while store.holders(&two).await.unwrap() > 2 {
        assert!(Instant::now() < end, "a lease of 50 ms still runs");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.holding(&two, &a).await.unwrap(), Holding::No);
    assert_eq!(store.renew(&[renewal(&two, &a)]).await.pop().unwrap().unwrap(), Holding::No);
    assert_eq!(let_go(&store, &two, &a).await, Released::NotHeld);
    assert_eq!(let_go(&store, &two, &b).await, Released::Now);
    assert!(takes(&store, &two, &token(), LONG).await.is_some());
}

fn renewal(lock: &LockKeys, token: &Token) -> Renewal {
    Renewal { lock: lock.clone(), token: token.clone(), lease: Some(ms(2 * LONG)) }
}

pub(crate) async fn leases_of_a_shared_lock_run_each_for_itself(store: Shared, name: &str) {
    let (lock, [a, b, c]) = (permit(name, 3), [token(), token(), token()]);
    assert!(takes(&store, &lock, &a, LONG).await.is_some() && takes(&store, &lock, &b, LONG).await.is_some());
    fence(store.acquire(&lock, &c, None).await.unwrap());
    assert_eq!(store.holding(&lock, &c).await.unwrap(), Holding::Unlimited);
    assert_eq!(store.extend(&lock, &c, ms(LONG)).await.unwrap(), Holding::Unlimited);
    assert!(left(store.extend(&lock, &a, ms(LONG)).await.unwrap()) > ms(LONG).duration());
    assert!(left(store.renew(&[renewal(&lock, &b)]).await.pop().unwrap().unwrap()) > ms(LONG).duration());
    assert!(left(store.holding(&lock, &b).await.unwrap()) > ms(LONG).duration());
    let ages = Span::new("time", bellwether::clock::MAX_TIME).unwrap();
    assert!(left(store.extend(&lock, &a, ages).await.unwrap()) > ages.duration());
    assert_eq!(store.extend(&lock, &token(), ms(LONG)).await.unwrap(), Holding::No);
    assert!(fence(store.acquire(&lock, &a, Some(ms(50))).await.unwrap()) > 0, "the same token again");
    assert!(left(store.holding(&lock, &a).await.unwrap()) > ages.duration(), "a late attempt shortens nothing");
    assert_eq!(store.holders(&lock).await.unwrap(), 3);
    assert!(matches!(store.adopt(&lock, &a, &token()).await, Err(Error::Invalid(_))));
}

pub(crate) async fn a_release_lets_in_as_many_as_fit(store: Shared, name: &str) {
    let ((reader, writer), holder) = (rw(name), token());
    let mut last = takes(&store, &writer, &holder, LONG).await.unwrap();
    let mut watch = store.watch(&reader).await.unwrap();
    let order = [&reader, &reader, &writer, &reader, &reader, &reader];
    let mut waiters = Vec::new();
    for lock in order {
        waiters.push((lock, waits(&store, lock, LONG).await.token));
    }
    assert_eq!(let_go(&store, &writer, &holder).await, Released::Now);
    for group in [&waiters[..2], &waiters[2..3], &waiters[3..]] {
        for (_, waiter) in group {
            let (token, fence) = granted(&mut watch).await;
            assert!(token == *waiter && fence > last, "in the order in which they came");
            last = fence;
        }
        assert!(quiet(&mut watch).await, "nobody else fits");
        assert_eq!(store.holders(&reader).await.unwrap(), group.len() as u64);
        assert_eq!(takes(&store, &reader, &token(), LONG).await.is_some(), group.len() == 3, "nobody passes a writer that waits");
        for (lock, waiter) in group {
            assert_eq!(let_go(&store, lock, waiter).await, Released::Now);
        }
    }
}

pub(crate) async fn a_place_that_is_given_up_lets_in_those_behind(store: Shared, name: &str) {
    let ((reader, writer), holder) = (rw(name), token());
    takes(&store, &reader, &holder, LONG).await.unwrap();
    let mut watch = store.watch(&reader).await.unwrap();
    let first = waits(&store, &writer, LONG).await;
    let second = waits(&store, &reader, LONG).await;
    let withdrawal = Release { withdraws: Some(&first), ..Release::of(&first.token) };
    assert_eq!(store.release(&writer, withdrawal).await.unwrap(), Released::NotHeld);
    assert!(granted(&mut watch).await.0 == second.token);
    assert!(store.attempt(&writer, &first, JOINS).await.is_err(), "it was given up");
}

pub(crate) async fn a_lease_that_ended_lets_in_the_first_when_anybody_asks(store: Shared, name: &str) {
    let (one, holder) = (permit(name, 1), token());
    takes(&store, &one, &holder, LONG).await.unwrap();
    let mut watch = store.watch(&one).await.unwrap();
    let (first, second) = (waits(&store, &one, LONG).await, waits(&store, &one, LONG).await);
    ends_soon(&store, &one, &holder).await;
    let end = Instant::now() + SOON;
    while store.is_locked(&one).await.unwrap() {
        assert!(Instant::now() < end);
        sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(store.attempt(&one, &second, JOINS).await.unwrap(), Attempt::Busy { .. }), "the first was before it");
    assert!(granted(&mut watch).await.0 == first.token);
    assert!(left(store.holding(&one, &first.token).await.unwrap()) <= ms(LONG).duration());
    assert_eq!(let_go(&store, &one, &first.token).await, Released::Now);
    assert!(granted(&mut watch).await.0 == second.token);
}

pub(crate) async fn three_kinds_of_one_name_are_three_things(store: Shared, name: &str) {
    let (plain, (reader, writer), one) = (lock(name), rw(name), permit(name, 1));
    fence(store.acquire(&plain, &token(), Some(ms(LONG))).await.unwrap());
    assert!(!store.is_locked(&reader).await.unwrap() && !store.is_locked(&one).await.unwrap());
    assert!(takes(&store, &writer, &token(), LONG).await.is_some());
    assert!(takes(&store, &one, &token(), LONG).await.is_some());
    assert_eq!(store.holders(&plain).await.unwrap(), 1);
}

/// The whole of it, through the locks of two processes.
pub(crate) async fn readers_and_writers_take_turns(store: Shared, name: &str) {
    let (locks, others) = (Locks::new(Arc::clone(&store)), Locks::new(store));
    let within = Arc::new(AtomicI64::new(0));
    let turns = (0..12).map(|n: i64| {
        let locks = if n % 2 == 0 { &locks } else { &others };
        let rw = locks.open_rw(name, LockOptions::default()).unwrap();
        let semaphore = locks.open_semaphore(name, 3, LockOptions::default()).unwrap();
        let within = Arc::clone(&within);
        tokio::spawn(async move {
            // A writer counts for a thousand.
            let weight = if n % 4 == 0 { 1000 } else { 1 };
            for _ in 0..10 {
                let guard = if weight > 1 { rw.write(Wait::Forever).await } else { rw.read(Wait::Forever).await };
                let guard = guard.unwrap().unwrap();
                let before = within.fetch_add(weight, Ordering::SeqCst);
                assert!(if weight > 1 { before == 0 } else { before < 1000 }, "{before} when {weight} came in");
                tokio::task::yield_now().await;
                within.fetch_sub(weight, Ordering::SeqCst);
                guard.release().await.unwrap();
                drop(semaphore.acquire(Wait::Forever).await.unwrap().unwrap());
            }
        })
    });
    let turns: Vec<_> = turns.collect();
    for turn in turns {
        timeout(6 * SOON, turn).await.unwrap().unwrap();
    }
    locks.settled().await;
    others.settled().await;
    let semaphore = locks.open_semaphore(name, 3, LockOptions::default()).unwrap();
    assert_eq!(semaphore.available().await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_died_waiting_holds_nobody_up() {
    let (store, dead) = (opened(&SERVER.url()).await, opened(&SERVER.url()).await);
    let ((reader, writer), holder) = (rw("shared-dead"), token());
    takes(&store, &reader, &holder, LONG).await.unwrap();
    waits(&dead, &writer, 200).await;
    let behind = token();
    let end = Instant::now() + SOON;
    while takes(&store, &reader, &behind, LONG).await.is_none() {
        assert!(Instant::now() < end, "a place of 200 ms is still kept");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_of_who_died() {
    let store = opened(&SERVER.url()).await;
    let one = permit("shared-left", 1);
    takes(&store, &one, &token(), 100).await.unwrap();
    waits(&store, &one, 150).await;
    let end = Instant::now() + SOON;
    for key in [one.key(), one.queue(), one.alive()] {
        while SERVER.command::<i64>(&["EXISTS", key]).unwrap() > 0 {
            assert!(Instant::now() < end, "{key} is still there");
            sleep(Duration::from_millis(5)).await;
        }
    }
    assert!(SERVER.command::<i64>(&["PTTL", one.fence()]).unwrap() > 80_000_000, "the fence does not last a day");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_no_shared_lock_is_named() {
    let store = opened(&SERVER.url()).await;
    let (_, writer) = rw("shared-foreign");
    SERVER.command::<()>(&["SET", writer.key(), "no set"]).unwrap();
    let error = store.acquire(&writer, &token(), None).await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(Invalid::ForeignKey { key, .. }) if key == writer.key()), "{error}");
}
