//! What a recorder is told.

use futures_util::FutureExt;

use super::*;
use crate::clock::Wait;
use crate::told::Told;

#[tokio::test(start_paused = true)]
async fn waits_holds_and_what_became_of_them_are_told() {
    let recorder = Told::of("bellwether_lock_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let (store, locks) = setup();
    let lock = passing(&locks);

    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    assert!(lock.acquire(Wait::UpTo(SECOND)).await.unwrap().is_none());
    assert!(lock.acquire(Wait::Forever).now_or_never().is_none(), "dropped while it waits");
    locks.settled().await;
    guard.release().await.unwrap();
    store.fail(Op::Attempt, Fault::Refused, 1);
    assert!(lock.acquire(Wait::None).await.is_err());

    let expires = lock.acquire(Wait::None).await.unwrap().unwrap();
    expires.lost().await;
    drop(expires);
    let broken = lock.acquire(Wait::None).await.unwrap().unwrap();
    let seen = locks.look("lock").await.unwrap().pop().unwrap();
    locks.break_lock(&seen, &seen.holders()[0]).await.unwrap();
    assert!(!broken.held().await.unwrap());
    locks.settled().await;

    let expected = [
        ("broken_total ", (1, 0)),
        ("hold_seconds kind=simple", (3, 4)),
        ("lost_total reason=expired", (1, 0)),
        ("lost_total reason=gone", (1, 0)),
        ("wait_seconds kind=simple outcome=acquired", (3, 0)),
        ("wait_seconds kind=simple outcome=busy", (1, 1)),
        ("wait_seconds kind=simple outcome=cancelled", (1, 0)),
        ("wait_seconds kind=simple outcome=failed", (1, 0)),
    ];
    assert_eq!(recorder.all(), expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_lock_is_told_by_its_name() {
    let recorder = Told::of("bellwether_lock_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let (_store, locks) = setup();
    let rw = locks.open_rw("lock", LockOptions::default()).unwrap();
    let semaphore = locks.open_semaphore("lock", 1, LockOptions::default()).unwrap();
    let several = locks.open_many(["a", "b"], LockOptions::default()).unwrap();
    let (reader, permit) = (rw.read(Wait::None).await.unwrap().unwrap(), semaphore.acquire(Wait::None).await.unwrap().unwrap());
    let both = several.acquire(Wait::None).await.unwrap().unwrap();
    assert!(rw.write(Wait::UpTo(SECOND)).await.unwrap().is_none());
    assert!(semaphore.acquire(Wait::None).await.unwrap().is_none());
    assert!(several.acquire(Wait::Forever).now_or_never().is_none(), "dropped while it waits");
    reader.release().await.unwrap();
    permit.release().await.unwrap();
    both.release().await.unwrap();
    // The place of the writer that gave up.
    locks.settled().await;
    rw.write(Wait::None).await.unwrap().unwrap().release().await.unwrap();
    locks.settled().await;

    let expected = [
        ("hold_seconds kind=reader", (1, 1)),
        ("hold_seconds kind=semaphore", (1, 1)),
        ("hold_seconds kind=several", (2, 2)),
        ("hold_seconds kind=writer", (1, 0)),
        ("wait_seconds kind=reader outcome=acquired", (1, 0)),
        ("wait_seconds kind=semaphore outcome=acquired", (1, 0)),
        ("wait_seconds kind=semaphore outcome=busy", (1, 0)),
        ("wait_seconds kind=several outcome=acquired", (1, 0)),
        ("wait_seconds kind=several outcome=cancelled", (1, 0)),
        ("wait_seconds kind=writer outcome=acquired", (1, 0)),
        ("wait_seconds kind=writer outcome=busy", (1, 1)),
    ];
    assert_eq!(recorder.all(), expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[tokio::test(start_paused = true)]
async fn grants_are_told_with_who_gave_them() {
    let recorder = Told::of("bellwether_lock_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let (store, locks) = setup();
    let others = Locks::new(Arc::clone(&store) as Arc<dyn Store>);
    let holder = lock(&locks).acquire(Wait::None).await.unwrap().unwrap();
    let waiter = |locks: &Locks| {
        let lock = lock(locks);
        tokio::spawn(async move { lock.acquire(Wait::Forever).await })
    };
    let (local, other) = (waiter(&locks), waiter(&others));
    tokio::time::sleep(SECOND).await;
    holder.release().await.unwrap();
    local.await.unwrap().unwrap().unwrap().release().await.unwrap();
    other.await.unwrap().unwrap().unwrap().release().await.unwrap();
    let told = recorder.all();
    for by in ["process", "queue"] {
        assert_eq!(told.get(&format!("grants_total by={by}")), Some(&(1, 0)), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn renewals_are_told_with_their_outcome() {
    let recorder = Told::of("bellwether_lock_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let (store, locks) = setup();
    let guard = lock(&locks).acquire(Wait::None).await.unwrap().unwrap();
    store.fail(Op::Renew, Fault::RequestLost, 1);
    // Due after ten seconds, and repeated a second later.
    tokio::time::sleep(15 * SECOND).await;
    let seen = locks.look("lock").await.unwrap().pop().unwrap();
    store.inner.break_lock(&guard.held.lock, &seen.holders()[0].fingerprint).await.unwrap();
    guard.lost().await;
    let told = recorder.all();
    for (outcome, count) in [("failed", 1), ("renewed", 1), ("lost", 1)] {
        assert_eq!(told.get(&format!("renewals_total outcome={outcome}")), Some(&(count, 0)), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quorum_that_is_not_reached_is_told() {
    let recorder = Told::of("bellwether_lock_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let (store, lock) = quorum::setup(quorum::of_two(2));
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    store.fleet.as_ref().unwrap().say(quorum::of_two(1));
    // Nothing is let go of by that.
    assert!(guard.extend(SECOND).await.is_err() && guard.renew().await.is_err());
    guard.release().await.unwrap();
    assert!(lock.acquire(Wait::None).await.unwrap().is_none());
    let told = recorder.all();
    for (name, count) in [("quorum_failures_total ", 1), ("wait_seconds kind=quorum outcome=busy", 1)] {
        assert_eq!(told.get(name).map(|(count, _)| *count), Some(count), "{told:?}");
    }
}
