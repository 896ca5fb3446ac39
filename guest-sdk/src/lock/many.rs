//! Several locks, all or none of them.

use std::future::Future;
use std::time::Duration;

use super::guard::while_not_lost;
use super::{LockOptions, gave_up};
use crate::bindings::guest::bellwether::core::lock::Wait;
use crate::bindings::guest::bellwether::core::multi_lock as wit;
use crate::error::Result;
use crate::time::millis;

/// Several named locks, each of which excludes a [`Lock`](super::Lock) of that name. All of them are taken, or none.
///
/// ```no_run
/// # use bellwether_guest::{LockOptions, MultiLock};
/// # async fn example() -> bellwether_guest::Result<()> {
/// let accounts = MultiLock::open(["account-{7}-from", "account-{7}-to"], LockOptions::default())?;
/// let guard = accounts.acquire().await?;
/// guard.release().await
/// # }
/// ```
#[derive(Debug)]
pub struct MultiLock {
    inner: wit::MultiLock,
    names: Vec<String>,
}

impl MultiLock {
    /// Checks the names and the options. Touches no store.
    ///
    /// The order of the names does not matter, so nobody who takes some of the same waits for ever. In a Redis Cluster all names
    /// have to be in one slot: a common part in braces puts them there.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid), [`Error::Limit`](crate::Error::Limit) for a name that is too long or too many of
    /// them, [`Error::Denied`](crate::Error::Denied).
    pub fn open<N: Into<String>>(names: impl IntoIterator<Item = N>, options: LockOptions) -> Result<Self> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        Ok(Self { inner: wit::MultiLock::open(&names, options.into())?, names })
    }

    /// The names of the locks, as they were given.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Takes all of the locks, however long that takes. A call that is dropped leaves them to others.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn acquire(&self) -> Result<MultiGuard> {
        self.take(Wait::Forever).await?.ok_or_else(|| gave_up("locks", &self.names.join(", ")))
    }

    /// Takes all of the locks if nobody holds any.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn try_acquire(&self) -> Result<Option<MultiGuard>> {
        self.take(Wait::None).await
    }

    /// Takes all of the locks, waiting at most this long; `None` when somebody else still holds one then.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn acquire_within(&self, time: Duration) -> Result<Option<MultiGuard>> {
        self.take(Wait::UpTo(millis(time))).await
    }

    async fn take(&self, wait: Wait) -> Result<Option<MultiGuard>> {
        Ok(self.inner.acquire(wait).await?.map(|inner| MultiGuard { inner }))
    }
}

/// Locks that are held together. Dropping it releases them all in the background. When one is lost, all are.
#[derive(Debug)]
#[must_use = "dropping a guard releases its locks"]
pub struct MultiGuard {
    inner: wit::MultiGuard,
}

impl MultiGuard {
    /// A number strictly larger than that of every earlier holder of any of these locks. Send it along with what they protect, and
    /// let the receiver refuse smaller ones.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.inner.fence()
    }

    /// Adds to the time that is left. Does nothing for locks without a lease.
    ///
    /// # Errors
    /// [`Error::NotHeld`](crate::Error::NotHeld), [`Error::Invalid`](crate::Error::Invalid) for a time under 1 ms,
    /// [`Error::Unavailable`](crate::Error::Unavailable).
    pub async fn extend(&self, by: Duration) -> Result<()> {
        Ok(self.inner.extend(millis(by)).await?)
    }

    /// Resets the time that is left to a full lease.
    ///
    /// # Errors
    /// [`Error::NotHeld`](crate::Error::NotHeld), [`Error::Unavailable`](crate::Error::Unavailable).
    pub async fn renew(&self) -> Result<()> {
        Ok(self.inner.renew().await?)
    }

    /// The time that is left by the store's clock, of the lock that has the least; `None` for locks without a lease.
    ///
    /// # Errors
    /// [`Error::NotHeld`](crate::Error::NotHeld), [`Error::Unavailable`](crate::Error::Unavailable).
    pub async fn remaining(&self) -> Result<Option<Duration>> {
        Ok(self.inner.remaining().await?.map(Duration::from_millis))
    }

    /// Asks the store whether this guard still holds all of the locks.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable).
    pub async fn held(&self) -> Result<bool> {
        Ok(self.inner.held().await?)
    }

    /// Returns when a lock is known to be lost, as [`Guard::lost`](super::Guard::lost) does.
    pub async fn lost(&self) {
        self.inner.lost().await;
    }

    /// Does what the locks protect, and drops it unfinished as soon as one of them is known to be lost.
    ///
    /// # Errors
    /// [`Error::NotHeld`](crate::Error::NotHeld) when a lock was lost first.
    pub async fn while_held<F: Future>(&self, work: F) -> Result<F::Output> {
        while_not_lost(work, self.lost()).await
    }

    /// Releases the locks, now.
    ///
    /// # Errors
    /// [`Error::NotHeld`](crate::Error::NotHeld) if one was lost before, [`Error::Unavailable`](crate::Error::Unavailable).
    pub async fn release(self) -> Result<()> {
        Ok(self.inner.release().await?)
    }
}
