//! Locks as they are seen by who does not hold them.

use super::*;
use crate::clock::Wait;
use crate::error::LossReason;
use crate::lock::{Broken, Form, HeldLock, Part, SeenHolder};
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
    let names: Vec<_> = seen.iter().map(|held| (held.name(), held.holders()[0].lease_left)).collect();
    assert_eq!(names, [("one", Some(30 * SECOND)), ("two", Some(30 * SECOND))]);
    assert!(seen.iter().all(|held| held.form() == Form::Plain && label(&held.holders()[0]) == Some("web-1")));
    assert_eq!((seen[1].fence(), seen[1].holders()[0].fence), (Some(one.fence()), Some(one.fence())));
    assert_ne!(seen[0].holders()[0].fingerprint, seen[1].holders()[0].fingerprint);
    let names: Vec<_> = all.held_locks().await.unwrap().iter().map(|held| held.name().to_owned()).collect();
    assert_eq!(names, ["a:one", "a:two", "b:one"]);
    drop((one, two));
    other.release().await.unwrap();
    all.settled().await;
    assert_eq!(all.held_locks().await.unwrap(), []);
    assert_eq!(web.look("one").await.unwrap(), []);
}

fn label(holder: &SeenHolder) -> Option<&str> {
    holder.label.as_ref().map(Holder::as_str)
}

#[tokio::test(start_paused = true)]
async fn three_kinds_of_one_name_are_seen_each_with_its_holders() {
    let (_, locks) = setup();
    let (rw, semaphore) =
        (locks.open_rw("lock", LockOptions::default()).unwrap(), locks.open_semaphore("lock", 2, short()).unwrap());
    let plain = hold(&locks, "lock").await;
    let (one, two) = (rw.read(Wait::None).await.unwrap().unwrap(), rw.read(Wait::None).await.unwrap().unwrap());
    let permit = semaphore.acquire(Wait::None).await.unwrap().unwrap();
    let held = locks.look("lock").await.unwrap();
    assert_eq!(held, locks.held_locks().await.unwrap());
    assert_eq!(held.iter().map(HeldLock::form).collect::<Vec<_>>(), Form::ALL);
    let seen = |of: usize| held[of].holders().iter().map(|holder| (holder.part, holder.fence.unwrap())).collect::<Vec<_>>();
    assert_eq!(seen(0), [(Part::All, plain.fence())]);
    assert_eq!(seen(1), [(Part::Reads, one.fence()), (Part::Reads, two.fence())]);
    assert_eq!(seen(2), [(Part::Permit, permit.fence())]);
    assert_eq!(held[2].holders()[0].lease_left, Some(10 * SECOND));

    let writer = tokio::spawn({
        let rw = rw.clone();
        async move { rw.write(Wait::UpTo(5 * SECOND)).await }
    });
    tokio::task::yield_now().await;
    let seen = locks.look_at("lock", Form::ReadWrite).await.unwrap().unwrap();
    assert_eq!((seen.waiters(), seen.count()), (1, 2));
    let mut raised = 0;
    for (holder, hands_on) in seen.holders().iter().zip([false, true]) {
        let broken = locks.break_lock(&seen, holder).await.unwrap();
        let Broken::Yes { fence, handed_on } = broken else { panic!("{broken:?}") };
        assert!(handed_on == hands_on && fence > raised && fence > two.fence());
        raised = fence;
    }
    let writer = writer.await.unwrap().unwrap().expect("the writer is woken");
    assert!(writer.fence() > raised);
    assert_eq!((one.lost().await, two.lost().await), (LossReason::Gone, LossReason::Gone));
    assert_eq!(
        locks.break_lock(&seen, &seen.holders()[1]).await.unwrap(),
        Broken::Yes { fence: writer.fence(), handed_on: false }
    );
    assert!(plain.held().await.unwrap() && permit.held().await.unwrap() && writer.held().await.unwrap());
}

fn short() -> LockOptions {
    LockOptions { lease: Some(10 * SECOND), ..LockOptions::default() }
}

/// The plain lock, as it is seen.
async fn look(locks: &Locks) -> HeldLock {
    locks.look_at("lock", Form::Plain).await.unwrap().unwrap()
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
    let seen = look(&locks).await;
    assert_eq!(seen.waiters(), 1);
    let Broken::Yes { fence, handed_on } = locks.break_lock(&seen, &seen.holders()[0]).await.unwrap() else {
        panic!("it was not broken")
    };
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
    let seen = look(&locks).await;
    first.release().await.unwrap();
    assert_eq!(locks.break_lock(&seen, &seen.holders()[0]).await.unwrap(), Broken::Free);
    let second = hold(&locks, "lock").await;
    assert_eq!(locks.break_lock(&seen, &seen.holders()[0]).await.unwrap(), Broken::ChangedHands);
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
