//! What a store on Redis does when its servers do not do theirs: each call ends in time with an answer or a typed error, and the next
//! one works as soon as it can.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bellwether::Error;
use bellwether::cache::{CacheOptions, Caches, Found, Herd, Tuning};
use bellwether::clock::{Span, Wait};
use bellwether::error::{Invalid, Limit, Outage, Unavailable};
use bellwether::glob::Glob;
use bellwether::lock::{LockOptions, Locks};
use bellwether::names::{LockKeys, Prefix, Share};
use bellwether::store::{self, Attempt, Entry, Holding, Release, Released, Renewal, Store, StoreOptions, Token, Word};
use bellwether_tests::{Cluster, Sentinel, Server, ServerOptions};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

#[path = "../common/attempts.rs"]
mod attempts;
mod failovers;
mod outages;
mod refusals;
mod stale;
mod toil;

use attempts::Attempts;

const LIMIT: Duration = Duration::from_secs(1);

/// What a call may take beyond its limit, on a machine that has other things to do.
const SLACK: Duration = Duration::from_millis(1500);

const RECOVERY: Duration = Duration::from_secs(20);

fn options() -> StoreOptions {
    StoreOptions { connect_timeout: LIMIT, response_timeout: LIMIT }
}

async fn open(url: &str) -> Arc<dyn Store> {
    store::open(url, &options()).await.unwrap()
}

async fn refused(url: &str) -> Unavailable {
    let begin = Instant::now();
    let error = store::open(url, &options()).await.unwrap_err();
    assert!(begin.elapsed() < LIMIT + SLACK, "opening took {:?}", begin.elapsed());
    match error {
        Error::Unavailable(why) => why,
        other => panic!("{other}"),
    }
}

fn lock(name: &str) -> LockKeys {
    LockKeys::new(&Prefix::default(), name).unwrap()
}

fn token() -> Token {
    Token::random().unwrap()
}

fn ms(millis: u64) -> Span {
    Span::new("time", Duration::from_millis(millis)).unwrap()
}

fn entry(key: &str, size: usize) -> Entry {
    Entry { key: key.into(), bytes: vec![b'x'; size].into() }
}

fn acquired(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Acquired { .. })
}

fn outage<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Outage {
    match outcome {
        Err(Error::Unavailable(Unavailable { why, .. })) => why,
        other => panic!("{other:?} where the store should be unavailable"),
    }
}

/// Asks until the store answers again.
async fn recovers(store: &dyn Store, key: &str) {
    let begin = Instant::now();
    while let Err(error) = store.get(key).await {
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        assert!(begin.elapsed() < RECOVERY, "after {RECOVERY:?} still: {error}");
        sleep(Duration::from_millis(10)).await;
    }
}
