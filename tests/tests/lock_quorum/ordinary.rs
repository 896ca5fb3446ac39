//! A quorum when all is well: on a cluster, behind Sentinel, and on a primary that others copy.

use super::*;

/// Takes the lock, sees it at the replicas, sees others excluded, hands it over, and lets go of it.
async fn holds(url: &str, replicas: &[&Server]) {
    let (here, there) = (locks(url).await, locks(url).await);
    for quorum in [Quorum::Majority, Quorum::All, at_least(1)] {
        let mine = lock(&here.with_quorum(quorum), Kind::Quorum);
        let begun = Instant::now();
        let guard = mine.acquire(LONG).await.unwrap().expect("it is free");
        let holding = replicas.iter().filter(|replica| holder(replica).is_some()).count();
        assert!(holding >= if quorum == at_least(1) { 1 } else { 2 }, "{quorum:?}: {holding}");
        let left = guard.remaining().await.unwrap().unwrap();
        assert!((30 * SECOND).saturating_sub(begun.elapsed()) <= left + 5 * MS, "the time for it counts once: {left:?}");
        for kind in [Kind::Quorum, Kind::Simple] {
            assert!(lock(&there, kind).acquire(Wait::None).await.unwrap().is_none(), "{kind:?}");
        }
        let fence = guard.fence();
        let token = guard.hand_over().await.unwrap();
        let adopted = lock(&there, Kind::Quorum).adopt(&token).await.unwrap();
        assert!(adopted.fence() > fence);
        assert!(replicas.iter().all(|replica| holder(replica).is_none_or(|holder| holder != token)), "not of the old one");
        adopted.release().await.unwrap();
        assert!(!mine.is_locked().await.unwrap());
    }
    let waiting = lock(&here, Kind::Quorum);
    let guard = lock(&there, Kind::Quorum).acquire(Wait::None).await.unwrap().unwrap();
    let (next, ()) = tokio::join!(waiting.acquire(LONG), async {
        tokio::time::sleep(20 * MS).await;
        guard.release().await.unwrap();
    });
    next.unwrap().unwrap().release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_holds_a_lock_by_quorum_and_no_attempt_fails() {
    let cluster = Cluster::start().unwrap();
    let replicas = cluster.replicas_of("lock").unwrap();
    holds(&cluster.url(), &replicas).await;
    let locks = locks(&cluster.url()).await;
    let lock = lock(&locks, Kind::Quorum);
    lock.acquire(Wait::None).await.unwrap().unwrap().release().await.unwrap();
    let connections = || replicas.iter().map(|replica| replica.info("total_connections_received").unwrap()).sum::<u64>();
    let before = connections();
    for attempt in 0..500 {
        let guard = lock.acquire(Wait::None).await.unwrap();
        guard.unwrap_or_else(|| panic!("attempt {attempt} failed")).release().await.unwrap();
    }
    // The question for the number makes one itself, and so do the nodes to each other now and then.
    assert!(connections() - before < 100, "connections are kept: {}", connections() - before);

    // A slot goes to another shard, and the next question for it to the replicas there.
    cluster.begin_move("lock").unwrap().finish().unwrap();
    let guard = lock.acquire(LONG).await.unwrap().unwrap();
    assert!(cluster.replicas_of("lock").unwrap().iter().all(|replica| holder(replica).is_some()));
    guard.release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_others_copy_holds_a_lock_by_quorum() {
    let (primary, replicas) = primary_with(2);
    holds(&primary.url(), &replicas.iter().collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_behind_sentinels_holds_a_lock_by_quorum() {
    let mut set = Sentinel::start().unwrap();
    let url = set.url();
    holds(&url, &set.replicas().unwrap()).await;
    let locks = locks(&url).await;
    let lock = lock(&locks, Kind::Quorum);
    let guard = lock.acquire(LONG).await.unwrap().unwrap();
    set.failover().unwrap();
    assert!(lock.acquire(Wait::None).await.is_ok_and(|guard| guard.is_none()), "it is held through the failover");
    guard.release().await.unwrap();
    lock.acquire(LONG).await.unwrap().unwrap().release().await.unwrap();
}

#[test]
fn a_runtime_that_ends_does_not_take_the_replicas_with_it() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (primary, _replicas) = primary_with(2);
    let cluster = Cluster::start().unwrap();
    for url in [primary.url(), cluster.url()] {
        let first = runtime();
        let locks = first.block_on(locks(&url));
        let lock = lock(&locks, Kind::Quorum);
        for runtime in [first, runtime(), runtime()] {
            let begun = Instant::now();
            runtime.block_on(async { lock.acquire(LONG).await.unwrap().expect("it is free").release().await.unwrap() });
            assert!(begun.elapsed() < 5 * SECOND, "{:?}", begun.elapsed());
        }
    }
}
