//! Locks that exclude each other across processes, machines and languages.

use std::time::Duration;

use crate::bindings::guest::bellwether::core::lock as wit;
use crate::error::{Error, Result};
use crate::time::millis;

mod guard;
mod many;
mod options;
mod read_write;
mod semaphore;

pub use guard::{Guard, Token};
pub use many::{MultiGuard, MultiLock};
pub use options::{Kind, LockOptions};
pub use read_write::RwLock;
pub use semaphore::Semaphore;

/// A named lock, not (yet) held.
#[derive(Debug)]
pub struct Lock {
    inner: wit::Lock,
    name: String,
}

impl Lock {
    /// Checks the name and the options. Touches no store.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::Limit`] for a name that is too long, [`Error::Denied`].
    pub fn open(name: &str, options: LockOptions) -> Result<Self> {
        Ok(Self { inner: wit::Lock::open(name, options.into())?, name: name.to_owned() })
    }

    /// The same for a lock of a class: what the platform registered under this name to do more, as to record who holds the lock.
    /// `note` says why the lock is wanted, for the class to make use of: at most 1,024 bytes.
    ///
    /// # Errors
    /// As [`Lock::open`]; [`Error::Invalid`] for a class that there is not, [`Error::Limit`] for a note that is too long.
    pub fn open_as(class: &str, name: &str, note: Option<&str>, options: LockOptions) -> Result<Self> {
        Ok(Self { inner: wit::Lock::open_as(class, name, note, options.into())?, name: name.to_owned() })
    }

    /// The lock's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes the lock, however long that takes. A call that is dropped leaves the lock to others.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn acquire(&self) -> Result<Guard> {
        self.take(wit::Wait::Forever).await?.ok_or_else(|| gave_up("lock", &self.name))
    }

    /// Takes the lock if nobody holds it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn try_acquire(&self) -> Result<Option<Guard>> {
        self.take(wit::Wait::None).await
    }

    /// Takes the lock, waiting at most this long; `None` when somebody else still holds it then.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn acquire_within(&self, time: Duration) -> Result<Option<Guard>> {
        self.take(wit::Wait::UpTo(millis(time))).await
    }

    /// Whether anybody holds the lock at the moment.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn is_locked(&self) -> Result<bool> {
        Ok(self.inner.is_locked().await?)
    }

    /// Takes over a lock that [`Guard::hand_over`] let go of. The lease goes on as it is; the fence is a new and larger one.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when the token does not hold this lock (any more), [`Error::Invalid`] for a text that is no token,
    /// [`Error::Unavailable`].
    pub async fn adopt(&self, token: &Token) -> Result<Guard> {
        Ok(Guard { inner: self.inner.adopt(token.as_str().to_owned()).await? })
    }

    async fn take(&self, wait: wit::Wait) -> Result<Option<Guard>> {
        Ok(self.inner.acquire(wait).await?.map(|inner| Guard { inner }))
    }
}

/// What to say of a wait that has no end and ended. No host does that.
fn gave_up(what: &str, name: &str) -> Error {
    Error::Unavailable(format!("the host gave up waiting for the {what} {name:?}: try again"))
}
