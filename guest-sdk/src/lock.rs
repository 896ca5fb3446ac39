//! Locks that exclude each other across processes, machines and languages.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use serde::{Deserialize, Serialize};

use crate::bindings::guest::bellwether::core::lock as wit;
use crate::error::{Error, Result};
use crate::time::millis;

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
        match self.take(wit::Wait::Forever).await? {
            Some(guard) => Ok(guard),
            None => Err(Error::Unavailable(format!("the host gave up waiting for the lock {:?}: try again", self.name))),
        }
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
        Ok(Guard { inner: self.inner.adopt(token.0.clone()).await? })
    }

    async fn take(&self, wait: wit::Wait) -> Result<Option<Guard>> {
        Ok(self.inner.acquire(wait).await?.map(|inner| Guard { inner }))
    }
}

/// A held lock. Dropping it releases the lock in the background.
#[derive(Debug)]
#[must_use = "dropping a guard releases its lock"]
pub struct Guard {
    inner: wit::Guard,
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
        let (work, lost) = (pin!(work), pin!(self.lost()));
        match select(work, lost).await {
            Either::Left((output, _)) => Ok(output),
            Either::Right(((), _)) => Err(Error::NotHeld),
        }
    }

    /// Releases the lock, now.
    ///
    /// # Errors
    /// [`Error::NotHeld`] if it was lost before, [`Error::Unavailable`].
    pub async fn release(self) -> Result<()> {
        Ok(self.inner.release().await?)
    }

    /// Lets go of the guard without releasing the lock; the token's next owner calls [`Lock::adopt`]. A lease is no longer
    /// renewed from here on.
    ///
    /// # Errors
    /// [`Error::NotHeld`] if it was lost before, [`Error::Unavailable`]; the lock is then released in the background.
    pub async fn hand_over(self) -> Result<Token> {
        Ok(Token(self.inner.hand_over().await?))
    }
}

/// Proof of a held lock, to hand it to another guest or process. Whoever has it can adopt, extend and release the lock.
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

/// How a lock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// One key on one server, or on the primary that serves the key.
    #[default]
    Simple,
    /// The same, and a majority of that primary's replicas was seen to hold it too, so that it outlives a failover. Needs a lease,
    /// and a platform whose store has replicas.
    Quorum,
}

/// How a lock behaves. Every holder and waiter of one name should use the same options.
///
/// The default is a simple lock with a lease of 30 s that the host renews, and attempts at most 200 ms apart while waiting.
///
/// ```
/// # use {bellwether_guest::LockOptions, std::time::Duration};
/// let nightly = LockOptions::default().lease(Duration::from_secs(5)).retry(Duration::from_millis(50));
/// let until_released = LockOptions::default().no_lease();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "options do nothing until a lock is opened with them"]
pub struct LockOptions {
    kind: Kind,
    lease: Option<Duration>,
    renew: bool,
    fair: bool,
    retry: Duration,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self {
            kind: Kind::Simple,
            lease: Some(Duration::from_secs(30)),
            renew: true,
            fair: false,
            retry: Duration::from_millis(200),
        }
    }
}

impl LockOptions {
    /// How the lock is kept.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// How long a holder that says nothing more keeps the lock, at least 1 ms.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// The lock is kept until it is released, even by a holder that is gone; so there is nothing to renew.
    pub fn no_lease(mut self) -> Self {
        self.lease = None;
        self.renew = false;
        self
    }

    /// Whether the host extends the lease for as long as the guard lives. Needs a lease.
    pub fn renew(mut self, renew: bool) -> Self {
        self.renew = renew;
        self
    }

    /// Whether waiters are served in the order in which they came.
    pub fn fair(mut self, fair: bool) -> Self {
        self.fair = fair;
        self
    }

    /// The longest pause between two attempts while waiting, in case no wake-up arrives: at least 1 ms, and less than the lease.
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = retry;
        self
    }
}

impl From<LockOptions> for wit::Options {
    fn from(options: LockOptions) -> Self {
        let LockOptions { kind, lease, renew, fair, retry } = options;
        let kind = match kind {
            Kind::Simple => wit::Kind::Simple,
            Kind::Quorum => wit::Kind::Quorum,
        };
        Self { kind, lease: lease.map(millis), renew, fair, retry: millis(retry) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_renewed_lease_of_30_s() {
        let options = wit::Options::from(LockOptions::default());
        assert_eq!(options.kind, wit::Kind::Simple);
        assert_eq!((options.lease, options.renew, options.fair, options.retry), (Some(30_000), true, false, 200));
    }

    #[test]
    fn each_option_reaches_the_contract() {
        let options = LockOptions::default().kind(Kind::Quorum).lease(Duration::from_millis(9)).renew(false).fair(true);
        let options = wit::Options::from(options.retry(Duration::from_millis(3)));
        assert_eq!(options.kind, wit::Kind::Quorum);
        assert_eq!((options.lease, options.renew, options.fair, options.retry), (Some(9), false, true, 3));
    }

    #[test]
    fn without_a_lease_nothing_is_renewed() {
        let options = wit::Options::from(LockOptions::default().no_lease());
        assert_eq!((options.lease, options.renew), (None, false));
    }

    #[test]
    fn a_token_stays_out_of_logs_but_can_be_passed_on() {
        let token = Token::from("6fd1".to_owned());
        assert_eq!(format!("{token:?}"), "Token(..)");
        let passed_on = crate::cbor::encode(&token).and_then(|bytes| crate::cbor::decode::<Token>(&bytes));
        assert_eq!(passed_on, Ok(token));
    }
}
