//! Single flight across all processes.

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error as ThisError;

use super::{Cache, wit};
use crate::cbor;
use crate::error::{Error, Result};
use crate::time::millis;

/// How much of an error's text is kept, in bytes.
const MOST_TEXT: usize = 1024;

/// What [`Cache::lookup`] found.
#[derive(Debug)]
pub enum Found<T> {
    /// The value.
    Hit(T),
    /// Nothing, and it is now the caller's turn to compute the value. Everybody else waits for it.
    Vacant(Vacancy),
    /// Nothing, and somebody else was still computing the value when the wait was over.
    Busy,
    /// Nothing, as the computation failed with this error, and it is too soon to try again: see [`Vacancy::fail`] and
    /// [`Vacancy::computation_failed`].
    Failed(String),
}

/// The duty to compute one entry. Dropping it lets the next waiter compute.
#[derive(Debug)]
#[must_use = "dropping a vacancy leaves the computation to the next waiter"]
pub struct Vacancy {
    inner: wit::Vacancy,
}

impl Cache {
    /// The value of an entry, or the duty to compute it: exactly one caller among all processes has it at a time. The others wait until
    /// there is a value, or until the duty is theirs as the one before died or gave up, but at most for `wait`. With herd protection,
    /// they get the old value meanwhile if there is one.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub async fn lookup<T: DeserializeOwned>(&self, key: impl AsRef<str>, wait: Duration) -> Result<Found<T>> {
        let (key, content, wait) = (key.as_ref().to_owned(), self.content.clone(), millis(wait));
        let outcome = if self.tags.is_empty() {
            self.inner.lookup_or_failure(key, content, wait).await?
        } else {
            self.inner.lookup_tagged(key, content, wait, self.tags.to_vec()).await?
        };
        Ok(match outcome {
            wit::Outcome::Hit(value) => Found::Hit(cbor::decode(&value)?),
            wit::Outcome::Vacant(inner) => Found::Vacant(Vacancy { inner }),
            wit::Outcome::Busy => Found::Busy,
            wit::Outcome::Failed(why) => Found::Failed(why),
        })
    }
}

/// Why [`Cache::get_or_try_insert_with`] has no value.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum ComputeError<E> {
    /// The cache could not be asked, or could not take the value.
    #[error(transparent)]
    Cache(#[from] Error),
    /// The value could not be computed.
    #[error("the value could not be computed: {0}")]
    Compute(E),
    /// Somebody else could not compute the value lately, and it is too soon to try again: see [`Vacancy::computation_failed`].
    #[error("the value could not be computed lately: {0}")]
    Failed(String),
}

