//! Looks at locks that others hold, and breaks them.

use futures_util::future::try_join_all;

use super::{Locks, metrics};
use crate::error::Error;
use crate::names::{Form, LockKeys};
use crate::store::{Broken, SeenHolder, Sighting};

/// A lock that somebody held when it was looked at: a plain one, a read-write lock, or a semaphore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLock(Sighting);

impl HeldLock {
    fn seen(mut sighting: Sighting) -> Self {
        sighting.holders.sort_by_key(|holder| holder.fence);
        Self(sighting)
    }

    /// The lock's name, without the prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.lock.name()
    }

    /// What the lock is.
    #[must_use]
    pub fn form(&self) -> Form {
        self.0.lock.form()
    }

    /// Who held it, by their fences: one of a plain lock, at most a thousand of others, those whose leases end first.
    #[must_use]
    pub fn holders(&self) -> &[SeenHolder] {
        &self.0.holders
    }

    /// How many held it.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.count
    }

    /// The last fence that was given. `None` if none is known.
    #[must_use]
    pub fn fence(&self) -> Option<u64> {
        self.0.fence
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
    /// They are looked at one after the other while they change, in bounded batches on every node. A plain lock that only other
    /// programs have taken within the last day is not found; [`Locks::look`] finds it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn held_locks(&self) -> Result<Vec<HeldLock>, Error> {
        let mut held: Vec<_> = self.shared.lines.store().sightings(&self.prefix).await?.into_iter().map(HeldLock::seen).collect();
        held.sort_unstable_by(|one, other| (one.name(), one.form()).cmp(&(other.name(), other.form())));
        Ok(held)
    }

    /// What is held under this name, by ours or another program: none, or any of a plain lock, a read-write lock and a semaphore.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Limit`] for a name that no lock can have, or whose key holds something that is no lock;
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn look(&self, name: &str) -> Result<Vec<HeldLock>, Error> {
        let looks = Form::ALL.map(|form| self.look_at(name, form));
        Ok(try_join_all(looks).await?.into_iter().flatten().collect())
    }

    /// The same for one of them.
    ///
    /// # Errors
    /// As of [`Locks::look`].
    pub async fn look_at(&self, name: &str, form: Form) -> Result<Option<HeldLock>, Error> {
        let keys = LockKeys::whole(&self.prefix, name, form)?;
        Ok(self.shared.lines.store().sight(&keys).await?.map(HeldLock::seen))
    }

    /// Takes a lock away from a holder that was seen, and gives it to who waits. If only others hold it since, nothing is done. Those
    /// who hold it beside that holder, as readers do, go on.
    ///
    /// The holder's guard learns of it when its lease is renewed or it asks the store, and until then goes on. What keeps it out
    /// meanwhile is the fence: it has risen, so whatever the lock protects refuses the holder as soon as it has seen the new one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached; then the lock may or may not be broken.
    pub async fn break_lock(&self, seen: &HeldLock, holder: &SeenHolder) -> Result<Broken, Error> {
        let HeldLock(Sighting { lock, .. }) = seen;
        let fingerprint = &holder.fingerprint;
        let broken = self.shared.lines.store().break_lock(lock, fingerprint).await?;
        if let Broken::Yes { fence, handed_on } = broken {
            let label = holder.label.as_ref().map(crate::names::Holder::as_str);
            tracing::warn!(lock = lock.name(), kind = %lock.form(), holder = label, %fingerprint, fence, handed_on, "broken");
            metrics::broken();
        }
        Ok(broken)
    }
}
