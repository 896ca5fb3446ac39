//! Replicas that are late, hang, or get nothing any more.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_hangs_keeps_a_lock_of_two_from_being_acquired_until_it_wakes() {
    let cluster = Cluster::start().unwrap();
    let locks = locks(&cluster.url()).await;
    let lock = lock(&locks, Kind::Quorum);
    lock.acquire(Wait::None).await.unwrap().unwrap().release().await.unwrap();
    let (primary, replicas) = (cluster.primary_of("lock").unwrap(), cluster.replicas_of("lock").unwrap());
    replicas[0].pause().unwrap();
    let begun = Instant::now();
    // Shorter than the time after which the cluster gives the replica up.
    assert!(lock.acquire(Wait::UpTo(500 * MS)).await.unwrap().is_none());
    assert!((500 * MS..3 * SECOND).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(holder(primary), None);
    replicas[0].resume().unwrap();
    let guard = lock.acquire(LONG).await.unwrap().unwrap();
    assert!(replicas.iter().all(|replica| holder(replica).is_some()));
    guard.release().await.unwrap();
    for attempt in 0..50 {
        assert!(lock.acquire(Wait::None).await.unwrap().is_some(), "attempt {attempt}");
        locks.settled().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_hangs_holds_up_no_quorum_of_the_others() {
    let (primary, replicas) = primary_with(3);
    let locks = locks(&primary.url()).await;
    let two = lock(&locks, Kind::Quorum);
    two.acquire(Wait::None).await.unwrap().unwrap().release().await.unwrap();
    replicas[1].pause().unwrap();
    let mut fastest = SECOND;
    for _ in 0..20 {
        let begun = Instant::now();
        two.acquire(Wait::None).await.unwrap().expect("two of three are well").release().await.unwrap();
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest < 100 * MS, "{fastest:?}");
    let all = lock(&locks.with_quorum(Quorum::All), Kind::Quorum);
    let begun = Instant::now();
    assert!(all.acquire(Wait::None).await.unwrap().is_none());
    assert!((SECOND..3 * SECOND).contains(&begun.elapsed()), "without a wait it has a second: {:?}", begun.elapsed());
    assert_eq!(holder(&primary), None);
    let (woken, ()) = tokio::join!(all.acquire(LONG), async {
        tokio::time::sleep(50 * MS).await;
        replicas[1].resume().unwrap();
    });
    woken.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acquire_cancelled_while_it_asks_the_replicas_leaves_the_lock_free() {
    let (primary, replicas) = primary_with(1);
    let locks = locks(&primary.url()).await;
    replicas[0].pause().unwrap();
    for time in [1, 10, 100] {
        let cancelled = tokio::time::timeout(time * MS, lock(&locks, Kind::Quorum).acquire(Wait::Forever)).await;
        assert!(cancelled.is_err());
        locks.settled().await;
        assert_eq!(holder(&primary), None);
    }
    replicas[0].resume().unwrap();
    lock(&locks, Kind::Quorum).acquire(LONG).await.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ends_before_the_quorum_is_there_is_no_lock() {
    let (primary, replicas) = primary_with(1);
    let locks = locks(&primary.url()).await;
    replicas[0].pause().unwrap();
    let options = LockOptions { kind: Kind::Quorum, lease: Some(300 * MS), retry: 50 * MS, ..LockOptions::default() };
    let short = locks.open("lock", options).unwrap();
    let begun = Instant::now();
    assert!(short.acquire(Wait::UpTo(SECOND)).await.unwrap().is_none());
    assert!((SECOND..3 * SECOND).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    let begun = Instant::now();
    assert!(short.acquire(Wait::None).await.unwrap().is_none());
    assert!(begun.elapsed() >= 140 * MS, "half of the lease: {:?}", begun.elapsed());
    replicas[0].resume().unwrap();
    let guard = short.acquire(LONG).await.unwrap().unwrap();
    assert!(guard.held().await.unwrap());
    guard.release().await.unwrap();
}
