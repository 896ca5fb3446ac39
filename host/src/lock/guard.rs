//! A held lock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument;

use super::background::let_go;
use super::held::Held;
use crate::clock::Span;
use crate::error::{Error, Invalid, LossReason};
use crate::store::{Holding, Released, not_adoptable};

/// A held lock. Dropping it releases the lock in the background, on the runtime where it was acquired; if that is gone by then,
/// the lease is what ends it.
///
/// Its methods can be called from many tasks at once. Once the lock is known to be lost, it stays lost.
#[derive(Debug)]
#[must_use = "the lock is released when its guard is dropped"]
pub struct Guard {
    pub(super) held: Arc<Held>,
}

impl Guard {
    pub(super) fn new(held: Arc<Held>) -> Self {
        Self { held }
    }

    /// A number strictly larger than that of every earlier holder of this lock. Send it along with what the lock protects, and
    /// let the receiver refuse smaller ones.
    ///
    /// Where a lock has many holders, whoever came later has the larger number. A reader's is larger than that of the last writer
    /// before it, and smaller than that of the next one, so a receiver that remembers the largest of any writer tells what a late
    /// reader sends from what is valid. Those of permits tell in which order they were given, and not who still has one.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.held.fence
    }

    /// The lock's name, without the prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        self.held.lock.name()
    }

    /// Adds `by`, at least 1 ms, to the time that is left. A lock without a lease needs none, and none is added.
    ///
    /// # Errors
    /// [`Error::NotHeld`] if the lock was lost; [`Error::Unavailable`] if the store cannot be reached, and then the time may or
    /// may not have been added, which is so too if too few replicas hear of it for a lock of kind quorum; [`Error::Invalid`] if
    /// `by` is under 1 ms or over 100 years.
    pub async fn extend(&self, by: Duration) -> Result<(), Error> {
        let by = Span::new("extension", by)?;
        // What is added to a lock that was only granted would be lost when that is confirmed.
        self.confirm().await?;
        if self.held.lease()?.ends().is_none() {
            return Ok(());
        }
        let (sent, route) = (Instant::now(), self.held.route());
        let holding = self.held.shared.lines.store().extend(&self.held.lock, &self.held.token, by).await?;
        let holding = self.held.vouched(holding, sent, route).await?;
        self.held.hear(holding, sent)
    }

    /// Resets the time that is left to a full lease. A lock without a lease stays as it is.
    ///
    /// # Errors
    /// [`Error::NotHeld`] if the lock was lost; [`Error::Unavailable`] if the store cannot be reached; [`Error::Invalid`] for a
    /// lock that has a lease since somebody else acquired it with one, and was adopted with options that have none.
    pub async fn renew(&self) -> Result<(), Error> {
        let held = &self.held;
        let lease = held.lease()?;
        let Some(length) = lease.length() else {
            if !lease.is_confirmed() {
                return self.reset(None).await;
            }
            return if lease.ends().is_none() { Ok(()) } else { Err(Invalid::RenewWithoutLease.into()) };
        };
        self.reset(Some(length)).await
    }

    /// The time that is left by the store's clock; `None` for a lock without a lease.
    ///
    /// # Errors
    /// [`Error::NotHeld`] if the lock was lost, [`Error::Unavailable`] if the store cannot be reached.
    pub async fn remaining(&self) -> Result<Option<Duration>, Error> {
        Ok(match self.ask().await? {
            Holding::Left(left) => Some(left),
            Holding::Unlimited | Holding::No => None,
        })
    }

    /// Asks the store whether this guard still holds the lock.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn held(&self) -> Result<bool, Error> {
        match self.ask().await {
            Ok(_) => Ok(true),
            Err(Error::NotHeld(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until the lock is known to be lost: its lease ended by the local monotonic clock, or the store said that it has the
    /// token no more. Returns at once after [`Guard::release`] and [`Guard::hand_over`].
    ///
    /// A loss by other causes than time is noticed when the lease is renewed or the store is asked otherwise.
    pub async fn lost(&self) -> LossReason {
        self.held.lost().await
    }

    /// Lets go of the lock, now. If that fails because the store cannot be reached, or if this is dropped at its await, it goes
    /// on in the background.
    ///
    /// # Errors
    /// [`Error::NotHeld`] if the lock was lost or let go before; [`Error::Unavailable`] if the store cannot be reached.
    pub async fn release(&self) -> Result<(), Error> {
        let held = &self.held;
        held.give_up(LossReason::Released)?;
        let _unless_settled = Surrender { held };
        let span = tracing::debug_span!(parent: &held.span, "release", lock = self.name(), fence = self.fence());
        match let_go(&held.shared.lines, &held.lock, &held.token, None).instrument(span).await? {
            Released::Now | Released::Passed { .. } | Released::Before => {
                held.was_released();
                Ok(())
            }
            Released::NotHeld => Err(held.was_gone()),
        }
    }

    /// Lets go of the guard without releasing the lock, and returns the token with which [`super::Lock::adopt`] takes it over.
    /// The lease runs on and is no longer renewed.
    ///
    /// # Errors
    /// [`Error::Invalid`] for the guard of a read-write lock or of a permit, which cannot be handed over;
    /// [`Error::NotHeld`] if the lock was lost or let go before; [`Error::Unavailable`] if it was granted a moment ago and the store
    /// cannot be reached to confirm that.
    pub async fn hand_over(&self) -> Result<String, Error> {
        not_adoptable(&self.held.lock)?;
        self.confirm().await?;
        self.held.give_up(LossReason::HandedOver)?;
        Ok(self.held.token.as_str().to_owned())
    }

    /// Makes a full lease of one that was only granted.
    async fn confirm(&self) -> Result<(), Error> {
        let lease = self.held.lease()?;
        if lease.is_confirmed() { Ok(()) } else { self.reset(lease.length()).await }
    }

    async fn reset(&self, lease: Option<Span>) -> Result<(), Error> {
        let held = &self.held;
        let renewal = held.renewal(lease);
        let (sent, route) = (Instant::now(), held.route());
        let mut unsure = Unsure { held, sent, known: false };
        let Some(answer) = held.shared.lines.store().renew(std::slice::from_ref(&renewal)).await.pop() else { return Ok(()) };
        let holding = held.vouched(answer?, sent, route).await?;
        unsure.known = true;
        held.renewed(holding, sent)
    }

    async fn ask(&self) -> Result<Holding, Error> {
        self.confirm().await?;
        let sent = Instant::now();
        let holding = self.held.shared.lines.store().holding(&self.held.lock, &self.held.token).await?;
        let holding = self.held.cautious(holding, sent)?;
        self.held.hear(holding, sent)?;
        Ok(holding)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // What was lost or let go before needs no second farewell.
        let _ = self.held.give_up(LossReason::Released);
        self.held.surrender();
    }
}

/// Leaves a release to the background when it is dropped, unless it was settled.
struct Surrender<'a> {
    held: &'a Held,
}

impl Drop for Surrender<'_> {
    fn drop(&mut self) {
        self.held.surrender();
    }
}

/// A renewal under way. Dropped before the answer is there and believed, it counts for what it may have done.
struct Unsure<'a> {
    held: &'a Arc<Held>,
    sent: Instant,
    known: bool,
}

impl Drop for Unsure<'_> {
    fn drop(&mut self) {
        if !self.known {
            self.held.may_have_renewed(self.sent);
        }
    }
}
