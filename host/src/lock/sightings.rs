//! Looks at locks that others hold, and breaks them.

use std::time::Duration;

use super::{Locks, metrics};
use crate::error::Error;
use crate::names::LockKeys;
use crate::store::{Broken, Fingerprint, Sighting};

/// A lock that somebody held when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock(Sighting);

impl HeldLock {
    /// The lock's name, without the prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.lock.name()
    }

    /// The label of who holds it, as [`Locks::with_holder`] has it: `<hostname>:<pid>` for one. Other programs that lock the same
    /// key have none.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.0.holder.as_ref().map(crate::names::Holder::as_str)
    }

    /// What tells this holder from all others, another guard of the same process included.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.0.fingerprint
    }

    /// The last fence that was given; that of the holder, unless it is another program. `None` if none is known.
    #[must_use]
    pub fn fence(&self) -> Option<u64> {
        self.0.fence
    }

    /// How long the lease still ran by the store's clock; `None` for a lock without one.
    #[must_use]
    pub fn lease_left(&self) -> Option<Duration> {
        self.0.lease_left
    }

    /// How many places in its queue were taken. Waiters of one process share one, unless the lock is fair.
    #[must_use]
    pub fn waiters(&self) -> u64 {
        self.0.waiters
    }
}

impl Locks {
    /// The locks under the prefix that are held, by name.
    ///
    /// They are looked at one after the other while they change, in bounded batches on every node. A lock that only other programs
    /// have taken within the last day is not found; [`Locks::look`] finds it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn held_locks(&self) -> Result<Vec<HeldLock>, Error> {
        let mut held: Vec<_> = self.shared.lines.store().sightings(&self.prefix).await?.into_iter().map(HeldLock).collect();
        held.sort_unstable_by(|one, other| one.name().cmp(other.name()));
        Ok(held)
    }

    /// Who holds the lock of this name, ours or another program. `None` if nobody does.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Limit`] for a name that no lock can have, or whose key holds something that is no lock;
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn look(&self, name: &str) -> Result<Option<HeldLock>, Error> {
        let keys = LockKeys::new(&self.prefix, name)?;
        Ok(self.shared.lines.store().sight(&keys).await?.map(HeldLock))
    }

    /// Takes a lock away from the holder that was seen, and gives it to who waits. If it has changed hands since, nothing is done.
    ///
    /// The holder's guard learns of it when its lease is renewed or it asks the store, and until then goes on. What keeps it out
    /// meanwhile is the fence: it has risen, so whatever the lock protects refuses the holder as soon as it has seen the new one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached; then the lock may or may not be broken.
    pub async fn break_lock(&self, seen: &HeldLock) -> Result<Broken, Error> {
        let HeldLock(Sighting { lock, fingerprint, .. }) = seen;
        let broken = self.shared.lines.store().break_lock(lock, fingerprint).await?;
        if let Broken::Yes { fence, handed_on } = broken {
            tracing::warn!(lock = lock.name(), holder = seen.holder(), %fingerprint, fence, handed_on, "broken");
            metrics::broken();
        }
        Ok(broken)
    }
}
