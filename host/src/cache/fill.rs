//! What becomes of a vacancy whose value was computed.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

#[cfg(doc)]
use super::Cache;
use super::Vacancy;
use super::entries::Inner;
use super::metrics::Operation;
use super::work::Work;
use crate::cbor;
use crate::clock::millis;
use crate::error::Error;
use crate::names::check_tags;
use crate::store::Replaces;

impl Vacancy {
    /// Stores the value, to live for `expire` (`None`: for as long as the cache says), and wakes all who wait for it. False if the
    /// entry was deleted or set meanwhile, if one of its tags was invalidated meanwhile, those of the old value among them, or if the
    /// store lost it; the value is then not stored.
    ///
    /// # Errors
    /// Those of [`Cache::set`]. Whether it was stored is not known after [`Error::Unavailable`]; otherwise it was not.
    pub async fn fill<T: Serialize + ?Sized>(self, value: &T, expire: Option<Duration>) -> Result<bool, Error> {
        self.fill_cbor(cbor::to_vec(value)?.into(), expire).await
    }

    /// The same with a value of CBOR. After an error it can be tried again; once there was an answer, it is false.
    ///
    /// # Errors
    /// As [`Vacancy::fill`].
    pub async fn fill_cbor(&self, value: Bytes, expire: Option<Duration>) -> Result<bool, Error> {
        self.fill_as(value, expire, &self.cache.1).await
    }

    /// The same as [`Vacancy::fill`] with these tags, which the value turned out to have, besides those of the cache that the lookup was
    /// made on ([`Cache::with_tags`]).
    ///
    /// Whether one of these was invalidated while the value was computed is told by the time, on the clock of the server that has the
    /// tag; one that is set forward meanwhile can hide it, and so can a store that evicts what is fresh. Tags that are known before are
    /// better told before: by their generations, nothing of that can happen. A computation of over an hour is not stored.
    ///
    /// # Errors
    /// Those of [`Vacancy::fill`], and of [`Cache::with_tags`] for tags that cannot be.
    pub async fn fill_tagged<T: Serialize + ?Sized, S: AsRef<str>>(
        self,
        value: &T,
        expire: Option<Duration>,
        tags: impl IntoIterator<Item = S>,
    ) -> Result<bool, Error> {
        self.fill_tagged_cbor(cbor::to_vec(value)?.into(), expire, tags).await
    }

    /// The same with a value of CBOR. After an error it can be tried again; once there was an answer, it is false.
    ///
    /// # Errors
    /// As [`Vacancy::fill_tagged`].
    pub async fn fill_tagged_cbor<S: AsRef<str>>(
        &self,
        value: Bytes,
        expire: Option<Duration>,
        tags: impl IntoIterator<Item = S>,
    ) -> Result<bool, Error> {
        let given = tags.into_iter().map(|tag| tag.as_ref().to_owned());
        let tags = check_tags(self.cache.1.iter().cloned().chain(given))?;
        self.fill_as(value, expire, &tags).await
    }

    async fn fill_as(&self, value: Bytes, expire: Option<Duration>, tags: &[String]) -> Result<bool, Error> {
        let abandoned = &self.tenure.abandoned;
        if self.is_settled() {
            return Ok(false);
        }
        let life = self.cache.0.expiry.of(expire)?;
        let Some(tags) = self.cache.generations(tags, life.kept, &self.premises).await? else {
            // Whoever is next computes it from what there is now.
            self.cache.0.store.abandon(abandoned.abandoning(None)).await?;
            self.cache.0.metrics.filled(false);
            self.settle();
            return Ok(false);
        };
        let took = u32::try_from(millis(abandoned.since.elapsed())).unwrap_or(u32::MAX);
        let work = Work { replaces: Replaces::Claimed(abandoned.claim), took, tags };
        let filling = self.cache.sealed(abandoned.key.clone(), value, life, work).await?;
        let _forgetting = self.cache.forgetting(std::iter::once(abandoned.key.as_str()));
        let bytes = filling.entry.bytes.len();
        let Inner { store, metrics, .. } = &*self.cache.0;
        let fill = async { store.fill(&[filling]).await.pop().unwrap_or(Ok(false)) };
        let filled = metrics.timed(Operation::Fill, fill).await?;
        metrics.filled(filled);
        if filled {
            metrics.written(1, bytes);
        }
        self.settle();
        Ok(filled)
    }
}
