//! Read-write locks: many readers or one writer.

use super::{Guard, Lock};
use crate::clock::Wait;
use crate::error::Error;

/// A named read-write lock, not (yet) held. Clones are cheap.
///
/// Many can hold it to read, or one to write. All who wait are served in the order in which they came, over all processes: a writer
/// who waits keeps out the readers that come later, and is kept out by those that came before, so neither starves the other. Of a crowd in
/// one process, the first 16 have places in that order, and those behind them one after the other, so others do not wait for all of
/// them; with [`LockOptions::fair`](super::LockOptions::fair), each has one at once.
/// For the same reason, who holds it to read and asks to read again can wait behind a writer that waits for the first: do not.
#[derive(Debug, Clone)]
pub struct RwLock {
    pub(super) reader: Lock,
    pub(super) writer: Lock,
}

impl RwLock {
    /// The lock's name, without the prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        self.writer.name()
    }

    /// Takes the lock to read, along with other readers. `None` when `wait` is over before that was possible.
    ///
    /// It can be dropped at any await, and tries again while the store cannot be reached, as [`Lock::acquire`] does.
    ///
    /// # Errors
    /// As of [`Lock::acquire`].
    pub async fn read(&self, wait: Wait) -> Result<Option<Guard>, Error> {
        self.reader.acquire(wait).await
    }

    /// Takes the lock to write, alone. `None` when `wait` is over before that was possible.
    ///
    /// It can be dropped at any await, and tries again while the store cannot be reached, as [`Lock::acquire`] does.
    ///
    /// # Errors
    /// As of [`Lock::acquire`].
    pub async fn write(&self, wait: Wait) -> Result<Option<Guard>, Error> {
        self.writer.acquire(wait).await
    }

    /// Whether anybody holds the lock at the moment, to read or to write.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn is_locked(&self) -> Result<bool, Error> {
        self.writer.is_locked().await
    }
}
