//! Single flight across all processes.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Cache, wit};
use crate::cbor;
use crate::error::Result;
use crate::time::millis;

/// What [`Cache::lookup`] found.
#[derive(Debug)]
pub enum Found<T> {
    /// The value.
    Hit(T),
    /// Nothing, and it is now the caller's turn to compute the value. Everybody else waits for it.
    Vacant(Vacancy),
    /// Nothing, and somebody else was still computing the value when the wait was over.
    Busy,
}

/// The duty to compute one entry. Dropping it lets the next waiter compute.
#[derive(Debug)]
#[must_use = "dropping a vacancy leaves the computation to the next waiter"]
pub struct Vacancy {
    inner: wit::Vacancy,
}

impl Cache {
    /// The value of an entry, or the duty to compute it, or, after `wait`, neither.
    ///
    /// A host that does not have this yet answers with [`Error::Invalid`](crate::Error::Invalid), which says what to use instead.
    ///
    /// # Errors
    /// As [`Cache::get`].
    pub async fn lookup<T: DeserializeOwned>(&self, key: impl AsRef<str>, wait: Duration) -> Result<Found<T>> {
        Ok(match self.inner.lookup(key.as_ref().to_owned(), self.content.clone(), millis(wait)).await? {
            wit::Found::Hit(value) => Found::Hit(cbor::decode(&value)?),
            wit::Found::Vacant(inner) => Found::Vacant(Vacancy { inner }),
            wit::Found::Busy => Found::Busy,
        })
    }
}

impl Vacancy {
    /// Stores the value and wakes the waiters; with `expire`, it lives this long. False if the entry was deleted or refilled
    /// meanwhile; the value is then not stored.
    ///
    /// # Errors
    /// As [`Cache::set`].
    pub async fn fill<T: Serialize + ?Sized>(self, value: &T, expire: Option<Duration>) -> Result<bool> {
        Ok(self.inner.fill(cbor::encode(value)?, expire.map(millis)).await?)
    }
}
