//! Locks as they are seen by who does not hold them.

use super::*;
use crate::clock::Wait;
use crate::error::LossReason;
use crate::lock::Broken;
use crate::names::{Holder, Prefix};

async fn hold(locks: &Locks, name: &str) -> crate::lock::Guard {
    locks.open(name, LockOptions::default()).unwrap().acquire(Wait::None).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn held_locks_are_seen_under_their_prefix_with_their_holder() {
    let (_, all) = setup();
    let web = all.with_prefix(Prefix::new("a:").unwrap()).with_holder(Holder::new("web-1").unwrap());
    let (one, two, other) = (hold(&web, "two").await, hold(&web, "one").await, hold(&all, "b:one").await);
    let seen = web.held_locks().await.unwrap();
    let names: Vec<_> = seen.iter().map(|held| (held.name(), held.holder(), held.lease_left())).collect();
    assert_eq!(names, [("one", Some("web-1"), Some(30 * SECOND)), ("two", Some("web-1"), Some(30 * SECOND))]);
    assert_eq!(seen[1].fence(), Some(one.fence()));
    assert_ne!(seen[0].fingerprint(), seen[1].fingerprint());
    let names: Vec<_> = all.held_locks().await.unwrap().iter().map(|held| held.name().to_owned()).collect();
    assert_eq!(names, ["a:one", "a:two", "b:one"]);
    drop((one, two));
    other.release().await.unwrap();
    all.settled().await;
    assert_eq!(all.held_locks().await.unwrap(), []);
    assert_eq!(web.look("one").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_broken_lock_is_lost_to_its_holder_and_goes_to_who_waits() {
    let (_, locks) = setup();
    let lock = lock(&locks);
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let waiter = tokio::spawn({
        let lock = lock.clone();
        async move { lock.acquire(Wait::UpTo(5 * SECOND)).await }
    });
    tokio::task::yield_now().await;
    let seen = locks.look("lock").await.unwrap().unwrap();
    assert_eq!(seen.waiters(), 1);
    let Broken::Yes { fence, handed_on } = locks.break_lock(&seen).await.unwrap() else { panic!("it was not broken") };
    assert!(fence > guard.fence() && handed_on);
    let next = waiter.await.unwrap().unwrap().expect("the waiter is woken");
    assert!(next.fence() > fence);
    assert_eq!(guard.lost().await, LossReason::Gone, "the watchdog hears of it");
    assert!(next.held().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn only_the_holder_that_was_seen_is_broken() {
    let (_, locks) = setup();
    let first = hold(&locks, "lock").await;
    let seen = locks.look("lock").await.unwrap().unwrap();
    first.release().await.unwrap();
    assert_eq!(locks.break_lock(&seen).await.unwrap(), Broken::Free);
    let second = hold(&locks, "lock").await;
    assert_eq!(locks.break_lock(&seen).await.unwrap(), Broken::ChangedHands);
    assert!(second.held().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_printed_has_the_secret_in_it() {
    let (_, locks) = setup();
    let guard = hold(&locks, "lock").await;
    let shown = format!("{guard:?} {:?}", locks.held_locks().await.unwrap());
    let token = guard.hand_over().await.unwrap();
    let (secret, _) = token.split_once('@').unwrap();
    assert!(!shown.contains(secret), "{shown}");
}
