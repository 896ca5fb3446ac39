//! Locks on a real Redis server: between stores, through outages, and against the lock of redis-py.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bellwether::lock::{Lock, LockOptions, Locks};
use bellwether::store::{self, Store, StoreOptions};
use tokio::time::Instant;

mod fleet;
mod outage;
mod redis_py;
mod server;

use server::Server;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Locks over connections of their own, as another process has them.
async fn locks(server: &Server) -> Locks {
    let options = StoreOptions { response_timeout: 500 * MS, ..StoreOptions::default() };
    let store: Arc<dyn Store> = store::open(&server.url(), &options).await.unwrap();
    Locks::new(store)
}

/// The lock `lock` with a lease, renewed or not, and pauses so long that only a wake-up ends a wait in time.
fn lock(locks: &Locks, lease: Duration, renew: bool) -> Lock {
    let retry = lease.checked_sub(MS).unwrap();
    locks.open("lock", LockOptions { lease: Some(lease), renew, retry, ..LockOptions::default() }).unwrap()
}

/// Waits until somebody waits for the lock `lock`.
async fn somebody_waits(server: &Server) {
    let mut connection = server.connection().await;
    let channel = "{lock}:bellwether:free";
    until("somebody waits", async || {
        let (_, waiters): (String, u64) =
            redis::cmd("PUBSUB").arg("NUMSUB").arg(channel).query_async(&mut connection).await.unwrap();
        waiters > 0
    })
    .await;
}

/// Waits until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < 20 * SECOND, "waited in vain until {what}");
        tokio::time::sleep(5 * MS).await;
    }
}
