//! Copies of entries in a process: when they save a question, and how old they can be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bellwether::cache::{Cache, CacheOptions, CachePolicy, Caches, EnvelopeChoice, Found, NearLimits, StageChoice};
use bellwether::names::Prefix;
use bellwether::store::{self, Store, StoreOptions};
use bellwether_tests::{Cluster, Sentinel, Server, ServerOptions};
use tokio::time::{Instant, sleep};

mod changes;
mod failovers;
mod outages;
mod silence;

/// For news that is under way; what it took is measured by the bench.
const SOON: Duration = Duration::from_secs(10);

/// A copy may be this old in tests of everything but that.
const OLD: Duration = Duration::from_mins(10);

async fn cache(url: &str, near: bool, age: Duration) -> Cache {
    opened(url, age, CacheOptions { near: Some(near), ..CacheOptions::default() }).await
}

async fn opened(url: &str, age: Duration, options: CacheOptions) -> Cache {
    cached(store::open(url, &StoreOptions::default()).await.unwrap(), age, options)
}

fn cached(store: Arc<dyn Store>, age: Duration, options: CacheOptions) -> Cache {
    let policy = CachePolicy { near: NearLimits { age, ..NearLimits::default() }, ..CachePolicy::default() };
    Caches::new(store).with_policy(policy).open("near", Some(options)).unwrap()
}

/// One process with copies, and another without.
async fn two(url: &str) -> (Cache, Cache) {
    (cache(url, true, OLD).await, cache(url, false, OLD).await)
}

async fn read(cache: &Cache, key: &str) -> Option<u32> {
    cache.get(key).await.unwrap()
}

/// Waits until the cache reads this.
async fn reads(cache: &Cache, key: &str, value: Option<u32>) {
    let end = Instant::now() + SOON;
    loop {
        let read = cache.get::<u32>(key).await;
        if matches!(&read, Ok(read) if *read == value) {
            return;
        }
        assert!(Instant::now() < end, "{key} is still {read:?} and not {value:?}");
        sleep(Duration::from_millis(1)).await;
    }
}

/// How often servers were asked for an entry.
fn gets(servers: &[&Server]) -> u64 {
    let count = |server: &&Server| {
        let info: String = server.command(&["INFO", "commandstats"]).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_get:calls=")).map(str::to_owned);
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    servers.iter().map(count).sum()
}

/// Waits until reads of this process ask no server.
async fn is_copied(cache: &Cache, key: &str, servers: &[&Server]) {
    let end = Instant::now() + SOON;
    loop {
        read(cache, key).await.unwrap();
        let before = gets(servers);
        read(cache, key).await.unwrap();
        if gets(servers) == before {
            return;
        }
        assert!(Instant::now() < end, "{key} is not copied");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until reads of this process ask this server.
async fn asks(cache: &Cache, key: &str, server: &Server) {
    let end = Instant::now() + SOON;
    let before = gets(&[server]);
    while gets(&[server]) == before {
        assert!(Instant::now() < end, "a copy of {key} is read");
        read(cache, key).await.unwrap();
        sleep(Duration::from_millis(5)).await;
    }
}
