//! A held lock.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};

use crate::bindings::guest::bellwether::core::lock as wit;
use crate::error::{Error, Result};
use crate::time::millis;

/// A held lock. Dropping it releases the lock in the background.
#[derive(Debug)]
#[must_use = "dropping a guard releases its lock"]
pub struct Guard {
    pub(super) inner: wit::Guard,
}

impl Guard {
    /// A number strictly larger than that of every earlier holder of this lock. Send it along with what the lock protects, and
    /// let the receiver refuse smaller ones.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.inner.fence()
    }

    /// Adds to the time that is left. Does nothing for a lock without a lease.
    ///
    /// # Errors
    /// [`Error::NotHeld`], [`Error::Invalid`] for a time under 1 ms, [`Error::Unavailable`].
    pub async fn extend(&self, by: Duration) -> Result<()> {
        Ok(self.inner.extend(millis(by)).await?)
    }

    /// Resets the time that is left to a full lease.
    ///
    /// # Errors
    /// [`Error::NotHeld`], [`Error::Unavailable`].
    pub async fn renew(&self) -> Result<()> {
        Ok(self.inner.renew().await?)
    }

    /// The time that is left by the store's clock; `None` for a lock without a lease.
    ///
    /// # Errors
    /// [`Error::NotHeld`], [`Error::Unavailable`].
    pub async fn remaining(&self) -> Result<Option<Duration>> {
        Ok(self.inner.remaining().await?.map(Duration::from_millis))
    }

    /// Asks the store whether this guard still holds the lock.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn held(&self) -> Result<bool> {
        Ok(self.inner.held().await?)
    }

    /// Returns when the lock is known to be lost: its lease ended, or the store said that somebody else broke or took it, which is
    /// noticed when the lease is renewed or the store is asked otherwise.
    pub async fn lost(&self) {
        self.inner.lost().await;
    }

    /// Does what the lock protects, and drops it unfinished as soon as the lock is known to be lost.
    ///
    /// # Errors
    /// [`Error::NotHeld`] when the lock was lost first.
    pub async fn while_held<F: Future>(&self, work: F) -> Result<F::Output> {
        while_not_lost(work, self.lost()).await
    }

    /// Releases the lock, now.
    ///
    /// # Errors
    /// [`Error::NotHeld`] if it was lost before, [`Error::Unavailable`].
    pub async fn release(self) -> Result<()> {
        Ok(self.inner.release().await?)
    }

    /// Lets go of the guard without releasing the lock; the token's next owner calls [`Lock::adopt`](super::Lock::adopt). A lease is no longer
    /// renewed from here on.
    ///
    /// # Errors
    /// [`Error::NotHeld`] if it was lost before, [`Error::Unavailable`]; the lock is then released in the background.
    pub async fn hand_over(self) -> Result<Token> {
        Ok(Token(self.inner.hand_over().await?))
    }
}

/// The outcome of the work, unless the lock is lost first.
pub(super) async fn while_not_lost<F: Future>(work: F, lost: impl Future<Output = ()>) -> Result<F::Output> {
    let (work, lost) = (pin!(work), pin!(lost));
    match select(work, lost).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(((), _)) => Err(Error::NotHeld),
    }
}

/// Proof of a held lock, to hand it to another guest or process. All that it is good for is [`crate::Lock::adopt`]:
/// whoever adopts first has the lock, and the token is worth nothing more.
///
/// Its `Debug` form does not show it, so that it stays out of logs.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(String);

impl Token {
    /// The token as text, to pass it on.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_stays_out_of_logs_but_can_be_passed_on() {
        let token = Token::from("6fd1".to_owned());
        assert_eq!(format!("{token:?}"), "Token(..)");
        let passed_on = crate::cbor::encode(&token).and_then(|bytes| crate::cbor::decode::<Token>(&bytes));
        assert_eq!(passed_on, Ok(token));
    }
}
