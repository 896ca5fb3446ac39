//! Something else is kept under a key beside a lock. Whoever needs that key is told which one it is, and leaves all as it was; whoever
//! lets go of the lock does so, and whoever has it keeps it.

use bellwether::store::Broken;

use super::*;
use crate::shared::{permit, rw};
use crate::sightings::fingerprint;

const JOINS: Queueing = Queueing { joins: true, fair: false, brief: true };
const FAIR: Queueing = Queueing { joins: true, fair: true, brief: true };

/// Puts something else under a key of those who wait.
fn plant(key: &str) {
    SERVER.command::<u64>(&["DEL", key]).unwrap_or_default();
    SERVER.command::<()>(&["SET", key, "something else"]).unwrap();
}

fn there(key: &str) -> bool {
    SERVER.command::<u64>(&["EXISTS", key]).unwrap() > 0
}

#[track_caller]
fn names(outcome: Result<Attempt, Error>, planted: &str) {
    match outcome {
        Err(Error::Invalid(Invalid::ForeignKey { key, why })) => {
            assert!(key == planted && why.contains("WRONGTYPE"), "{key}: {why}");
        }
        other => panic!("{other:?}"),
    }
}

/// The keys of those who wait for a lock, and whether it is the queue.
fn beside(lock: &LockKeys) -> [(&str, bool); 2] {
    [(lock.queue(), true), (lock.alive(), false)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_a_place_is_told_which_key_is_none() {
    let store = opened(&SERVER.url()).await;
    let attempt = async |lock: &LockKeys, queueing| store.attempt(lock, &ticket(&token(), Some(ms(LONG))), queueing).await;
    let (_, writer) = rw("foreign-place");
    for (number, lock) in [lock("foreign-place"), writer, permit("foreign-place", 1)].into_iter().enumerate() {
        let holder = token();
        fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
        for (key, is_queue) in beside(&lock) {
            plant(key);
            names(attempt(&lock, JOINS).await, key);
            names(attempt(&lock, FAIR).await, key);
            assert_eq!(there(lock.queue()), is_queue, "an error leaves no place behind");
            assert_eq!(there(lock.alive()), !is_queue);
            assert!(store.holding(&lock, &holder).await.unwrap() != Holding::No);
            // Nobody has a place that it would pass.
            if number == 0 {
                assert!(matches!(attempt(&lock, Queueing::NONE).await, Ok(Attempt::Busy { .. })));
            }
            SERVER.command::<()>(&["DEL", key]).unwrap();
        }
        plant(lock.queue());
        assert_eq!(store.release(&lock, Release::of(&holder)).await.unwrap(), Released::Now);
        names(attempt(&lock, FAIR).await, lock.queue());
        assert!(!store.is_locked(&lock).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_lets_go_whatever_is_kept_for_those_who_wait() {
    let store = opened(&SERVER.url()).await;
    let (reader, writer) = rw("foreign-release");
    for lock in [lock("foreign-release"), reader, writer, permit("foreign-release", 1)] {
        for (key, _) in beside(&lock) {
            // With somebody who waits, and with nobody.
            for waits in [true, false] {
                let (holder, after) = (token(), token());
                fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
                let watch = store.watch(&lock).await.unwrap();
                let first = ticket(&token(), Some(ms(LONG)));
                if waits && lock.share() != bellwether::names::Share::Reader {
                    assert!(matches!(store.attempt(&lock, &first, FAIR).await.unwrap(), Attempt::Busy { .. }));
                }
                plant(key);
                assert_eq!(store.release(&lock, Release::of(&holder)).await.unwrap(), Released::Now, "{key}");
                assert!(there(key), "{key} is not ours");
                assert!(!store.is_locked(&lock).await.unwrap());
                assert_eq!(store.release(&lock, Release::of(&holder)).await.unwrap(), Released::Before, "it is noted");
                // Nor does it keep from leaving a place, or from letting go of what was not held.
                let leaving = Release { withdraws: Some(&first), ..Release::of(&first.token) };
                assert_eq!(store.release(&lock, leaving).await.unwrap(), Released::NotHeld);
                assert!(there(key), "{key} is not ours");
                SERVER.command::<()>(&["DEL", lock.queue(), lock.alive()]).unwrap();
                fence(store.acquire(&lock, &after, Some(ms(LONG))).await.unwrap());
                assert_eq!(store.release(&lock, Release::of(&after)).await.unwrap(), Released::Now);
                drop(watch);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_to_the_next_of_its_process_needs_no_queue() {
    let store = opened(&SERVER.url()).await;
    let lock = lock("foreign-next");
    for (key, _) in beside(&lock) {
        for yields in [false, true] {
            let (holder, next) = (token(), ticket(&token(), Some(ms(LONG))));
            let first = fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
            plant(key);
            let release = Release { next: Some(&next), yields, ..Release::of(&holder) };
            let passed = store.release(&lock, release).await.unwrap();
            assert!(matches!(passed, Released::Passed { fence } if fence > first), "{key}: {passed:?}");
            assert!(there(key), "{key} is not ours");
            // It takes the lock for good without a place.
            fence(store.attempt(&lock, &next, JOINS).await.unwrap());
            assert_eq!(store.release(&lock, Release::of(&next.token)).await.unwrap(), Released::Now);
            assert!(there(key), "{key} is not ours");
            SERVER.command::<()>(&["DEL", lock.queue(), lock.alive()]).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_can_have_the_lock_at_once_needs_no_place() {
    let store = opened(&SERVER.url()).await;
    let (lock, before) = (lock("foreign-free"), token());
    fence(store.acquire(&lock, &before, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.release(&lock, Release::of(&before)).await.unwrap(), Released::Now);
    for known in [true, false] {
        let waiter = ticket(&token(), Some(ms(LONG)));
        plant(lock.queue());
        if !known {
            // Not by the short way then.
            SERVER.command::<()>(&["DEL", lock.fence()]).unwrap();
        }
        fence(store.attempt(&lock, &waiter, JOINS).await.unwrap());
        assert!(there(lock.fence()), "it has a fence, and not only the lock");
        assert_eq!(store.release(&lock, Release::of(&waiter.token)).await.unwrap(), Released::Now);
        assert!(there(lock.queue()));
        SERVER.command::<()>(&["DEL", lock.queue()]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_the_queue_as_its_last_takes_nothing_along() {
    let store = opened(&SERVER.url()).await;
    let (_, writer) = rw("foreign-last");
    for lock in [lock("foreign-last"), writer, permit("foreign-last", 1)] {
        for gets in [true, false] {
            let (holder, waiter) = (token(), ticket(&token(), Some(ms(LONG))));
            fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
            assert!(matches!(store.attempt(&lock, &waiter, JOINS).await.unwrap(), Attempt::Busy { .. }));
            plant(lock.alive());
            if gets {
                SERVER.command::<()>(&["DEL", lock.key()]).unwrap();
                // Its own place is the only one, and is not looked at by who is not fair.
                if lock.share() == bellwether::names::Share::Alone {
                    fence(store.attempt(&lock, &waiter, JOINS).await.unwrap());
                }
            }
            let leaving = Release { withdraws: Some(&waiter), ..Release::of(&waiter.token) };
            store.release(&lock, leaving).await.unwrap();
            assert!(there(lock.alive()) && !there(lock.queue()));
            SERVER.command::<()>(&["DEL", lock.key(), lock.alive()]).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_ours_does_not_end_with_the_lock() {
    let store = opened(&SERVER.url()).await;
    let (reader, writer) = rw("foreign-end");
    let endless = |key: &str| SERVER.command::<i64>(&["PTTL", key]).unwrap() == -1;
    for lock in [reader, writer, permit("foreign-end", 2)] {
        let (holder, other) = (token(), token());
        fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
        if !matches!(lock.share(), bellwether::names::Share::Writer) {
            fence(store.acquire(&lock, &other, Some(ms(LONG))).await.unwrap());
        }
        plant(lock.fences());
        assert!(left(store.extend(&lock, &holder, ms(LONG)).await.unwrap()) > ms(LONG).duration());
        assert!(endless(lock.fences()), "after more time for {:?}", lock.share());
        let renewal = Renewal { lock: lock.clone(), token: holder.clone(), lease: Some(ms(LONG)) };
        assert!(matches!(store.renew(&[renewal]).await.pop().unwrap().unwrap(), Holding::Left(_)));
        assert_eq!(store.release(&lock, Release::of(&holder)).await.unwrap(), Released::Now);
        assert!(there(lock.fences()) && endless(lock.fences()), "after a release of {:?}", lock.share());
        store.release(&lock, Release::of(&other)).await.unwrap();
        SERVER.command::<()>(&["DEL", lock.fences()]).unwrap();
    }
    let (lock, holder) = (lock("foreign-end"), token());
    fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
    SERVER.command::<()>(&["DEL", lock.fence()]).unwrap();
    SERVER.command::<u64>(&["RPUSH", lock.fence(), "something else"]).unwrap();
    let renewal = Renewal { lock: lock.clone(), token: holder.clone(), lease: Some(ms(LONG)) };
    assert!(matches!(store.renew(&[renewal]).await.pop().unwrap().unwrap(), Holding::Left(_)));
    store.extend(&lock, &holder, ms(LONG)).await.unwrap();
    assert!(endless(lock.fence()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_broken_whatever_is_kept_for_those_who_wait() {
    let store = opened(&SERVER.url()).await;
    let (_, writer) = rw("foreign-break");
    for lock in [lock("foreign-break"), writer] {
        let holder = token();
        fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
        plant(lock.queue());
        let seen = fingerprint(&store, &lock).await;
        let broken = store.break_lock(&lock, &seen).await.unwrap();
        assert!(matches!(broken, Broken::Yes { handed_on: false, .. }), "{broken:?}");
        assert_eq!(store.break_lock(&lock, &seen).await.unwrap(), broken, "it is noted");
        assert!(!store.is_locked(&lock).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_locks_the_key_is_named_that_is_none() {
    let store = opened(&SERVER.url()).await;
    let locks = ["foreign-many-1", "foreign-many-2"].map(lock);
    plant(locks[1].queue());
    match store.attempt_all(&locks, &ticket(&token(), None), true).await {
        Err(Error::Invalid(Invalid::ForeignKey { key, .. })) => assert_eq!(key, locks[1].queue()),
        other => panic!("{other:?}"),
    }
    assert!(!store.is_locked(&locks[0]).await.unwrap(), "an error leaves all as it was");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fences_of_holders_are_named() {
    let store = opened(&SERVER.url()).await;
    let lock = permit("foreign-fences", 2);
    plant(lock.fences());
    names(store.acquire(&lock, &token(), Some(ms(LONG))).await, lock.fences());
    assert!(!store.is_locked(&lock).await.unwrap(), "an error leaves all as it was");
}
