//! Locks that so many may hold at once.

use std::time::Duration;

use super::{Guard, LockOptions, gave_up};
use crate::bindings::guest::bellwether::core::lock::Wait;
use crate::bindings::guest::bellwether::core::semaphore as wit;
use crate::error::Result;
use crate::time::millis;

/// A named semaphore: so many may hold it at once, wherever they run. A [`Lock`](super::Lock) of the same name has
/// nothing to do with it.
///
/// It is always fair. Each permit has a lease of its own, so that of a holder that died comes back by itself. Of more than 16 who wait in
/// one host process, the others get their turns among those of other processes only as these are served, unless the options say `fair`.
/// Its guards cannot be handed over.
///
/// ```no_run
/// # use bellwether_guest::{LockOptions, Semaphore};
/// # async fn example() -> bellwether_guest::Result<()> {
/// let downloads = Semaphore::open("downloads", 3, LockOptions::default())?;
/// let permit = downloads.acquire().await?;
/// // At most two others download at the same time.
/// permit.release().await
/// # }
/// ```
#[derive(Debug)]
pub struct Semaphore {
    inner: wit::Semaphore,
    name: String,
}

impl Semaphore {
    /// Checks the name, the number of permits, of which there is at least one, and the options. Touches no store. Every user of a
    /// name should say the same number.
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid), [`Error::Limit`](crate::Error::Limit) for a name that is too long,
    /// [`Error::Denied`](crate::Error::Denied).
    pub fn open(name: &str, permits: u32, options: LockOptions) -> Result<Self> {
        Ok(Self { inner: wit::Semaphore::open(name, permits, options.into())?, name: name.to_owned() })
    }

    /// The semaphore's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a permit, however long that takes. A call that is dropped leaves the permit to others.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn acquire(&self) -> Result<Guard> {
        self.take(Wait::Forever).await?.ok_or_else(|| gave_up("semaphore", &self.name))
    }

    /// Takes a permit if there is one.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn try_acquire(&self) -> Result<Option<Guard>> {
        self.take(Wait::None).await
    }

    /// Takes a permit, waiting at most this long; `None` when all are still taken then.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn acquire_within(&self, time: Duration) -> Result<Option<Guard>> {
        self.take(Wait::UpTo(millis(time))).await
    }

    /// How many permits are not out at the moment. Others may wait for them already.
    ///
    /// # Errors
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store cannot be reached.
    pub async fn available(&self) -> Result<u32> {
        Ok(self.inner.available().await?)
    }

    async fn take(&self, wait: Wait) -> Result<Option<Guard>> {
        Ok(self.inner.acquire(wait).await?.map(|inner| Guard { inner }))
    }
}
