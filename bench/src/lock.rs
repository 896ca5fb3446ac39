//! `lock-*`: what fences, wake-ups and settled outcomes cost beside a bare `SET NX PX` and a compare-and-delete.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use bellwether::clock::Wait;
use bellwether::lock::{LockOptions, Locks};
use bellwether::store::{self, StoreOptions};

use crate::measure::{Figure, in_turn_async, micros};

const COMPARE_AND_DELETE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/// Measures every `lock-*` case and hands each figure to `print`.
pub(crate) async fn run(url: &str, rounds: usize, print: &mut dyn FnMut(Figure) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let locks = Locks::new(store::open(url, &StoreOptions::default()).await?);
    let mut raw = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let script = redis::Script::new(COMPARE_AND_DELETE);
    let options = LockOptions { lease: Some(Duration::from_secs(30)), renew: true, ..LockOptions::default() };
    let lock = locks.open("bench-ours", options)?;

    let calls = 1_000;
    let (ours, theirs) = in_turn_async(
        rounds,
        calls,
        async || {
            let guard = lock.acquire(Wait::None).await?.context("the lock is held by somebody else")?;
            guard.release().await?;
            Ok(())
        },
        async || {
            let set: Option<String> =
                redis::cmd("SET").arg("bench-raw").arg("token").arg("NX").arg("PX").arg(30_000).query_async(&mut raw).await?;
            ensure!(set.is_some(), "the raw lock is held by somebody else");
            let deleted: u64 = script.key("bench-raw").arg("token").invoke_async(&mut raw).await?;
            ensure!(deleted == 1, "the raw lock was not released");
            Ok(())
        },
    )
    .await?;
    let figure = Figure::new("lock-acquire-release", "µs", (micros(ours), micros(theirs)), rounds * calls);
    print(figure.against("SET NX PX + compare-and-delete, p50").goal("≤ 1.15 ×"))
}
