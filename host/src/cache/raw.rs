//! Values as CBOR, for those who pass them on.

use std::time::Duration;

use bytes::Bytes;

use super::{Cache, Key};
use crate::error::Error;

impl Cache {
    /// The value of an entry as CBOR; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key or content that cannot be, [`Error::Limit`] for one that is too large, [`Error::Unavailable`],
    /// [`Error::Stage`] if a stage fails, and [`Error::Corrupt`] if the entry cannot be read.
    pub async fn get_cbor(&self, key: &str, content: Option<&[u8]>) -> Result<Option<Bytes>, Error> {
        self.read(&Key::new(key, self.content(content)?)).await
    }

    /// The values of many entries as CBOR, in the order of the keys.
    ///
    /// # Errors
    /// [`crate::error::Limit::Count`] for too many keys, [`crate::error::Limit::Size`] for more than
    /// [`super::CacheLimits::batch_bytes`] of values, and those of [`Cache::get_cbor`]; one entry that cannot be read fails the call.
    pub async fn get_many_cbor(&self, keys: &[String], content: Option<&[u8]>) -> Result<Vec<Option<Bytes>>, Error> {
        self.batch(keys.len())?;
        let content = self.content(content)?;
        self.read_many(keys.iter().map(|key| (key.as_str(), content.as_ref())), Ok).await
    }

    /// Stores a value of CBOR, to live for `expire`; `None`: for as long as the cache says.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key, content, value or expiry that cannot be, [`Error::Limit`] for what is too large,
    /// [`Error::Denied`] for an expiry that is pinned to something else, [`Error::Unavailable`], and [`Error::Stage`] if a stage fails.
    pub async fn set_cbor(&self, key: &str, value: Bytes, content: Option<&[u8]>, expire: Option<Duration>) -> Result<(), Error> {
        self.write(&Key::new(key, self.content(content)?), value, expire).await
    }

    /// Stores many values of CBOR. Of several for one key the last counts. On an error some may have been stored.
    ///
    /// # Errors
    /// [`crate::error::Limit::Count`] for too many entries, [`crate::error::Limit::Size`] for more than
    /// [`super::CacheLimits::batch_bytes`] of values, and those of [`Cache::set_cbor`].
    pub async fn set_many_cbor(
        &self,
        entries: Vec<(String, Bytes)>,
        content: Option<&[u8]>,
        expire: Option<Duration>,
    ) -> Result<(), Error> {
        self.batch(entries.len())?;
        let content = self.content(content)?;
        self.write_many(entries.iter().map(|(key, value)| ((key.as_str(), content.as_ref()), value.clone())), expire).await
    }
}
