//! Servers that die, come back, and stop answering.

use bellwether::clock::Wait;
use bellwether::error::{Error, LossReason};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_learns_by_the_end_of_its_lease_that_the_server_died() {
    let mut server = Server::start().unwrap();
    let locks = impatient(&server).await;
    let guard = lock(&locks, 2 * SECOND, true).acquire(Wait::None).await.unwrap().unwrap();
    tokio::time::sleep(SECOND).await;
    server.kill();
    let killed = Instant::now();
    assert_eq!(guard.lost().await, LossReason::Expired);
    // A second more for a machine that has too much to do.
    assert!(killed.elapsed() <= 3 * SECOND, "{:?}", killed.elapsed());
    assert!(matches!(guard.release().await, Err(Error::NotHeld(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_lost_in_a_restart_is_noticed_and_can_be_taken_again() {
    let mut server = Server::start().unwrap();
    let locks = impatient(&server).await;
    let lock = lock(&locks, 3 * SECOND, true);
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    server.kill();
    server.restart().unwrap();
    let restarted = Instant::now();
    assert_eq!(guard.lost().await, LossReason::Gone);
    assert!(restarted.elapsed() < 3 * SECOND, "by the store's answer, not by the clock: {:?}", restarted.elapsed());
    let next = lock.acquire(Wait::UpTo(5 * SECOND)).await.unwrap().unwrap();
    assert!(next.fence() > guard.fence(), "though the server had forgotten the last one");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_outlives_a_restart() {
    let mut server = Server::start().unwrap();
    let (here, there) = (impatient(&server).await, impatient(&server).await);
    let _holder = lock(&here, 60 * SECOND, true).acquire(Wait::None).await.unwrap().unwrap();
    let waiter = tokio::spawn({
        let lock = lock(&there, 60 * SECOND, true);
        async move { lock.acquire(Wait::Forever).await.unwrap().unwrap() }
    });
    somebody_waits(&server);
    server.kill();
    tokio::time::sleep(300 * MS).await;
    server.restart().unwrap();
    let restarted = Instant::now();
    assert!(waiter.await.unwrap().held().await.unwrap());
    assert!(restarted.elapsed() < 20 * SECOND, "{:?}", restarted.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_outlives_a_server_that_stops_for_a_while() {
    let server = Server::start().unwrap();
    let (here, there) = (impatient(&server).await, impatient(&server).await);
    let holder = lock(&here, 60 * SECOND, true).acquire(Wait::None).await.unwrap().unwrap();
    let waiter = tokio::spawn({
        let lock = lock(&there, 60 * SECOND, true);
        async move { lock.acquire(Wait::Forever).await.unwrap().unwrap() }
    });
    somebody_waits(&server);
    server.pause().unwrap();
    assert!(matches!(holder.release().await, Err(Error::Unavailable(_))));
    server.resume().unwrap();
    let resumed = Instant::now();
    assert!(waiter.await.unwrap().held().await.unwrap());
    assert!(resumed.elapsed() < 10 * SECOND, "{:?}", resumed.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_is_told_when_the_wait_is_over() {
    let server = Server::start().unwrap();
    let locks = impatient(&server).await;
    let lock = lock(&locks, 5 * SECOND, true);
    server.pause().unwrap();
    for (wait, least) in [(Wait::None, 400 * MS), (Wait::UpTo(2 * SECOND), 2 * SECOND)] {
        let began = Instant::now();
        let Err(Error::Unavailable(why)) = lock.acquire(wait).await else { panic!("it was not acquired") };
        assert!(why.to_string().contains(&server.url()), "{why}");
        assert!((least..least + SECOND).contains(&began.elapsed()), "{wait:?} took {:?}", began.elapsed());
    }
    server.resume().unwrap();
    locks.settled().await;
    assert!(!lock.is_locked().await.unwrap(), "what was asked for and not answered was settled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acquire_cancelled_while_the_server_stands_still_leaves_the_lock_free() {
    let server = Server::start().unwrap();
    let locks = impatient(&server).await;
    let lock = lock(&locks, 60 * SECOND, true);
    server.pause().unwrap();
    for time in [1, 20, 200, 700, 1_200] {
        assert!(tokio::time::timeout(time * MS, lock.acquire(Wait::Forever)).await.is_err());
    }
    server.resume().unwrap();
    locks.settled().await;
    assert!(!lock.is_locked().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guards_survive_a_pause_shorter_than_their_lease() {
    let server = Server::start().unwrap();
    let locks = impatient(&server).await;
    let guard = lock(&locks, 6 * SECOND, true).acquire(Wait::None).await.unwrap().unwrap();
    server.pause().unwrap();
    // Over the first renewal, due after 2 s, and its time-out.
    tokio::time::sleep(3 * SECOND).await;
    server.resume().unwrap();
    let resumed = Instant::now();
    while guard.remaining().await.unwrap() <= Some(5 * SECOND) {
        assert!(resumed.elapsed() < 5 * SECOND, "it is not renewed");
        tokio::time::sleep(10 * MS).await;
    }
    assert!(guard.held().await.unwrap());
}
