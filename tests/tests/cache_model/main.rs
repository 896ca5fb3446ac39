//! Any sequence of operations by several clients of one cache gives on every store what a plain model of the rules gives.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod clients;
mod model;
mod near;
mod operations;
mod tags;

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bellwether_tests::commands::Counting;
use bellwether_tests::{Cluster, Sentinel, Server};
use clients::Clients;
use model::Model;
use near::Copies;
use operations::{Operation, operations};
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};

/// For news that is under way.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn in_memory() {
    // All pauses pass at once.
    let mut runtime = Builder::new_current_thread();
    holds("memory:", &[], runtime.enable_all().start_paused(true), 1_000);
}

#[test]
fn on_a_redis_server() {
    let server = Server::start().unwrap();
    holds(&server.url(), &[&server], Builder::new_multi_thread().worker_threads(2).enable_all(), 45);
}

#[test]
fn behind_sentinel() {
    let set = Sentinel::start().unwrap();
    holds(&set.url(), &[set.primary().unwrap()], Builder::new_multi_thread().worker_threads(2).enable_all(), 45);
}

#[test]
fn on_a_cluster() {
    let cluster = Cluster::start().unwrap();
    holds(&cluster.url(), &cluster.primaries().unwrap(), Builder::new_multi_thread().worker_threads(2).enable_all(), 45);
}

fn holds(url: &str, servers: &[&Server], runtime: &mut Builder, cases: u32) {
    let runtime = runtime.build().unwrap();
    // A copy that stays is waited for each time.
    let shrinking = Config { max_shrink_iters: 300, max_shrink_time: 60_000, ..Config::default() };
    let config = Config { cases, failure_persistence: None, ..shrinking };
    let mut stores = runtime.block_on(clients::stores(url));
    let counting: Vec<_> = servers.iter().map(|server| Counting::on(server).unwrap()).collect();
    let counting = RefCell::new(counting);
    // Each under a name of its own, as nothing is cleared away.
    let (played, doubtful) = (AtomicU32::new(0), AtomicU32::new(0));
    let outcome = TestRunner::new(config).run(&operations(), |operations| {
        let name = format!("cache {}", played.fetch_add(1, Ordering::Relaxed));
        let clients = Clients::new(&stores, &name);
        // Else a case would be over before the servers tell of changes.
        if !servers.is_empty() {
            runtime.block_on(clients.are_told(&mut counting.borrow_mut()));
        }
        if !runtime.block_on(play(clients, &operations)) {
            doubtful.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    });
    stores.clear();
    outcome.unwrap();
    let (played, doubtful) = (played.into_inner(), doubtful.into_inner());
    assert!(doubtful < played.div_ceil(2), "of {played} cases, {doubtful} were not played out");
}

/// Plays a case out, unless an answer took so long that it is not known any more what there should be.
async fn play(mut clients: Clients, operations: &[Operation]) -> bool {
    let (mut model, mut copies) = (Model::default(), Copies::default());
    for (step, operation) in operations.iter().enumerate() {
        let expected = model.perform(operation, step as u64);
        let end = Instant::now() + SOON;
        let mut given = clients.perform(operation, step as u64).await;
        while given != expected && Some(&given) == copies.instead(operation).as_ref() && Instant::now() < end {
            sleep(Duration::from_millis(1)).await;
            given = clients.perform(operation, step as u64).await;
        }
        if clients.are_in_doubt() {
            return false;
        }
        assert_eq!(given, expected, "operation {step}, {operation:?}");
        copies.note(operation, step as u64, &given, |key| model.stored(*key));
    }
    true
}
