//! Many who want the same lock, in one process and in several.

use bellwether::clock::Wait;
use bellwether::error::{Error, LossReason};
use bellwether::lock::Guard;
use futures_util::future::join_all;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_wakes_another_process_at_once() {
    let server = Server::start().unwrap();
    let (here, there) = (locks(&server).await, locks(&server).await);
    let mut guard = lock(&here, 60 * SECOND, true).acquire(Wait::None).await.unwrap().unwrap();
    for (from, to) in [(&here, &there), (&there, &here)] {
        let waiter = tokio::spawn({
            let lock = lock(to, 60 * SECOND, true);
            async move { (lock.acquire(Wait::Forever).await.unwrap().unwrap(), Instant::now()) }
        });
        somebody_waits(&server);
        assert!(!waiter.is_finished());
        let released = Instant::now();
        guard.release().await.unwrap();
        let (next, acquired) = waiter.await.unwrap();
        assert!(next.fence() > guard.fence());
        assert!(acquired - released < SECOND, "a wake-up, not a poll: {:?}", acquired - released);
        drop(std::mem::replace(&mut guard, next));
        from.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_guard_frees_the_lock() {
    let server = Server::start().unwrap();
    let (here, there) = (locks(&server).await, locks(&server).await);
    drop(lock(&here, 60 * SECOND, true).acquire(Wait::None).await.unwrap().unwrap());
    here.settled().await;
    let lock = lock(&there, 60 * SECOND, true);
    assert!(!lock.is_locked().await.unwrap());
    assert!(lock.acquire(Wait::None).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_is_handed_over_to_another_process() {
    let server = Server::start().unwrap();
    let (here, there) = (locks(&server).await, locks(&server).await);
    let giver = lock(&here, SECOND, true).acquire(Wait::None).await.unwrap().unwrap();
    let token = giver.hand_over().await.unwrap();
    drop(giver);
    here.settled().await;
    let lock = lock(&there, SECOND, true);
    let taker = lock.adopt(&token).await.unwrap();
    assert!(lock.acquire(Wait::None).await.unwrap().is_none());
    tokio::time::sleep(1_500 * MS).await;
    assert!(taker.held().await.unwrap(), "renewed by its new owner");
    assert!(taker.remaining().await.unwrap().unwrap() <= SECOND);
    taker.release().await.unwrap();
    assert!(matches!(lock.adopt(&token).await, Err(Error::NotHeld(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_lock_is_noticed() {
    let server = Server::start().unwrap();
    let locks = locks(&server).await;
    let guard = lock(&locks, 6 * SECOND, true).acquire(Wait::None).await.unwrap().unwrap();
    server.command::<()>(&["SET", "lock", "thief"]).unwrap();
    // By a renewal: at the end of its lease it would be `Expired`.
    assert_eq!(guard.lost().await, LossReason::Gone);
    drop(guard);
    locks.settled().await;
    assert_eq!(server.command::<String>(&["GET", "lock"]).unwrap(), "thief", "what is not ours is not deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_waiters_in_two_processes_all_get_their_turn() {
    let server = Server::start().unwrap();
    let both = [locks(&server).await, locks(&server).await];
    let guard = lock(&both[0], 60 * SECOND, true).acquire(Wait::None).await.unwrap().unwrap();
    let waiters: Vec<_> = (0..1_000)
        .map(|n| {
            let lock = lock(&both[n % 2], 60 * SECOND, true);
            tokio::spawn(async move {
                let guard = lock.acquire(Wait::Forever).await.unwrap().unwrap();
                guard.release().await.unwrap();
                guard.fence()
            })
        })
        .collect();
    // The other process's: those of the holder's need none.
    until("both processes to wait", || Ok((server.command::<u64>(&["ZCARD", "{lock}:bellwether:queue"])? >= 1).then_some(())))
        .unwrap();
    let began = Instant::now();
    guard.release().await.unwrap();
    let mut fences: Vec<_> = join_all(waiters).await.into_iter().map(Result::unwrap).collect();
    assert!(began.elapsed() < 30 * SECOND, "{:?}", began.elapsed());
    fences.sort_unstable();
    fences.dedup();
    assert_eq!(fences.len(), 1_000, "every holder had a fence of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_guards_are_kept() {
    let server = Server::start().unwrap();
    let locks = locks(&server).await;
    let options = LockOptions { lease: Some(2 * SECOND), ..LockOptions::default() };
    let guards = join_all((0..2_000).map(|n| {
        let lock = locks.open(&format!("lock-{n}"), options).unwrap();
        async move { lock.acquire(Wait::None).await.unwrap().unwrap() }
    }))
    .await;
    tokio::time::sleep(5 * SECOND).await;
    let held = join_all(guards.iter().map(Guard::held)).await;
    assert!(held.into_iter().all(Result::unwrap));
    drop(guards);
    locks.settled().await;
    assert_eq!(server.command::<Vec<String>>(&["KEYS", "lock-*"]).unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acquires_cancelled_at_any_moment_leave_the_lock_free() {
    let server = Server::start().unwrap();
    let locks = locks(&server).await;
    let lock = lock(&locks, 60 * SECOND, true);
    for n in 0..300 {
        let wait = Duration::from_micros(n * 5);
        let _ = tokio::time::timeout(wait, lock.acquire(Wait::Forever)).await;
    }
    locks.settled().await;
    assert!(!lock.is_locked().await.unwrap());
}
