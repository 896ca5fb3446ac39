//! Values of the caller's own types.

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::entries::parts;
use super::{Cache, Key};
use crate::cbor;
use crate::error::{Error, Invalid};

impl Cache {
    /// The value of an entry; `None` if there is none. A null is a value: ask for an `Option` to tell it from no entry.
    ///
    /// With herd protection, it also finds nothing where an old value is to be computed anew, and the caller is to do that and to
    /// [`Cache::set`] it. A handle and its clones are one caller there: tasks that share one answer for each other. They had better use
    /// [`Cache::lookup`] or [`Cache::get_or_try_insert_with`], by which each has a vacancy of its own.
    ///
    /// # Errors
    /// [`Invalid::Type`] if the value is not a `T`, and those of [`Cache::get_cbor`].
    pub async fn get<T: DeserializeOwned>(&self, key: impl Into<Key<'_>>) -> Result<Option<T>, Error> {
        let value = self.read(&key.into()).await?;
        Ok(value.map(|value| cbor::from_slice(&value)).transpose()?)
    }

    /// The values of many entries, in the order of the keys.
    ///
    /// # Errors
    /// [`crate::error::Limit::Count`] for too many keys, [`crate::error::Limit::Size`] for more than
    /// [`super::CacheLimits::batch_bytes`] of values, and those of [`Cache::get`]; one entry that cannot be read fails the call.
    pub async fn get_many<'k, T: DeserializeOwned, K: Into<Key<'k>>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<T>>, Error> {
        let keys = self.collect(keys.into_iter().map(Into::into))?;
        self.read_many(keys.iter().map(parts), |value| Ok(cbor::from_slice(&value)?)).await
    }

    /// Stores a value, to live for `expire`; `None`: for as long as the cache says.
    ///
    /// With herd protection, the next set after a [`Cache::get`] that was to compute the value is the answer to it, however late: it does
    /// not replace what somebody else has set since, and is left out if a tag of the old value was invalidated since. An entry that was
    /// deleted meanwhile, also by this handle, stays so, unless the answer comes after the times of [`Herd`](super::Herd). The answer is the
    /// first set by the handle or any clone of it, whichever task it is of: see [`Cache::get`].
    ///
    /// # Errors
    /// [`Invalid::Type`] if the value cannot be CBOR, and those of [`Cache::set_cbor`].
    pub async fn set<T: Serialize + ?Sized>(
        &self,
        key: impl Into<Key<'_>>,
        value: &T,
        expire: Option<Duration>,
    ) -> Result<(), Error> {
        let value = cbor::to_vec(value)?;
        self.write(&key.into(), value.into(), expire).await
    }

    /// Stores many values. Of several for one key the last counts. On an error some may have been stored.
    ///
    /// # Errors
    /// [`crate::error::Limit::Count`] for too many entries, [`crate::error::Limit::Size`] for more than
    /// [`super::CacheLimits::batch_bytes`] of values, and those of [`Cache::set`].
    pub async fn set_many<'k, K: Into<Key<'k>>, T: Serialize>(
        &self,
        entries: impl IntoIterator<Item = (K, T)>,
        expire: Option<Duration>,
    ) -> Result<(), Error> {
        let entries = entries.into_iter().map(|(key, value)| Ok((key.into(), Bytes::from(cbor::to_vec(&value)?))));
        let entries = self.collect(entries)?.into_iter().collect::<Result<Vec<(Key<'_>, Bytes)>, Error>>()?;
        self.write_many(entries.iter().map(|(key, value)| (parts(key), value.clone())), expire).await
    }

    /// The bytes of an entry that was set by [`Cache::set_bytes`], or any CBOR byte string; `None` if there is no entry.
    ///
    /// # Errors
    /// [`Invalid::NotByteString`] for any other value, and those of [`Cache::get_cbor`].
    pub async fn get_bytes(&self, key: impl Into<Key<'_>>) -> Result<Option<Bytes>, Error> {
        let value = self.read(&key.into()).await?;
        value.map(|value| cbor::unwrap_bytes(&value).ok_or_else(|| Invalid::NotByteString.into())).transpose()
    }

    /// Stores bytes as they are, as a CBOR byte string.
    ///
    /// # Errors
    /// Those of [`Cache::set_cbor`].
    pub async fn set_bytes(&self, key: impl Into<Key<'_>>, bytes: &[u8], expire: Option<Duration>) -> Result<(), Error> {
        self.write(&key.into(), cbor::wrap_bytes(bytes).into(), expire).await
    }
}
