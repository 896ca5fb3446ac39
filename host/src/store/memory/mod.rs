//! An embedded store, in this process.
//!
//! Nothing runs in the background: what has expired is not seen, and every write clears away a few expired neighbours, so they
//! do not pile up. Times run on tokio's clock, so a paused test clock moves them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use self::entries::Entries;
use self::locks::LockTable;
use self::shared::SharedTable;
use self::watches::Watches;
use super::{Reply, Store};
#[cfg(test)]
use crate::names::LockKeys;

mod browse;
mod entries;
mod entry_store;
mod expiring;
mod fences;
mod lock_store;
mod locks;
mod shared;
mod tags;
mod watches;

/// How many keys are looked at before others get their turn.
const BATCH: usize = 256;

/// A store in this process, shared by whoever shares the value. Its locks exclude only users of the same value.
#[derive(Debug, Default)]
pub struct MemoryStore {
    locks: Mutex<LockTable>,
    shared: Mutex<SharedTable>,
    entries: Mutex<Entries>,
    watches: Watches,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses a lock, as in a failover.
    #[cfg(test)]
    pub(crate) fn forget(&self, lock: &LockKeys) {
        open(&self.locks).forget(lock, Instant::now());
    }
}

impl Store for MemoryStore {
    fn address(&self) -> &'static str {
        "memory:"
    }

    fn check(&self) -> Reply<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn now(&self) -> u64 {
        open(&self.entries).millis(Instant::now())
    }
}

/// A panic elsewhere leaves no half-done change behind these mutexes, so a poisoned one is as good as any.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
