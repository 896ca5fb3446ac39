//! The rules together, on the embedded store with a paused clock, and on one that loses requests and replies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use super::{Lock, LockOptions, Locks};
use crate::error::{Error, Unavailable};
use crate::names::LockKeys;
use crate::store::faulty::{Fault, Faulty, Op};
use crate::store::{Attempt, LockStore, Release, Store, Token};

mod acquire;
mod cancel;
mod class;
mod guard;
mod many;
mod metrics;
mod quorum;
mod shared;
mod sightings;
mod spans;
mod watchdog;

const SECOND: Duration = Duration::from_secs(1);

/// A store that works, and its locks.
fn setup() -> (Arc<Faulty>, Locks) {
    let store = Arc::new(Faulty::default());
    let locks = Locks::new(Arc::clone(&store) as Arc<dyn Store>);
    (store, locks)
}

/// The lock `lock` with a lease of 30 s that is renewed, and pauses that are far longer than any wake-up takes.
fn lock(locks: &Locks) -> Lock {
    locks.open("lock", LockOptions { retry: 20 * SECOND, ..LockOptions::default() }).unwrap()
}

/// The lock `lock` with a lease of 3 s that is not renewed.
fn passing(locks: &Locks) -> Lock {
    locks
        .open("lock", LockOptions { lease: Some(3 * SECOND), renew: false, retry: 2 * SECOND, ..LockOptions::default() })
        .unwrap()
}
