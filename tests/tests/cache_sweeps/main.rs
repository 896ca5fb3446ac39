//! What goes over all keys of a server leaves it free for others, and misses nothing where another takes its place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bellwether::Caches;
use bellwether::error::Error;
use bellwether::glob::Glob;
use bellwether::store::browse::{Browse, Seen};
use bellwether::store::{self, Entry, Store, StoreOptions};
use bellwether_tests::{Cluster, Proxy, Sentinel, Server, ServerOptions, until};

mod failovers;
mod moves;

const ENTRIES: usize = 100_000;

/// No command that the sweep sends may keep the server for longer, also where a machine is busy with much else.
const LONG: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_served_while_a_hundred_thousand_entries_are_deleted() {
    let slow = LONG.as_micros().to_string();
    let options = ServerOptions::default().with(&["slowlog-log-slower-than", &slow]);
    let server = tokio::task::spawn_blocking(|| Server::start_with(options)).await.unwrap().unwrap();
    let caches = Caches::new(store::open(&server.url(), &StoreOptions::default()).await.unwrap());
    let (swept, kept) = (caches.open("swept", None).unwrap(), caches.open("kept", None).unwrap());
    for batch in 0..ENTRIES / 5_000 {
        swept.set_many((0..5_000).map(|n| (format!("{batch}/{n}"), n)), None).await.unwrap();
    }
    kept.set("a", &1, None).await.unwrap();
    server.command::<()>(&["SLOWLOG", "RESET"]).unwrap();

    let over = Arc::new(AtomicBool::new(false));
    let mut connection = server.connection().unwrap();
    let other = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            let mut times = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                let _: Vec<u8> = redis::cmd("GET").arg("cache:kept:a").query(&mut connection).unwrap();
                times.push(began.elapsed());
            }
            times.sort();
            times
        }
    });
    let began = Instant::now();
    let deleted = swept.delete_pattern("*").await.unwrap();
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let times = other.join().unwrap();
    let p99 = times[times.len() * 99 / 100];
    println!("{deleted} deleted in {took:?}; meanwhile {} answers to another client, p99 {p99:?}", times.len());

    assert_eq!(deleted, ENTRIES as u64);
    assert_eq!(kept.get::<u8>("a").await.unwrap(), Some(1));
    // At least one between any two batches of the sweep.
    assert!(times.len() > ENTRIES / 500, "{} answers", times.len());
    let slow: u64 = server.command(&["SLOWLOG", "LEN"]).unwrap();
    assert_eq!(slow, 0, "{slow} commands took over {LONG:?}");
}

/// A store whose operations have the patience for a failover.
async fn patient(url: &str) -> Arc<dyn Store> {
    let options = StoreOptions { response_timeout: Duration::from_secs(20), ..StoreOptions::default() };
    store::open(url, &options).await.unwrap()
}

async fn plant(store: &dyn Store, keys: impl Iterator<Item = String>) {
    let entries: Vec<_> = keys.map(|key| Entry { key, bytes: "value".into() }).collect();
    store.set_many(&entries, None).await.unwrap();
}

/// How often each key is met in a walk over all that begin with `sweep:`, where `meanwhile` is called with each.
async fn met(store: &dyn Store, meanwhile: impl Fn(&str) + Send + Sync) -> Result<HashMap<String, u32>, Error> {
    let chosen = |rest: &str| {
        meanwhile(rest);
        true
    };
    let which = Browse { prefix: "sweep:", hint: &Glob::any(), chosen: &chosen, closely: u64::MAX };
    let mut met = HashMap::new();
    let mut tell = |batch: Vec<Seen>| {
        for seen in batch {
            *met.entry(seen.key).or_default() += 1;
        }
        ControlFlow::Continue(())
    };
    store.browse(which, &mut tell).await?;
    Ok(met)
}
