//! Semaphores: so many holders at once, and no more.

use std::num::NonZeroU32;

use super::{Guard, Lock};
use crate::clock::Wait;
use crate::error::Error;

/// A named counting semaphore. Clones are cheap.
///
/// Each permit has a lease of its own, so those of a holder that died come back by themselves. All who wait are served in the order
/// in which they came, over all processes. Of a crowd in one process, the first 16 have places in that order, and those behind them one
/// after the other, so others do not wait for all of them; with [`LockOptions::fair`](super::LockOptions::fair), each has one at once.
#[derive(Debug, Clone)]
pub struct Semaphore {
    pub(super) permits: NonZeroU32,
    pub(super) lock: Lock,
}

impl Semaphore {
    /// The semaphore's name, without the prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        self.lock.name()
    }

    /// How many permits there are, as this one was opened.
    #[must_use]
    pub fn permits(&self) -> u32 {
        self.permits.get()
    }

    /// Takes one permit. `None` when `wait` is over and all are still out.
    ///
    /// It gets one when fewer are out than this semaphore was opened with. The store keeps no number: where others opened it with
    /// another one, each goes by its own, and who waits for the smaller one is not passed by those behind it.
    ///
    /// It can be dropped at any await, and tries again while the store cannot be reached, as [`Lock::acquire`] does.
    ///
    /// # Errors
    /// As of [`Lock::acquire`].
    pub async fn acquire(&self, wait: Wait) -> Result<Option<Guard>, Error> {
        self.lock.acquire(wait).await
    }

    /// How many permits are not out at the moment. Others may wait for them already.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn available(&self) -> Result<u32, Error> {
        let holders = self.lock.shared.lines.store().holders(&self.lock.keys).await?;
        Ok(self.permits.get().saturating_sub(u32::try_from(holders).unwrap_or(u32::MAX)))
    }
}
