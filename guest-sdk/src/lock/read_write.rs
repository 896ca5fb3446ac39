//! Locks that many may hold to read, or one to write.

use std::time::Duration;

use super::{Guard, LockOptions, gave_up};
use crate::bindings::guest::bellwether::core::lock::Wait;
use crate::bindings::guest::bellwether::core::read_write_lock as wit;
use crate::error::Result;
use crate::time::millis;

/// A named lock for readers and writers. A [`Lock`](super::Lock) of the same name has nothing to do with it.
///
/// It is always fair: a writer who waits keeps out the readers that come later, and is kept out by those that came before. So do not
/// ask to read again while you read: a writer may wait in between. Of more than 16 who wait in one host process, the others get their
/// turns among those of other processes only as these are served, unless the options say `fair`. Its guards cannot be handed over.
///
/// ```no_run
/// # use bellwether_guest::{LockOptions, RwLock};
/// # async fn example() -> bellwether_guest::Result<()> {
/// let catalogue = RwLock::open("catalogue", LockOptions::default())?;
/// let reading = catalogue.read().await?;
/// // Others can read at the same time, and nobody writes.
/// reading.release().await
/// # }
/// ```
#[derive(Debug)]
pub struct RwLock {
    inner: wit::ReadWriteLock,
    name: String,
}

impl RwLock {
    /// Checks the name and the options. Touches no store.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid), [`Error::Limit`](crate::Error::Limit) for a name that is too long,
    /// [`Error::Denied`](crate::Error::Denied).
    pub fn open(name: &str, options: LockOptions) -> Result<Self> {
        Ok(Self { inner: wit::ReadWriteLock::open(name, options.into())?, name: name.to_owned() })
    }

    /// The lock's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes the lock together with other readers, however long that takes. A call that is dropped leaves the lock to others.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn read(&self) -> Result<Guard> {
        self.take(false, Wait::Forever).await?.ok_or_else(|| gave_up("lock", &self.name))
    }

    /// Takes the lock together with other readers, if nobody writes or waits to.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn try_read(&self) -> Result<Option<Guard>> {
        self.take(false, Wait::None).await
    }

    /// Takes the lock together with other readers, waiting at most this long; `None` when it could not be had until then.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn read_within(&self, time: Duration) -> Result<Option<Guard>> {
        self.take(false, Wait::UpTo(millis(time))).await
    }

    /// Takes the lock alone, however long that takes. A call that is dropped leaves the lock to others.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn write(&self) -> Result<Guard> {
        self.take(true, Wait::Forever).await?.ok_or_else(|| gave_up("lock", &self.name))
    }

    /// Takes the lock alone, if nobody reads or writes.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn try_write(&self) -> Result<Option<Guard>> {
        self.take(true, Wait::None).await
    }

    /// Takes the lock alone, waiting at most this long; `None` when somebody else still reads or writes then.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn write_within(&self, time: Duration) -> Result<Option<Guard>> {
        self.take(true, Wait::UpTo(millis(time))).await
    }

    /// Whether anybody reads or writes at the moment.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn is_locked(&self) -> Result<bool> {
        Ok(self.inner.is_locked().await?)
    }

    async fn take(&self, alone: bool, wait: Wait) -> Result<Option<Guard>> {
        let taken = if alone { self.inner.write(wait).await } else { self.inner.read(wait).await };
        Ok(taken?.map(|inner| Guard { inner }))
    }
}