impl Cache {
    /// The value of an entry. If there is none, one caller among all processes computes it, and the others wait for that as long as
    /// it takes: until it has succeeded, or until its process dies, or until it fails, which lets the next one try. With herd
    /// protection, the others get the old value meanwhile if there is one.
    ///
    /// What becomes of a computation that fails is up to [`Cache::with_failures`], and without that to the platform, as by
    /// [`Vacancy::computation_failed`]: where it has decided nothing, the next one tries at once.
    ///
    /// The value is given also if it could not be stored, because its entry was set or deleted while it was computed, or because the
    /// store could not be reached any more.
    ///
    /// ```
    /// # use bellwether_guest::{Cache, ComputeError};
    /// # async fn example(pages: Cache) -> Result<(), ComputeError<std::io::Error>> {
    /// let page: String = pages.get_or_try_insert_with("home", async || std::fs::read_to_string("home.html")).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ComputeError::Compute`] with the error of this caller's own computation; [`ComputeError::Failed`] with that of another;
    /// [`ComputeError::Cache`] with those of [`Cache::lookup`], and of [`Cache::set`] but [`Error::Unavailable`].
    pub async fn get_or_try_insert_with<T, E>(
        &self,
        key: impl AsRef<str>,
        compute: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<T, ComputeError<E>>
    where
        T: Serialize + DeserializeOwned,
        E: Display,
    {
        let vacancy = match self.lookup(key, Duration::MAX).await? {
            Found::Hit(value) => return Ok(value),
            Found::Vacant(vacancy) => Some(vacancy),
            // Not within a century.
            Found::Busy => None,
            Found::Failed(why) => return Err(ComputeError::Failed(why)),
        };
        let (value, vacancy) = match (compute().await, vacancy) {
            (Ok(value), Some(vacancy)) => (value, vacancy),
            (Ok(value), None) => return Ok(value),
            (Err(error), vacancy) => return self.instead(vacancy, error).await,
        };
        match vacancy.fill(&value, None).await {
            Ok(_) | Err(Error::Unavailable(_)) => Ok(value),
            Err(error) => Err(error.into()),
        }
    }

    /// What there is instead of a value that could not be computed.
    async fn instead<T: DeserializeOwned, E: Display>(&self, vacancy: Option<Vacancy>, error: E) -> Result<T, ComputeError<E>> {
        let Some(vacancy) = vacancy else { return Err(ComputeError::Compute(error)) };
        let why = error.to_string();
        // A text that is too long for a call would be refused as a whole.
        let why = why.get(..why.floor_char_boundary(MOST_TEXT)).unwrap_or_default();
        let old = match self.failures {
            Some(expire) => vacancy.fail(why, expire).await.map(|_| None),
            None => vacancy.computation_failed(why).await,
        };
        // The error of the computation says more than why there is nothing else.
        old.unwrap_or_default().ok_or(ComputeError::Compute(error))
    }
}

impl Vacancy {
    /// Stores the value and wakes the waiters; with `expire`, it lives this long. False if the entry was deleted or refilled
    /// meanwhile, or if a tag was invalidated that it is stored with ([`Cache::with_tags`]), or that the old value had; the value is
    /// then not stored.
    ///
    /// # Errors
    /// As [`Cache::set`].
    pub async fn fill<T: Serialize + ?Sized>(self, value: &T, expire: Option<Duration>) -> Result<bool> {
        Ok(self.inner.fill(cbor::encode(value)?, expire.map(millis)).await?)
    }

    /// The same with these tags, which the value turned out to have, besides those of the cache. Tags that are known before the
    /// computation are better given to the cache: see `docs/caches.md`.
    ///
    /// # Errors
    /// As [`Cache::set`].
    pub async fn fill_tagged<T: Serialize + ?Sized>(
        self,
        value: &T,
        expire: Option<Duration>,
        tags: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<bool> {
        let tags = tags.into_iter().map(Into::into).collect();
        Ok(self.inner.fill_tagged(cbor::encode(value)?, expire.map(millis), tags).await?)
    }

    /// Says that the value cannot be computed, and why, so that nobody tries again for so long, at least 1 ms. Lookups are told the text
    /// meanwhile, of which at most 1 KiB is kept, and other reads find nothing; or if there is an old value that may still be served,
    /// they get that, and when it ends sooner, the next one tries then. False if the entry was deleted or refilled meanwhile.
    ///
    /// # Errors
    /// As [`Cache::set`].
    pub async fn fail(self, why: &str, expire: Duration) -> Result<bool> {
        Ok(self.inner.fail(why.to_owned(), millis(expire)).await?)
    }

    /// Says that the computation failed, and why, and leaves it to the platform what becomes of that: nobody tries again for as long as
    /// it has decided for failures, as after [`Vacancy::fail`]; where it has decided nothing, the next one tries at once.
    ///
    /// Where the platform gives old values in place of errors, this gives what the entry still has: the old value, if it may still be
    /// served, or a new one that was set meanwhile.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::Limit`]: the failure may then not be noted, and the next one tries at once. Those of
    /// [`Cache::get`] if the value cannot be read.
    pub async fn computation_failed<T: DeserializeOwned>(self, why: &str) -> Result<Option<T>> {
        let value = wit::Vacancy::computation_failed(self.inner, why.to_owned()).await?;
        value.as_deref().map(cbor::decode).transpose()
    }
}
