//! Primaries that are replaced, and slots that move.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_ends_all_copies() {
    let mut set = Sentinel::start().unwrap();
    let (here, there) = two(&set.url()).await;
    there.set("a", &1, None).await.unwrap();
    is_copied(&here, "a", &[set.primary().unwrap()]).await;
    set.failover().unwrap();
    let end = Instant::now() + SOON;
    while there.set("a", &2, None).await.is_err() {
        assert!(Instant::now() < end, "the new primary takes no writes");
    }
    reads(&here, "a", Some(2)).await;
    is_copied(&here, "a", &[set.primary().unwrap()]).await;
    there.set("a", &3, None).await.unwrap();
    reads(&here, "a", Some(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_of_a_cluster_tells() {
    let cluster = Cluster::start().unwrap();
    let (here, there) = two(&cluster.url()).await;
    let keys: Vec<_> = (0..30).map(|number| format!("key-{number}")).collect();
    for round in 0..3 {
        for key in &keys {
            there.set(key.as_str(), &round, None).await.unwrap();
        }
        for key in &keys {
            reads(&here, key, Some(round)).await;
            is_copied(&here, key, &cluster.primaries().unwrap()).await;
        }
    }
    // A slot that moves.
    let key = here.entry_key("key-0").await.unwrap();
    let moving = cluster.begin_move(&key).unwrap();
    moving.finish().unwrap();
    there.set("key-0", &100, None).await.unwrap();
    reads(&here, "key-0", Some(100)).await;
    is_copied(&here, "key-0", &cluster.primaries().unwrap()).await;
    assert_eq!(there.delete_many(&keys, None).await.unwrap(), 30);
    for key in &keys {
        reads(&here, key, None).await;
    }
}
