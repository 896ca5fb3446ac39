//! A value from the cache, or computed by one caller among all processes.

use std::fmt::Display;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error as ThisError;

use super::{Cache, Found, Key, Vacancy};
use crate::error::{Error, Limit};

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum ComputeError<E> {
    /// The cache could not be asked, or could not take the value.
    #[error(transparent)]
    Cache(#[from] Error),
    /// The value could not be computed.
    #[error("the value could not be computed: {0}")]
    Compute(E),
    /// Somebody else could not compute the value lately, and it is too soon to try again: see
    /// [`Tuning::failures`](super::Tuning::failures).
    #[error("the value could not be computed lately: {0}")]
    Failed(String),
}

impl Cache {
    /// The value of an entry. If there is none, one caller among all processes computes it, and the others wait for that as long as
    /// it takes: until it has succeeded, or until its process dies, or until it fails, which lets the next one try. With herd
    /// protection, the others get the old value meanwhile if there is one.
    ///
    /// What becomes of a computation that fails is up to [`Tuning`](super::Tuning): where it says nothing, the next one tries at once.
    /// The value is given also if it could not be stored, because its entry was set or deleted while it was computed, or because the
    /// store could not be reached any more, or was full by then. One that is full before is an error, unless it has an old value: nobody
    /// can be told apart to compute there, so all would.
    ///
    /// ```
    /// # async fn example(pages: bellwether::Cache) -> Result<(), bellwether::cache::ComputeError<std::io::Error>> {
    /// let page: String = pages.get_or_try_insert_with("home", || async { std::fs::read_to_string("home.html") }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ComputeError::Compute`] with the error of this caller's own computation; [`ComputeError::Failed`] with that of another;
    /// [`ComputeError::Cache`] with those of [`Cache::lookup`], and of [`Cache::set`] but [`Error::Unavailable`] and
    /// [`Limit::StoreFull`].
    pub async fn get_or_try_insert_with<T, E, F>(
        &self,
        key: impl Into<Key<'_>>,
        compute: impl FnOnce() -> F,
    ) -> Result<T, ComputeError<E>>
    where
        T: Serialize + DeserializeOwned,
        E: Display,
        F: Future<Output = Result<T, E>>,
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
            (Err(error), Some(vacancy)) => return self.failed(vacancy, error).await,
            (Err(error), None) => return Err(ComputeError::Compute(error)),
        };
        match vacancy.fill(&value, None).await {
            Ok(_) => Ok(value),
            Err(error @ (Error::Unavailable(_) | Error::Limit(Limit::StoreFull { .. }))) => {
                tracing::warn!(cache = self.name(), %error, "a value that was computed is not stored");
                Ok(value)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What there is instead of a value that could not be computed.
    async fn failed<T: DeserializeOwned, E: Display>(&self, vacancy: Vacancy, error: E) -> Result<T, ComputeError<E>> {
        let instead = vacancy.computation_failed(&error.to_string()).await.unwrap_or_else(|why| {
            tracing::warn!(cache = self.name(), error = %why, "a failed computation is not noted, or the old value not read");
            None
        });
        instead.ok_or(ComputeError::Compute(error))
    }
}
