//! Connections whose other end is gone without a word.

use bellwether_tests::commands::Counting;
use bellwether_tests::{Proxy, until};

use super::*;

/// How long after a write a copy may be read when the connection for news is silent: a question a second, and the time for its answer.
const NOTICED: Duration = Duration::from_secs(1 + 2);

/// An attempt to have all nodes tell of changes ends when one has not answered for so long, and the next begins within a second.
const ATTEMPT: Duration = Duration::from_secs(2 + 1);

/// What a busy machine takes beyond that. A ping that is not answered would be noticed after 3 s and 2 s.
const SLACK: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_connection_ends_copies_until_there_is_another() {
    let server = Server::start().unwrap();
    let proxy = Proxy::start(server.port()).unwrap();
    let here = cache(&format!("redis://127.0.0.1:{}", proxy.port()), true, OLD).await;
    let there = cache(&server.url(), false, OLD).await;
    let mut counting = Counting::on(&server).unwrap();
    for round in 0..2 {
        there.set("a", &(round * 10), None).await.unwrap();
        reads(&here, "a", Some(round * 10)).await;
        is_copied(&here, "a", &[&server]).await;
        // Whatever has a connection for messages may wait as long as until the next ping but one; copies may not.
        counting.restart().unwrap();
        until("a ping", || Ok((counting.so_far()?.of("ping") > 0).then_some(()))).unwrap();
        proxy.silence("TRACKING").unwrap();
        there.set("a", &(round * 10 + 1), None).await.unwrap();
        let written = Instant::now();
        assert_eq!(read(&here, "a").await, Some(round * 10), "the news did not come through");
        reads(&here, "a", Some(round * 10 + 1)).await;
        assert!(written.elapsed() < NOTICED + SLACK, "{:?}", written.elapsed());
        // Another connection brings news again.
        is_copied(&here, "a", &[&server]).await;
        there.set("a", &(round * 10 + 2), None).await.unwrap();
        reads(&here, "a", Some(round * 10 + 2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_node_keeps_nobody_from_noticing_what_becomes_of_the_others() {
    let cluster = Cluster::start().unwrap();
    for node in cluster.nodes() {
        // Nobody is to take the place of the silent one.
        node.command::<()>(&["CONFIG", "SET", "cluster-node-timeout", "600000"]).unwrap();
    }
    // It is waited for longer than anything here takes.
    let options = StoreOptions { response_timeout: 3 * SOON, ..StoreOptions::default() };
    let store = store::open(&cluster.url(), &options).await.unwrap();
    let here = cached(store, OLD, CacheOptions { near: Some(true), ..CacheOptions::default() });
    let there = cache(&cluster.url(), false, OLD).await;
    there.set("a", &1, None).await.unwrap();
    let key = here.entry_key("a").await.unwrap();
    is_copied(&here, "a", &cluster.primaries().unwrap()).await;
    let owner = cluster.primary_of(&key).unwrap();
    let silent = cluster.primaries().unwrap().into_iter().find(|node| node.port() != owner.port()).unwrap();

    let replica = cluster.replicas_of(&key).unwrap().remove(0);
    // A replica would tell of what it copies.
    owner.command::<()>(&["CONFIG", "SET", "masterauth", "wrong"]).unwrap();

    silent.pause().unwrap();
    let mut counting = Counting::on(owner).unwrap();
    // All are asked at the same time.
    until("the nodes to be asked whether they are primaries", || Ok((counting.so_far()?.of("role") > 0).then_some(()))).unwrap();
    replica.command::<()>(&["CLUSTER", "FAILOVER", "TAKEOVER"]).unwrap();
    until("the primary to step down", || {
        Ok(owner.command::<String>(&["INFO", "replication"])?.contains("role:slave").then_some(()))
    })
    .unwrap();
    there.set("a", &2, None).await.unwrap();
    reads(&here, "a", Some(2)).await;
    silent.resume().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_copied_while_a_node_is_silent_also_when_another_tells_that_all_was_deleted() {
    let cluster = Cluster::start().unwrap();
    for node in cluster.nodes() {
        // Nobody is to take the place of the silent one.
        node.command::<()>(&["CONFIG", "SET", "cluster-node-timeout", "600000"]).unwrap();
    }
    let (here, there) = two(&cluster.url()).await;
    there.set("a", &1, None).await.unwrap();
    is_copied(&here, "a", &cluster.primaries().unwrap()).await;
    let owner = cluster.primary_of(&here.entry_key("a").await.unwrap()).unwrap();
    let silent = cluster.primaries().unwrap().into_iter().find(|node| node.port() != owner.port()).unwrap();
    silent.pause().unwrap();
    // Of the reads that ask, one alone may be that of a copy which was dropped.
    for _ in 0..3 {
        asks(&here, "a", owner).await;
    }
    let begun = Instant::now();
    // Attempts to have all nodes tell again, and what is told meanwhile by those that can.
    while begun.elapsed() < ATTEMPT {
        owner.command::<()>(&["FLUSHALL"]).unwrap();
        there.set("a", &2, None).await.unwrap();
        reads(&here, "a", Some(2)).await;
        let before = gets(&[owner]);
        reads(&here, "a", Some(2)).await;
        assert_eq!(gets(&[owner]), before + 1, "a copy is read of which nobody would tell that it changed");
    }
    silent.resume().unwrap();
    is_copied(&here, "a", &cluster.primaries().unwrap()).await;
}
