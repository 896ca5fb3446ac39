//! Backs something up, one guest at a time, and says who is at it while it waits.
//!
//! It asks for a lock of the class `recorded`, which the embedder in `examples/embed/recorded` registers: the class writes down who
//! holds the lock and why, in a cache that everybody can read.

#![allow(clippy::print_stdout, reason = "what a program says")]

use std::error::Error;

use bellwether_guest::{Cache, Lock, LockOptions};
use serde::Deserialize;

bellwether_guest::main!(backup);

const LOCK: &str = "backup";

/// What the class `recorded` writes down of a hold, with its fence as the content.
#[derive(Debug, Deserialize)]
struct Holder {
    who: String,
    why: String,
}

async fn backup() -> Result<(), Box<dyn Error>> {
    let what = std::env::args().nth(1).ok_or("say what to back up")?;
    let holders = Cache::open("holders")?;
    let lock = Lock::open_as("recorded", LOCK, Some(&format!("the backup of {what}")), LockOptions::default())?;
    let guard = if let Some(guard) = lock.try_acquire().await? {
        guard
    } else {
        if let Some(Holder { who, why }) = holder(&holders).await? {
            println!("waiting for {who}, who is at {why}");
        }
        lock.acquire().await?
    };
    if let Some(Holder { who, why }) = holder(&holders).await? {
        println!("{who} is at {why}");
    }
    // Here it would copy, and send the fence along with what it writes.
    println!("done, by holder {}", guard.fence());
    guard.release().await?;
    Ok(())
}

/// Who holds the lock. The record has the fence of the last holder, and the holder by its fence.
async fn holder(holders: &Cache) -> bellwether_guest::Result<Option<Holder>> {
    match holders.get::<u64>(LOCK).await? {
        Some(fence) => holders.with_content(&fence)?.get(LOCK).await,
        None => Ok(None),
    }
}
