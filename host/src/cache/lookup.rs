//! Single flight across all processes.

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::entries::parts;
use super::flights::{Landed, Place};
use super::herd::Sight;
use super::metrics::{Operation, Waited};
use super::{Cache, Key, Vacancy};
use crate::cbor;
use crate::clock::after;
use crate::envelope::{Claim, Envelope};
use crate::error::{Error, Invalid, Limit};
#[cfg(feature = "component")]
use crate::error::{Outage, Unavailable};
use crate::store::Bid;

/// What a lookup found.
#[derive(Debug)]
pub enum Found<T> {
    /// The value.
    Hit(T),
    /// Nothing, and it is now the caller's turn to compute the value. Everybody else waits for it, or gets the old one.
    Vacant(Vacancy),
    /// Nothing, and somebody else was still computing the value when the wait was over.
    Busy,
    /// Nothing, as the computation failed with this error, and it is too soon to try again: see [`Vacancy::fail`] and
    /// [`Vacancy::computation_failed`].
    Failed(String),
}

impl Cache {
    /// The value of an entry, or the duty to compute it: exactly one caller among all processes has it at a time. The others wait
    /// until there is a value, or until the duty is theirs as the one before died or gave up, but at most for `wait`. With herd
    /// protection, they get the old value meanwhile if there is one.
    ///
    /// # Errors
    /// As [`Cache::get`], and [`Error::Unavailable`] if this is no tokio runtime, on which what is given up is settled. A store that
    /// cannot be reached is asked again until the wait is over. [`Limit::StoreFull`] if there is no value and the store has no memory
    /// left to note who computes one: to compute it all the same is up to the caller, who may be one of many.
    pub async fn lookup<T: DeserializeOwned>(&self, key: impl Into<Key<'_>>, wait: Duration) -> Result<Found<T>, Error> {
        Ok(match self.find(&key.into(), wait).await? {
            Found::Hit(value) => Found::Hit(cbor::from_slice(&value)?),
            Found::Vacant(vacancy) => Found::Vacant(vacancy),
            Found::Busy => Found::Busy,
            Found::Failed(why) => Found::Failed(why),
        })
    }

    /// The same with the value as CBOR.
    ///
    /// # Errors
    /// As [`Cache::get_cbor`]. A store that cannot be reached is asked again until the wait is over.
    pub async fn lookup_cbor(&self, key: &str, content: Option<&[u8]>, wait: Duration) -> Result<Found<Bytes>, Error> {
        self.find(&Key::new(key, self.content(content)?), wait).await
    }

    /// The error of a lookup that can tell a failure in no other way.
    #[cfg(feature = "component")]
    pub(crate) fn no_value(&self, why: String) -> Error {
        Unavailable { store: self.0.store.address().to_owned(), why: Outage::NoValue(why) }.into()
    }

    async fn find(&self, key: &Key<'_>, wait: Duration) -> Result<Found<Bytes>, Error> {
        self.0.metrics.timed(Operation::Lookup, self.find_in(key, wait)).await
    }

    async fn find_in(&self, key: &Key<'_>, wait: Duration) -> Result<Found<Bytes>, Error> {
        if !self.has_envelope() {
            return Err(Invalid::NeedsEnvelope { what: "lookup" }.into());
        }
        let deadline = after(Instant::now(), wait);
        let key = self.key(parts(key)).await?;
        if let Some(value) = self.near().and_then(|near| near.get(&key)) {
            self.0.metrics.hit(0);
            return Ok(Found::Hit(value));
        }
        let landed = match self.first_look(&key, !wait.is_zero()).await {
            Ok(Landed::Busy) if !wait.is_zero() => self.fly(&key, deadline).await,
            Err(error) if error.is_passing() && !wait.is_zero() => self.fly(&key, deadline).await,
            landed => landed,
        };
        let landed = match landed {
            Err(Error::Limit(full @ Limit::StoreFull { .. })) => self.old_of_full(&key).await?.ok_or(full)?,
            landed => landed?,
        };
        Ok(match landed {
            Landed::Hit(bytes) if self.sight(Some(&bytes)) == Sight::Failed => {
                self.counted(None);
                let (_, text) = Envelope::open(&key, bytes)?;
                Found::Failed(String::from_utf8_lossy(&text).into_owned())
            }
            Landed::Hit(bytes) => {
                self.counted(Some(bytes.clone()));
                Found::Hit(self.0.pipeline.open(&key, bytes).await?)
            }
            Landed::Yours(tenure) => {
                self.0.metrics.claim();
                Found::Vacant(Vacancy::new(self.clone(), tenure).await?)
            }
            Landed::Busy => {
                self.counted(None);
                Found::Busy
            }
        })
    }

    /// What a plain GET finds; the store is asked who computes only where that may not be all.
    async fn first_look(&self, key: &str, waits: bool) -> Result<Landed, Error> {
        let stored = self.valid(key, self.0.store.get(key).await?).await?;
        let early = match self.sight(stored.as_deref()) {
            Sight::Fresh | Sight::Failed => return Ok(stored.map_or(Landed::Busy, Landed::Hit)),
            // Of those who wait, one asks at a time.
            Sight::Absent if waits => return Ok(Landed::Busy),
            Sight::Absent => 0,
            Sight::Due { early } => early,
        };
        let bid = Bid { early, ..self.bid(stored)? };
        Ok(self.0.flights.ask(&self.place(), key, &bid).await?.0)
    }

    /// What a store still has that is too full to note who computes.
    async fn old_of_full(&self, key: &str) -> Result<Option<Landed>, Error> {
        let stored = self.valid(key, self.0.store.get(key).await?).await?;
        Ok(match self.sight(stored.as_deref()) {
            Sight::Fresh | Sight::Failed | Sight::Due { .. } => stored.map(Landed::Hit),
            Sight::Absent => None,
        })
    }

    async fn fly(&self, key: &str, deadline: Instant) -> Result<Landed, Error> {
        let began = Instant::now();
        let landed = self.0.flights.wait(&self.place(), key, self.bid(None)?, deadline).await?;
        let how = match &landed {
            Landed::Hit(_) => Waited::Filled,
            Landed::Yours(_) => Waited::Vacant,
            Landed::Busy => Waited::Busy,
        };
        self.0.metrics.waited(began.elapsed(), how);
        Ok(landed)
    }

    fn place(&self) -> Place<'_> {
        Place { store: &self.0.store, entries: &self.0.pipeline.entries }
    }

    fn bid(&self, seen: Option<Bytes>) -> Result<Bid, Error> {
        let lease = self.0.expiry.rules.lease();
        Ok(Bid { claim: Claim::random()?, lease, cold: true, early: 0, seen })
    }
}
