//! Primaries that are replaced, and slots that move.

use bellwether_tests::commands::Counting;
use bellwether_tests::{Proxy, until};

use super::*;

/// How long after a write a copy may be read that is of a server which is no primary any more: it is asked once a second.
const NOTICED: Duration = Duration::from_secs(1);

/// What a busy machine takes beyond that, to answer included. Sentinels leave a primary that they replace alone for some 10 s.
const SLACK: Duration = Duration::from_secs(3);

/// What another process writes ends the copy there is.
async fn notices(here: &Cache, there: &Cache) {
    there.set("a", &2, None).await.unwrap();
    let written = Instant::now();
    reads(here, "a", Some(2)).await;
    assert!(written.elapsed() < NOTICED + SLACK, "{:?}", written.elapsed());
}

/// There are copies again, and what another process writes ends them.
async fn goes_on(here: &Cache, there: &Cache, servers: &[&Server]) {
    is_copied(here, "a", servers).await;
    there.set("a", &3, None).await.unwrap();
    reads(here, "a", Some(3)).await;
}

fn turn_into_a_replica(old: &Server, new: &Server) {
    new.command::<()>(&["REPLICAOF", "NO", "ONE"]).unwrap();
    // It would have what is written to the new one soon.
    old.command::<()>(&["CONFIG", "SET", "masterauth", "wrong"]).unwrap();
    old.command::<()>(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_that_sentinels_replace_ends_all_copies_though_it_does_not_know() {
    let set = Sentinel::start().unwrap();
    let here = cache(&set.url(), true, OLD).await;
    here.set("a", &1, None).await.unwrap();
    let old = set.primary().unwrap();
    is_copied(&here, "a", &[old]).await;
    assert_eq!(set.replace_primary().unwrap(), old.port());
    // One that connects now finds the new one.
    let there = cache(&set.url(), false, OLD).await;
    notices(&here, &there).await;
    let role: Vec<redis::Value> = old.command(&["ROLE"]).unwrap();
    assert_eq!(
        role[0],
        redis::Value::BulkString("master".into()),
        "the Sentinels have told the old one, and with it this process"
    );
    goes_on(&here, &there, &[set.primary().unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_that_steps_down_ends_all_copies_though_it_hears_nothing_of_the_new_one() {
    let cluster = Cluster::start().unwrap();
    let here = cache(&cluster.url(), true, OLD).await;
    let there = cache(&cluster.url(), false, OLD).await;
    there.set("a", &1, None).await.unwrap();
    is_copied(&here, "a", &cluster.primaries().unwrap()).await;
    let key = here.entry_key("a").await.unwrap();
    let old = cluster.primary_of(&key).unwrap();
    // A replica would tell of what it copies.
    old.command::<()>(&["CONFIG", "SET", "masterauth", "wrong"]).unwrap();
    cluster.failover(&key).unwrap();
    notices(&here, &there).await;
    let replication: String = old.command(&["INFO", "replication"]).unwrap();
    assert!(replication.contains("master_link_status:down"), "{replication}");
    goes_on(&here, &there, &cluster.primaries().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_to_another_server_takes_requests_along_with_the_news() {
    let old = Server::start().unwrap();
    let new = Server::start_with(ServerOptions { replica_of: Some(old.port()), ..ServerOptions::default() }).unwrap();
    let name = Proxy::start(old.port()).unwrap();
    let here = cache(&format!("redis://127.0.0.1:{}", name.port()), true, OLD).await;
    let there = cache(&new.url(), false, OLD).await;
    here.set("a", &1, None).await.unwrap();
    is_copied(&here, "a", &[&old]).await;
    reads(&there, "a", Some(1)).await;

    turn_into_a_replica(&old, &new);
    // Nobody tells of changes, and requests go to the old one, over connections that it does not close.
    asks(&here, "a", &old).await;
    name.lead_to(new.port());
    notices(&here, &there).await;
    goes_on(&here, &there, &[&new]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_no_primary_is_not_asked_again_at_once() {
    let primary = Server::start().unwrap();
    let replica = Server::start_with(ServerOptions { replica_of: Some(primary.port()), ..ServerOptions::default() }).unwrap();
    let here = cache(&replica.url(), true, OLD).await;
    let begun = Instant::now();
    assert_eq!(read(&here, "a").await, None);
    let mut counting = Counting::on(&replica).unwrap();
    let attempts = || Ok((counting.so_far()?.of("client|tracking") >= 5).then_some(()));
    until("five more attempts", attempts).unwrap();
    // Each pause is twice the one before; the first is cut short by what is tracked anew.
    assert!(begun.elapsed() > Duration::from_millis(50 + 100 + 200), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_cluster_that_does_not_know_of_the_one_in_its_place_ends_all_copies() {
    let cluster = Cluster::start().unwrap();
    let here = cache(&cluster.url(), true, OLD).await;
    here.set("a", &1, None).await.unwrap();
    is_copied(&here, "a", &cluster.primaries().unwrap()).await;
    let key = here.entry_key("a").await.unwrap();
    let old = cluster.primary_of(&key).unwrap();
    let new = cluster.replicas_of(&key).unwrap().remove(0);
    let others: Vec<_> = cluster.primaries().unwrap().into_iter().filter(|node| node.port() != old.port()).collect();
    until("the replica to have it", || Ok((new.command::<u64>(&["DBSIZE"])? > 0).then_some(()))).unwrap();
    // As if it were cut off from the others and not from clients: for a minute it takes no word of that node.
    let id: String = new.command(&["CLUSTER", "MYID"]).unwrap();
    old.command::<()>(&["CLUSTER", "FORGET", &id]).unwrap();
    new.command::<()>(&["CLUSTER", "FAILOVER", "TAKEOVER"]).unwrap();
    until("the others to know of the new one", || {
        let knows = |node: &&Server| {
            let nodes: String = node.command(&["CLUSTER", "NODES"]).unwrap();
            // Its slots come last, behind the state of the connection.
            nodes.lines().any(|line| line.starts_with(&id) && line.contains("master") && !line.ends_with("connected"))
        };
        Ok(others.iter().all(knows).then_some(()))
    })
    .unwrap();
    let there = cache(&format!("redis+cluster://127.0.0.1:{}", others[0].port()), false, OLD).await;
    notices(&here, &there).await;
    let role: Vec<redis::Value> = old.command(&["ROLE"]).unwrap();
    assert_eq!(role[0], redis::Value::BulkString("master".into()), "the old one has heard of it");
    goes_on(&here, &there, &[new, others[0], others[1]]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_gets_its_first_slot_tells_from_its_first_key_on() {
    let mut cluster = Cluster::start().unwrap();
    cluster.join().unwrap();
    let nodes: Vec<_> = cluster.nodes().iter().collect();
    let (here, there) = two(&cluster.url()).await;
    there.set("a", &1, None).await.unwrap();
    is_copied(&here, "a", &nodes).await;
    let key = here.entry_key("a").await.unwrap();
    let moving = cluster.begin_move_to(&key, nodes[nodes.len() - 1]).unwrap();
    moving.move_keys().unwrap();
    // The slot is still that of the old one, which sends who asks for the key to the new one.
    goes_on(&here, &there, &nodes).await;
    moving.finish().unwrap();
    there.set("a", &4, None).await.unwrap();
    reads(&here, "a", Some(4)).await;
    goes_on(&here, &there, &nodes).await;
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
