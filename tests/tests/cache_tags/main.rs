//! Tags on real servers: how many requests they cost, and what nobody reads any more.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod clearing;
mod costs;
mod failovers;
mod many;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bellwether::cache::{Cache, CacheOptions, Caches, Found, Herd};
use bellwether::store::{self, StoreOptions};
use bellwether_tests::commands::Counting;
use bellwether_tests::{Cluster, Server};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

/// For news that is under way.
const SOON: Duration = Duration::from_secs(10);

/// Longer than any test.
const LONG: Duration = Duration::from_hours(1);

async fn cache(url: &str, options: CacheOptions) -> Cache {
    let store = StoreOptions { response_timeout: Duration::from_secs(20), ..StoreOptions::default() };
    Caches::new(store::open(url, &store).await.unwrap()).open("pages", Some(options)).unwrap()
}

async fn plain(url: &str) -> Cache {
    cache(url, CacheOptions::default()).await
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("key-{n}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_all_nodes_of_a_cluster_go_with_their_tag() {
    let cluster = Cluster::start().unwrap();
    let (here, there) = (plain(&cluster.url()).await, plain(&cluster.url()).await);
    let keys = keys(60);
    let tags: Vec<_> = (0..8).map(|n| format!("tag-{n}")).collect();
    let tagged = here.with_tags(&tags).unwrap();
    for tag in &tags {
        tagged.set_many(keys.iter().map(|key| (key, 1)), None).await.unwrap();
        assert_eq!(there.get_many::<u8, _>(&keys).await.unwrap(), vec![Some(1); 60]);
        assert!(there.invalidate_tag(tag).await.unwrap());
        assert!(!there.invalidate_tag(tag).await.unwrap());
        assert_eq!(here.get_many::<u8, _>(&keys).await.unwrap(), vec![None; 60]);
    }
    tagged.set_many(keys.iter().map(|key| (key, 1)), None).await.unwrap();
    assert_eq!(there.stats(u64::MAX).await.unwrap().entries, 60);
    assert_eq!(there.clear().await.unwrap(), 60);
    for tag in &tags {
        assert!(!there.invalidate_tag(tag).await.unwrap());
    }
}

/// A database with one row, which is written and then invalidated in the cache, while others read it through the cache. Whoever begins
/// to read after an invalidation was done gets what was written before, or newer.
async fn nothing_older_than_an_invalidation_is_read(url: &str, herd: bool, known: bool) {
    let herd = herd.then_some(Herd { herd_timeout: Duration::from_secs(20), extend_timeout: Duration::from_secs(20) });
    let options = CacheOptions { herd, expire: herd.map(|_| Duration::from_millis(15)), ..CacheOptions::default() };
    let (row, invalidated) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(1)));
    let end = Instant::now() + Duration::from_millis(1_500);
    let readers = (0..4_u64).map(|number| {
        let (row, invalidated, options) = (row.clone(), invalidated.clone(), options.clone());
        async move {
            let cache = cache(url, options).await;
            let tagged = if known { cache.with_tags(["row", "table"]).unwrap() } else { cache };
            let mut filled = 0;
            while Instant::now() < end {
                let least = invalidated.load(Ordering::SeqCst);
                let value = match tagged.lookup::<u64>("row", Duration::from_millis(50)).await.unwrap() {
                    Found::Hit(value) => value,
                    Found::Vacant(vacancy) => {
                        let read = row.load(Ordering::SeqCst);
                        // As long as an invalidation takes, and longer.
                        sleep(Duration::from_millis(read % 4)).await;
                        let tags: &[&str] = if known { &[] } else { &["row", "table"] };
                        filled += u64::from(vacancy.fill_tagged(&read, None, tags).await.unwrap());
                        read
                    }
                    _ => continue,
                };
                assert!(value >= least, "reader {number} got {value} after {least} was invalidated");
                if let Some(value) = tagged.get::<u64>("row").await.unwrap() {
                    assert!(value >= least, "reader {number} got {value} after {least} was invalidated");
                }
            }
            filled
        }
    });
    let writer = async {
        let cache = plain(url).await;
        let mut written = 1;
        while Instant::now() < end {
            written += 1;
            row.store(written, Ordering::SeqCst);
            cache.invalidate_tag(if written % 2 == 0 { "row" } else { "table" }).await.unwrap();
            invalidated.store(written, Ordering::SeqCst);
            sleep(Duration::from_millis(written % 7)).await;
        }
        written
    };
    let (filled, written) = tokio::join!(join_all(readers), writer);
    let filled: u64 = filled.into_iter().sum();
    assert!(filled > 10 && written > 10, "{filled} were stored, {written} written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_computed_from_what_was_there_before_does_not_survive() {
    let server = Server::start().unwrap();
    for (herd, known) in [(false, true), (false, false), (true, true), (true, false)] {
        server.command::<()>(&["FLUSHALL"]).unwrap();
        nothing_older_than_an_invalidation_is_read(&server.url(), herd, known).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_it_on_a_cluster() {
    let cluster = Cluster::start().unwrap();
    for known in [true, false] {
        nothing_older_than_an_invalidation_is_read(&cluster.url(), true, known).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_tags_is_not_copied_into_the_process() {
    let server = Server::start().unwrap();
    let near = cache(&server.url(), CacheOptions { near: Some(true), ..CacheOptions::default() }).await;
    let there = plain(&server.url()).await;
    there.set("plain", &1, None).await.unwrap();
    let mut counting = Counting::on(&server).unwrap();
    let mut gets = async |key: &'static str| {
        counting.restart().unwrap();
        assert_eq!(near.get::<u8>(key).await.unwrap(), Some(1));
        counting.so_far().unwrap().of("get")
    };
    let end = Instant::now() + SOON;
    while gets("plain").await > 0 {
        assert!(Instant::now() < end, "nothing is copied");
        sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..10 {
        there.with_tags(["x"]).unwrap().set("tagged", &1, None).await.unwrap();
        for _ in 0..3 {
            assert_eq!(gets("tagged").await, 2);
        }
        there.invalidate_tag("x").await.unwrap();
        assert_eq!(near.get::<u8>("tagged").await.unwrap(), None, "at once");
    }
}
