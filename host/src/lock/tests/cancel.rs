use std::pin::Pin;

use futures_util::FutureExt;

use super::*;
use crate::clock::Wait;

/// A store whose operations can be cancelled before they are done, after they are done, and when they have answered.
fn slow() -> (Arc<Faulty>, Locks) {
    let store = Arc::new(Faulty { slow: true, ..Faulty::default() });
    (Arc::clone(&store), Locks::new(store))
}

/// Polls a future `times` times; true if it ended.
fn poll(mut future: Pin<&mut impl Future>, times: usize) -> bool {
    (0..times).any(|_| future.as_mut().now_or_never().is_some())
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_acquire_leaves_the_lock_to_others() {
    for polls in 0.. {
        let (_, locks) = slow();
        let lock = lock(&locks);
        let ended = poll(Box::pin(lock.acquire(Wait::Forever)).as_mut(), polls);
        locks.settled().await;
        assert!(!lock.is_locked().await.unwrap(), "cancelled after {polls} polls");
        if ended {
            assert_eq!(polls, 3);
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_leaves_the_lock_to_others() {
    // Polls before the release, so that it waits; then the rest.
    for (before, after) in (0..12).flat_map(|before| (0..12).map(move |after| (before, after))) {
        let (_, locks) = slow();
        let lock = lock(&locks);
        let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
        let mut waiter = Box::pin(lock.acquire(Wait::Forever));
        assert!(!poll(waiter.as_mut(), before));
        guard.release().await.unwrap();
        poll(waiter.as_mut(), after);
        drop(waiter);
        locks.settled().await;
        assert!(!lock.is_locked().await.unwrap(), "cancelled after {before} and {after} polls");
        assert!(lock.acquire(Wait::None).await.unwrap().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_release_goes_on_in_the_background() {
    for polls in 0.. {
        let (store, locks) = slow();
        let lock = lock(&locks);
        let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
        let ended = poll(Box::pin(guard.release()).as_mut(), polls);
        assert_eq!(guard.lost().now_or_never().is_some(), polls > 0);
        drop(guard);
        locks.settled().await;
        assert!(!lock.is_locked().await.unwrap(), "cancelled after {polls} polls");
        if ended {
            assert_eq!(store.calls(Op::Release), 1);
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_adoption_leaves_no_lock_that_nobody_can_release() {
    for polls in 0.. {
        let (_, locks) = slow();
        let lock = lock(&locks);
        let token = lock.acquire(Wait::None).await.unwrap().unwrap().hand_over().await.unwrap();
        let ended = poll(Box::pin(lock.adopt(&token)).as_mut(), polls);
        locks.settled().await;
        let (heard, again) = (polls > 1, lock.adopt(&token).await);
        assert_eq!(again.is_ok(), !heard, "cancelled after {polls} polls, the lock is still the token's");
        assert_eq!(lock.is_locked().await.unwrap(), !heard, "cancelled after {polls} polls, it was let go");
        if ended {
            assert_eq!(polls, 3);
            return;
        }
    }
}

#[test]
fn a_guard_can_be_dropped_anywhere() {
    let (_, locks) = setup();
    let lock = lock(&locks);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (dropped, outlives) = runtime.block_on(async {
        let other = locks.open("other", LockOptions::default()).unwrap();
        (lock.acquire(Wait::None).await.unwrap(), other.acquire(Wait::None).await.unwrap())
    });
    drop(dropped);
    runtime.block_on(locks.settled());
    assert!(!runtime.block_on(lock.is_locked()).unwrap());
    drop(runtime);
    drop(outlives);
    assert!(locks.settled().now_or_never().is_some(), "the lease is what ends it");
}

#[test]
fn a_runtime_that_ends_before_it_serves_a_line_leaves_that_to_another() {
    let (_, locks) = setup();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (first, second) = (runtime(), runtime());
    let lock = lock(&locks);
    let guard = second.block_on(lock.acquire(Wait::None)).unwrap().unwrap();
    first.block_on(async { assert!(lock.acquire(Wait::Forever).now_or_never().is_none()) });
    drop(first);
    second.block_on(async {
        let begun = tokio::time::Instant::now();
        let (waited, released) = tokio::join!(lock.acquire(Wait::UpTo(SECOND)), guard.release());
        released.unwrap();
        waited.unwrap().unwrap().release().await.unwrap();
        assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    });
}

#[test]
fn waiters_whose_runtime_has_ended_are_in_nobodys_way_for_long() {
    let (store, locks) = setup();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (first, second) = (runtime(), runtime());
    let options = LockOptions { fair: true, retry: SECOND, ..LockOptions::default() };
    let (fair, rw) = (locks.open("fair", options).unwrap(), locks.open_rw("rw", options).unwrap());
    let writing = LockKeys::shared(&crate::names::Prefix::default(), "rw", crate::names::Share::Writer).unwrap();
    let (held, read) = second.block_on(async {
        let (held, read) = tokio::join!(fair.acquire(Wait::None), rw.read(Wait::None));
        (held.unwrap().unwrap(), read.unwrap().unwrap())
    });
    first.block_on(async {
        let waits = |lock: Lock| tokio::spawn(async move { lock.acquire(Wait::Forever).await });
        let (_fair, writer) = (waits(fair.clone()), rw.clone());
        let _writer = tokio::spawn(async move { writer.write(Wait::Forever).await });
        let waiters_of = async |keys| store.inner.sight(keys).await.unwrap().map(|seen| seen.waiters);
        while (waiters_of(&fair.keys).await, waiters_of(&writing).await) != (Some(1), Some(1)) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    drop(first);
    second.block_on(async {
        held.release().await.unwrap();
        let begun = tokio::time::Instant::now();
        let (mut fair_guard, mut writer) = (None, None);
        while fair_guard.is_none() || writer.is_none() {
            // They never wait, so nobody takes back the places of those who have gone.
            fair_guard = fair_guard.or(fair.acquire(Wait::None).await.unwrap());
            writer = writer.or(rw.read(Wait::None).await.unwrap());
            assert!(begun.elapsed() < 4 * SECOND, "{fair_guard:?} {writer:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(read);
    });
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_fails_leaves_no_place_behind() {
    let store = Arc::new(Faulty::default());
    let locks = Locks::new(Arc::clone(&store) as Arc<dyn Store>);
    let options = LockOptions { fair: true, retry: SECOND, ..LockOptions::default() };
    let lock = locks.open("fails", options).unwrap();
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let waiter = tokio::spawn({
        let lock = lock.clone();
        async move { lock.acquire(Wait::Forever).await }
    });
    let waiting = async || store.inner.sight(&lock.keys).await.unwrap().map(|seen| seen.waiters);
    while waiting().await != Some(1) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    store.fail(Op::Attempt, Fault::Full, usize::MAX);
    assert!(matches!(waiter.await.unwrap(), Err(Error::Limit(_))));
    locks.settled().await;
    assert_eq!(waiting().await, Some(0));
    guard.release().await.unwrap();
    assert!(!lock.is_locked().await.unwrap(), "it was given to nobody");
}

#[tokio::test(start_paused = true)]
async fn a_place_is_given_up_though_the_store_does_not_answer_for_longer_than_a_lease() {
    let (store, locks) = setup();
    let options = LockOptions { lease: Some(3 * SECOND), fair: true, retry: SECOND, ..LockOptions::default() };
    let lock = locks.open("lock", options).unwrap();
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let waiter = || {
        let lock = lock.clone();
        tokio::spawn(async move { lock.acquire(Wait::Forever).await })
    };
    let (gives_up, stays) = (waiter(), waiter());
    let waiting = async || store.inner.sight(&lock.keys).await.unwrap().map(|seen| seen.waiters);
    while waiting().await != Some(2) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    store.fail(Op::Release, Fault::RequestLost, usize::MAX);
    gives_up.abort();
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(waiting().await, Some(2), "the other keeps both");
    locks.settled().now_or_never().expect("nobody waits for longer than a lease");
    store.fail(Op::Release, Fault::RequestLost, 0);
    tokio::time::sleep(3 * SECOND).await;
    assert_eq!(waiting().await, Some(1));
    guard.release().await.unwrap();
    assert!(stays.await.unwrap().unwrap().is_some());
}
