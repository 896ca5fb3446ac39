//! A value from the cache, or computed by one caller among all processes.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error as ThisError;

use super::{Cache, Found, Key};
use crate::error::Error;

/// Why there is no value.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum ComputeError<E> {
    /// The cache could not be asked, or could not take the value.
    #[error(transparent)]
    Cache(#[from] Error),
    /// The value could not be computed.
    #[error("the value could not be computed: {0}")]
    Compute(E),
}

impl Cache {
    /// The value of an entry. If there is none, one caller among all processes computes it, and the others wait for that as long as
    /// it takes: until it has succeeded, or until its process dies, or until it fails, which lets the next one try. With herd
    /// protection, the others get the old value meanwhile if there is one.
    ///
    /// The value is given also if it could not be stored, because its entry was set or deleted while it was computed, or because the
    /// store could not be reached any more.
    ///
    /// ```
    /// # async fn example(pages: bellwether::Cache) -> Result<(), bellwether::cache::ComputeError<std::io::Error>> {
    /// let page: String = pages.get_or_try_insert_with("home", || async { std::fs::read_to_string("home.html") }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ComputeError::Compute`] with the error of this caller's own computation; [`ComputeError::Cache`] with those of
    /// [`Cache::lookup`], and of [`Cache::set`] but [`Error::Unavailable`].
    pub async fn get_or_try_insert_with<T, E, F>(
        &self,
        key: impl Into<Key<'_>>,
        compute: impl FnOnce() -> F,
    ) -> Result<T, ComputeError<E>>
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = Result<T, E>>,
    {
        let vacancy = match self.lookup(key, Duration::MAX).await? {
            Found::Hit(value) => return Ok(value),
            Found::Vacant(vacancy) => Some(vacancy),
            // Not within a century.
            Found::Busy => None,
        };
        let value = compute().await.map_err(ComputeError::Compute)?;
        if let Some(vacancy) = vacancy {
            match vacancy.fill(&value, None).await {
                Ok(_) => {}
                Err(Error::Unavailable(error)) => {
                    tracing::warn!(cache = self.name(), %error, "a value that was computed is not stored")
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(value)
    }
}
