//! Locks on a real Redis server: between stores, through outages, and against the lock of redis-py.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bellwether::lock::{Lock, LockOptions, Locks};
use bellwether::store::{self, Store, StoreOptions};
use bellwether_tests::{Server, until};
use tokio::time::Instant;

mod commands;
mod crowd;
mod deaf;
mod fair;
mod fleet;
mod outage;
mod redis_py;
mod runtimes;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Locks over connections of their own, as another process has them.
async fn locks(server: &Server) -> Locks {
    // Longer than a crowd of callers takes on a machine with too much to do.
    locks_within(server, 20 * SECOND).await
}

/// The same where a server stands still, which is to be noticed soon.
async fn impatient(server: &Server) -> Locks {
    locks_within(server, 500 * MS).await
}

async fn locks_within(server: &Server, response_timeout: Duration) -> Locks {
    let options = StoreOptions { response_timeout, ..StoreOptions::default() };
    let store: Arc<dyn Store> = store::open(&server.url(), &options).await.unwrap();
    Locks::new(store)
}

/// The lock `lock` with a lease, renewed or not, and pauses so long that only a wake-up ends a wait in time.
fn lock(locks: &Locks, lease: Duration, renew: bool) -> Lock {
    let retry = lease.checked_sub(MS).unwrap();
    locks.open("lock", LockOptions { lease: Some(lease), renew, retry, ..LockOptions::default() }).unwrap()
}

/// Waits until so many places are taken in the queue of the lock `lock`.
fn places_are_taken(server: &Server, count: u64) {
    let places = || server.command::<u64>(&["ZCARD", "{lock}:bellwether:queue"]);
    until("somebody to wait", || Ok((places()? == count).then_some(()))).unwrap();
}

/// Waits until somebody waits for the lock `lock`.
fn somebody_waits(server: &Server) {
    places_are_taken(server, 1);
}
