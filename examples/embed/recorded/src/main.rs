//! An embedder with a lock class of its own.
//!
//! Guests that open a lock as `recorded` have it written down, in a cache beside the locks, who holds it and why. Whoever waits, and
//! whoever looks from another machine, can see it.
//!
//! The environment says where locks and records are kept: `BELLWETHER_STORE`, `memory:` by default.
//!
//! ```text
//! cargo build --package example-backup --target wasm32-wasip2
//! cargo run --package example-recorded -- run target/wasm32-wasip2/debug/example_backup.wasm photos
//! cargo run --package example-recorded -- who backup
//! ```

#![allow(clippy::print_stdout, reason = "what a program says")]

mod recorded;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::bail;
use bellwether::guest::{Grant, Names};
use bellwether::names::Prefix;
use bellwether::runtime::ExitStatus;
use bellwether::store::{self, Store, StoreOptions};
use bellwether::{Caches, GuestRun, Runtime};
use recorded::{Holder, Record, Recorded};

/// What all names of this example begin with in the store.
const PREFIX: &str = "example-recorded:";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::var("BELLWETHER_STORE").unwrap_or_else(|_| "memory:".to_owned());
    let store = store::open(&address, &StoreOptions::default()).await?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run", guest, args @ ..] => run(store, guest, args).await,
        ["who", lock] => who(store, lock).await,
        _ => bail!("say `run GUEST.wasm ARGS` or `who LOCK`"),
    }
}

/// Runs a guest whose locks can be recorded.
async fn run(store: Arc<dyn Store>, guest: &str, args: &[&str]) -> anyhow::Result<()> {
    let runtime = runtime(store, &format!("process {}", std::process::id())).await?;
    let guest = runtime.load(guest)?;
    let run = GuestRun::default().args(args.iter().copied()).inherit_stdio();
    let end = tokio::select! {
        end = guest.run(run) => end.map(ExitStatus::code),
        // Dropping the run ends the guest; what it held is released, and the record says so.
        _ = tokio::signal::ctrl_c() => Ok(130),
    };
    runtime.shutdown().await;
    std::process::exit(end?.into());
}

/// Says who holds a lock.
async fn who(store: Arc<dyn Store>, lock: &str) -> anyhow::Result<()> {
    match record(store)?.holder(lock).await? {
        Some(Holder { who, why, since }) => println!("{who}, since {since} (Unix time), is at {why}"),
        None => println!("nobody"),
    }
    Ok(())
}

/// A runtime with the class, for locks that are recorded as held by `who`.
async fn runtime(store: Arc<dyn Store>, who: &str) -> anyhow::Result<Runtime> {
    let recorded = Recorded::new(record(Arc::clone(&store))?, who);
    // Only recorded locks may be of a class, and guests can read the record.
    let grant = Grant {
        locks: Names::All,
        lock_classes: Names::matching(["recorded"])?,
        caches: Names::matching([recorded::CACHE])?,
        ..Grant::none()
    };
    let builder = Runtime::builder().opened_store(store).prefix(PREFIX).grant(grant);
    Ok(builder.lock_class("recorded", Arc::new(recorded)).build().await?)
}

fn record(store: Arc<dyn Store>) -> anyhow::Result<Record> {
    Ok(Record::open(&Caches::new(store).with_prefix(Prefix::new(PREFIX)?))?)
}
