//! What becomes of a vacancy whose value could not be computed.

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::Vacancy;
#[cfg(doc)]
use super::{Cache, Tuning};
use crate::cbor;
use crate::clock::Span;
use crate::envelope::{Envelope, Holds, has_no_value};
use crate::error::Error;
use crate::store::{Entry, Filling, Replaces};

/// How much of an error's text is kept, in bytes.
const MOST_TEXT: usize = 1024;

impl Vacancy {
    /// Says that the computation failed, and why, and leaves it to [`Tuning`] what becomes of that, as
    /// [`Cache::get_or_try_insert_with`] does: nobody tries again for as long as it says, as after [`Vacancy::fail`]; where it says
    /// nothing, the next one tries at once.
    ///
    /// Gives the value that the entry still has where that is to be given in place of the error: the old one, or, if the entry was set
    /// meanwhile, that one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Limit`] as by [`Vacancy::fail`]: the failure may then not be noted, and the next one tries at
    /// once. Those of [`Cache::get`] if the value cannot be read.
    pub async fn computation_failed<T: DeserializeOwned>(self, why: &str) -> Result<Option<T>, Error> {
        let value = self.computation_failed_cbor(why).await?;
        Ok(value.map(|value| cbor::from_slice(&value)).transpose()?)
    }

    /// The same with the value as CBOR. After an error it can be tried again; once there was an answer, there is no value. Where nothing
    /// was noted, the next one tries when the vacancy is dropped.
    ///
    /// # Errors
    /// As [`Vacancy::computation_failed`].
    pub async fn computation_failed_cbor(&self, why: &str) -> Result<Option<Bytes>, Error> {
        let rules = &self.cache.0.expiry.rules;
        if rules.rest().is_none() || self.is_settled() {
            return Ok(None);
        }
        let old = match self.old().await {
            Ok(old) => old,
            // Whoever reads the old value next asks for its tags, too.
            Err(error) => {
                if let Some(rest) = rules.rest()
                    && let Err(unnoted) = self.note(why, rest, true).await
                {
                    tracing::warn!(cache = self.cache.name(), error = %unnoted, "a failed computation is not noted");
                }
                return Err(error);
            }
        };
        let Some(rest) = (if old.is_some() { rules.rest() } else { rules.failures() }) else { return Ok(None) };
        let noted = self.note(why, rest, old.is_some()).await;
        if !rules.forgives() {
            return noted.map(|_| None);
        }
        let stored = match (noted, old) {
            (Ok(false), _) => self.current().await?,
            (Ok(true), old) => old.map(|(_, stored)| stored.clone()),
            (Err(error), Some((key, stored))) => {
                tracing::warn!(key, %error, "a failed computation is not noted");
                Some(stored.clone())
            }
            (Err(error), None) => return Err(error),
        };
        match stored {
            Some(stored) => self.cache.0.pipeline.open(&self.tenure.abandoned.key, stored).await.map(Some),
            None => Ok(None),
        }
    }

    /// Says that the value cannot be computed, and why, so that nobody tries again for so long. Lookups are told the text meanwhile,
    /// of which at most 1 KiB is kept, and other reads find nothing; or if there is an old value that may still be served, they get
    /// that. An old value that was invalidated by a tag may not. False if the entry was deleted or set meanwhile.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a time of under 1 ms, [`Error::Unavailable`], [`Error::Limit`] if the store is full.
    pub async fn fail(&self, why: &str, expire: Duration) -> Result<bool, Error> {
        let rest = Span::new("expire", expire)?;
        if self.is_settled() {
            return Ok(false);
        }
        let serves = self.old().await?.is_some();
        self.note(why, rest, serves).await
    }

    /// Has nobody try again for so long: an old value is served meanwhile, or the text stands for it.
    async fn note(&self, why: &str, rest: Span, serves: bool) -> Result<bool, Error> {
        let (store, abandoned) = (&self.cache.0.store, &self.tenure.abandoned);
        let noted = if serves {
            store.abandon(abandoned.abandoning(Some(rest))).await?
        } else {
            let why = why.get(..why.floor_char_boundary(MOST_TEXT)).unwrap_or_default();
            let envelope = Envelope { holds: Holds::Failure, created: store.now(), ..Envelope::default() };
            let entry = Entry { key: abandoned.key.clone(), bytes: envelope.seal(why.as_bytes())? };
            let filling = Filling { entry, replaces: Replaces::Claimed(abandoned.claim), due: None, kept: Some(rest) };
            store.fill(&[filling]).await.pop().unwrap_or(Ok(false))?
        };
        self.settle();
        Ok(noted)
    }

    /// What others are given now, whose claim or value has taken the place of this one.
    async fn current(&self) -> Result<Option<Bytes>, Error> {
        let key = &self.tenure.abandoned.key;
        let stored = self.cache.0.store.get(key).await?.filter(|stored| !has_no_value(stored));
        self.cache.valid(key, stored).await
    }
}
