//! Primaries that change.

use super::toil::toil_through;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_behind_sentinels_may_change() {
    let mut set = Sentinel::start().unwrap();
    let store = open(&set.url()).await;
    let lock = lock("sentinel");
    let mut watch = store.watch(&lock).await.unwrap();
    set.failover().unwrap();
    recovers(&*store, "key").await;
    let first = token();
    assert!(acquired(&store.acquire(&lock, &first, Some(ms(60_000))).await.unwrap()));
    assert_eq!(set.primary().unwrap().command::<String>(&["GET", lock.key()]).unwrap(), first.as_str());
    store.release(&lock, Release::of(&first)).await.unwrap();
    assert_eq!(timeout(RECOVERY, watch.heard()).await.expect("the watch did not move"), Word::Doubt);
    assert!(store.is_granted(&lock, &mut watch, RECOVERY).await);

    let set = Arc::new(std::sync::Mutex::new(set));
    let theirs = set.clone();
    toil_through(&store, move || theirs.lock().unwrap().kill_primary().unwrap()).await;
    let mut set = Arc::into_inner(set).unwrap().into_inner().unwrap();
    // Sentinels that are down or do not answer keep nobody from finding the primary.
    let url = set.url();
    let [first, second, third] = set.sentinels() else { panic!("there are three Sentinels") };
    first.kill();
    second.pause().unwrap();
    open(&url).await.check().await.unwrap();
    let unknown = refused(&format!("redis+sentinel://127.0.0.1:{}/nobody", third.port())).await;
    assert!(unknown.to_string().contains("nobody"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_is_replaced_while_it_is_well_is_left_soon() {
    // It would be told some 10 s after.
    const SOON: Duration = Duration::from_secs(5);
    let set = tokio::task::spawn_blocking(|| Sentinel::start().unwrap()).await.unwrap();
    let store = open(&set.url()).await;
    let mut watch = store.watch(&lock("left")).await.unwrap();
    let old = set.replace_primary().unwrap();
    let new = set.primary().unwrap();
    let moved = async {
        for number in 0.. {
            let entry = entry(&format!("key-{number}"), 10);
            // One that was under way as the connection was closed may fail.
            let stored = store.set(&entry, None).await;
            if stored.is_ok() && new.command::<bool>(&["EXISTS", &entry.key]).unwrap() {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, moved).await.expect("writes go to one that was replaced");
    assert_eq!(timeout(SOON, watch.heard()).await.expect("so does a subscription"), Word::Doubt);
    let replicas = set.replicas().unwrap();
    let old = replicas.iter().find(|server| server.announced() == old).unwrap();
    let info: String = old.command(&["INFO", "replication"]).unwrap();
    assert!(info.contains("role:master"), "it was told before, so this shows nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_a_cluster_may_change() {
    let cluster = Cluster::start().unwrap();
    let store = open(&cluster.url()).await;
    let lock = lock("cluster");
    let mut watch = store.watch(&lock).await.unwrap();

    // A slot on its way: some keys here, some there.
    let keys: Vec<_> = (0..20).map(|number| format!("{{{}}}-{number}", lock.key())).collect();
    let entries: Vec<_> = keys.iter().map(|key| entry(key, 10)).collect();
    store.set_many(&entries[..10], None).await.unwrap();
    let moving = cluster.begin_move(lock.key()).unwrap();
    store.set_many(&entries[10..], None).await.unwrap();
    assert!(store.get_many(&keys).await.unwrap().iter().all(Option::is_some));
    // Redis runs no script on several keys as long as one of them might be at either place, so this waits for the end.
    let mover = token();
    let attempt = tokio::spawn({
        let (store, lock, mover) = (store.clone(), lock.clone(), mover.clone());
        async move { store.acquire(&lock, &mover, Some(ms(60_000))).await }
    });
    moving.finish().unwrap();
    assert!(acquired(&attempt.await.unwrap().unwrap()));
    assert!(store.get_many(&keys).await.unwrap().iter().all(Option::is_some));
    assert_eq!(timeout(RECOVERY, watch.heard()).await.expect("the watch did not move with the slot"), Word::Doubt);
    assert_eq!(store.release(&lock, Release::of(&mover)).await.unwrap(), Released::Now);
    assert!(store.is_granted(&lock, &mut watch, RECOVERY).await, "a grant at the slot's new place went unheard");
    assert_eq!(store.delete_matching(&format!("{{{}}}-", lock.key()), &Glob::any(), &|_| true).await.unwrap(), 20);

    // A primary steps down.
    cluster.failover(lock.key()).unwrap();
    let holder = token();
    assert!(acquired(&store.acquire(&lock, &holder, Some(ms(60_000))).await.unwrap()));
    assert_eq!(store.release(&lock, Release::of(&holder)).await.unwrap(), Released::Now);
    assert_eq!(timeout(RECOVERY, watch.heard()).await.expect("the watch is lost"), Word::Doubt);
    assert!(store.is_granted(&lock, &mut watch, RECOVERY).await, "the watch is lost");

    // A primary dies.
    let cluster = {
        let cluster = Arc::new(std::sync::Mutex::new(cluster));
        let theirs = cluster.clone();
        toil_through(&store, move || theirs.lock().unwrap().kill_primary_of("cluster").unwrap()).await;
        cluster
    };
    recovers(&*store, lock.key()).await;
    let holder = token();
    assert!(acquired(&store.acquire(&lock, &holder, Some(ms(60_000))).await.unwrap()));
    let mut another = store.watch(&lock).await.unwrap();
    assert_eq!(store.release(&lock, Release::of(&holder)).await.unwrap(), Released::Now);
    assert!(store.is_granted(&lock, &mut another, RECOVERY).await);
    cluster.lock().unwrap().revive().unwrap();
    store.check().await.unwrap();
}
