//! What a quorum is for: a replica that takes over has the lock.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_by_quorum_outlives_a_failover_right_after_it_was_acquired() {
    let cluster = Cluster::start().unwrap();
    let (here, there) = (locks(&cluster.url()).await, locks(&cluster.url()).await);
    for which in [0, 1, 0, 1] {
        let guard = lock(&here, Kind::Quorum).acquire(LONG).await.unwrap().unwrap();
        let replicas = cluster.replicas_of("lock").unwrap();
        cluster.take_over("lock", replicas[which]).unwrap();
        assert!(holder(replicas[which]).is_some(), "the new primary has it");
        assert!(guard.held().await.unwrap());
        for kind in [Kind::Quorum, Kind::Simple] {
            assert!(lock(&there, kind).acquire(Wait::None).await.unwrap().is_none(), "{kind:?}");
        }
        guard.release().await.unwrap();
        until("the shard to be whole", || Ok((cluster.replicas_of("lock")?.len() == 2).then_some(()))).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_missed_a_lock_loses_a_simple_one_and_gets_no_quorum() {
    let cluster = Cluster::start().unwrap();
    let (here, there) = (locks(&cluster.url()).await, locks(&cluster.url()).await);
    let (primary, replicas) = (cluster.primary_of("lock").unwrap(), cluster.replicas_of("lock").unwrap());
    cut_off(primary, replicas[0]);

    assert!(lock(&here, Kind::Quorum).acquire(Wait::UpTo(SECOND)).await.unwrap().is_none(), "it is not where it would be needed");
    let simple = lock(&here, Kind::Simple).acquire(LONG).await.unwrap().unwrap();
    // Who waits for a quorum meanwhile finds it at the new primary, once that has replicas that hold it.
    let waiting = tokio::spawn({
        let lock = lock(&there, Kind::Quorum);
        async move { lock.acquire(LONG).await }
    });
    cluster.take_over("lock", replicas[0]).unwrap();
    let quorum = waiting.await.unwrap().unwrap().expect("the new primary knew of no holder");
    assert!(!simple.held().await.unwrap(), "two had it, had the first not been lost");
    assert!(quorum.held().await.unwrap());
    assert!(cluster.replicas_of("lock").unwrap().iter().all(|replica| holder(replica).is_some()));
    quorum.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_while_the_replicas_are_asked_is_followed() {
    let cluster = Cluster::start().unwrap();
    let locks = locks(&cluster.url()).await;
    let (primary, replicas) = (cluster.primary_of("lock").unwrap(), cluster.replicas_of("lock").unwrap());
    cut_off(primary, replicas[0]);
    let waiting = tokio::spawn({
        let lock = lock(&locks, Kind::Quorum);
        async move { lock.acquire(LONG).await }
    });
    until("the lock to be set", || Ok(holder(replicas[1]))).unwrap();
    cluster.take_over("lock", replicas[0]).unwrap();
    let guard = waiting.await.unwrap().unwrap().expect("it is free at the new primary");
    assert!(guard.held().await.unwrap());
    assert_eq!(cluster.primary_of("lock").unwrap().port(), replicas[0].port());
    assert!(cluster.replicas_of("lock").unwrap().iter().all(|replica| holder(replica).is_some()));
    guard.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_is_there_again_after_the_primary_died() {
    let mut cluster = Cluster::start().unwrap();
    let locks = locks(&cluster.url()).await;
    let lock = lock(&locks, Kind::Quorum);
    let guard = lock.acquire(LONG).await.unwrap().unwrap();
    cluster.kill_primary_of("lock").unwrap();
    assert!(guard.held().await.unwrap());
    guard.release().await.unwrap();
    // Of the one replica that is left.
    lock.acquire(LONG).await.unwrap().unwrap().release().await.unwrap();
    cluster.revive().unwrap();
    let all = locks.with_quorum(at_least(2)).open("lock", LockOptions { kind: Kind::Quorum, ..LockOptions::default() }).unwrap();
    all.acquire(LONG).await.unwrap().unwrap().release().await.unwrap();
}

/// The replica that is promoted leaves the old primary first, which then names only those who are still with it, and goes on to be named
/// by the Sentinels for a second or so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acquired_at_any_moment_of_a_failover_by_sentinels_is_held_after_it() {
    let mut set = Sentinel::start().unwrap();
    let url = set.url();
    let failover = tokio::task::spawn_blocking(move || {
        set.failover().unwrap();
        set
    });
    let known = locks(&url).await;
    let options = LockOptions { kind: Kind::Quorum, lease: Some(60 * SECOND), ..LockOptions::default() };
    let (mut guards, mut number, mut after) = (Vec::new(), 0, 0);
    while after < 20 {
        number += 1;
        after += u32::from(failover.is_finished());
        // One that has asked who the replicas are lately, and one that has not.
        let fresh = if number % 2 == 0 { known.clone() } else { locks(&url).await };
        let lock = fresh.open(&format!("lock-{number}"), options).unwrap();
        if let Ok(Some(guard)) = lock.acquire(Wait::None).await {
            guards.push(guard);
        }
    }
    let set = failover.await.unwrap();
    let primary = set.primary().unwrap();
    let lost: Vec<_> = guards
        .iter()
        .map(bellwether::lock::Guard::name)
        .filter(|name| primary.command::<Option<String>>(&["GET", name]).unwrap().is_none())
        .collect();
    assert!(lost.is_empty(), "of {} acquired by quorum, these are not held: {lost:?}", guards.len());
    assert!(!guards.is_empty(), "none was acquired at all");
}
