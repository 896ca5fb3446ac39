//! The entries of a cache: values in, values out.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::options::Expiry;
use super::pipeline::Pipeline;
use super::{Content, Key};
use crate::cbor;
use crate::clock::millis;
use crate::error::{Error, Invalid, Limit, StageKind};
use crate::store::{Entry, Store};

/// A named cache. A clone costs nothing.
///
/// Every call can be dropped at any await; what it was to write may then have been written or not.
#[derive(Clone)]
pub struct Cache(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Arc<dyn Store>,
    pub(super) pipeline: Pipeline,
    expiry: Expiry,
}

impl Cache {
    pub(super) fn new(store: Arc<dyn Store>, pipeline: Pipeline, expiry: Expiry) -> Self {
        Self(Arc::new(Inner { store, pipeline, expiry }))
    }

    /// The cache's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.pipeline.cache
    }

    /// The name of the stage of a kind that this cache uses; `none` where it uses none.
    #[must_use]
    pub fn stage(&self, kind: StageKind) -> &str {
        self.0.pipeline.stage(kind)
    }

    /// How long entries live that are set with no expiry of their own; `None`: until they are deleted.
    #[must_use]
    pub fn expire(&self) -> Option<Duration> {
        self.0.expiry.default()
    }

    /// The value of an entry; `None` if there is none. A null is a value: ask for an `Option` to tell it from no entry.
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
    /// [`Limit::Count`] for too many keys, and those of [`Cache::get`]; one entry that cannot be read fails the call.
    pub async fn get_many<'k, T: DeserializeOwned, K: Into<Key<'k>>>(
        &self,
        keys: impl IntoIterator<Item = K>,
    ) -> Result<Vec<Option<T>>, Error> {
        let keys = self.collect(keys.into_iter().map(Into::into))?;
        let values = self.read_many(keys.iter().map(parts)).await?;
        values.into_iter().map(|value| Ok(value.map(|value| cbor::from_slice(&value)).transpose()?)).collect()
    }

    /// Stores a value, to live for `expire`; `None`: for as long as the cache says.
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
    /// [`Limit::Count`] for too many entries, and those of [`Cache::set`].
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
    /// [`Limit::Count`] for too many keys, and those of [`Cache::get_cbor`]; one entry that cannot be read fails the call.
    pub async fn get_many_cbor(&self, keys: &[String], content: Option<&[u8]>) -> Result<Vec<Option<Bytes>>, Error> {
        self.batch(keys.len())?;
        let content = self.content(content)?;
        self.read_many(keys.iter().map(|key| (key.as_str(), content.as_ref()))).await
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
    /// [`Limit::Count`] for too many entries, and those of [`Cache::set_cbor`].
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

    async fn read(&self, key: &Key<'_>) -> Result<Option<Bytes>, Error> {
        let key = self.key(parts(key)).await?;
        match self.0.store.get(&key).await? {
            Some(stored) => Ok(Some(self.0.pipeline.open(&key, &stored).await?)),
            None => Ok(None),
        }
    }

    async fn read_many<'k>(&self, keys: impl Iterator<Item = Parts<'k>>) -> Result<Vec<Option<Bytes>>, Error> {
        let keys = self.keys(keys).await?;
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.0.store.get_many(&keys).await?;
        let mut values = Vec::with_capacity(found.len());
        for (key, stored) in keys.iter().zip(found) {
            tokio::task::consume_budget().await;
            values.push(match stored {
                Some(stored) => Some(self.0.pipeline.open(key, &stored).await?),
                None => None,
            });
        }
        Ok(values)
    }

    async fn write(&self, key: &Key<'_>, value: Bytes, expire: Option<Duration>) -> Result<(), Error> {
        let expire = self.0.expiry.of(expire)?;
        let key = self.key(parts(key)).await?;
        let bytes = self.0.pipeline.seal(value, now()).await?;
        self.0.store.set(&Entry { key, bytes }, expire).await
    }

    async fn write_many<'k>(
        &self,
        values: impl Iterator<Item = (Parts<'k>, Bytes)>,
        expire: Option<Duration>,
    ) -> Result<(), Error> {
        let expire = self.0.expiry.of(expire)?;
        let created = now();
        let mut entries = Vec::with_capacity(values.size_hint().0);
        for (key, value) in values {
            tokio::task::consume_budget().await;
            let key = self.key(key).await?;
            entries.push(Entry { key, bytes: self.0.pipeline.seal(value, created).await? });
        }
        if entries.is_empty() {
            return Ok(());
        }
        self.0.store.set_many(&entries, expire).await
    }

    pub(super) async fn key(&self, (key, content): Parts<'_>) -> Result<String, Error> {
        self.0.pipeline.key(key, content.map(Content::as_cbor)).await
    }

    pub(super) async fn keys<'k>(&self, keys: impl Iterator<Item = Parts<'k>>) -> Result<Vec<String>, Error> {
        let mut stored = Vec::with_capacity(keys.size_hint().0);
        for key in keys {
            stored.push(self.key(key).await?);
        }
        Ok(stored)
    }

    /// Content of a caller, which may be any bytes.
    pub(super) fn content(&self, content: Option<&[u8]>) -> Result<Option<Content>, Error> {
        let Some(content) = content else { return Ok(None) };
        super::pipeline::within("content", content.len(), self.0.pipeline.limits.content_bytes)?;
        Content::from_cbor(content).map(Some)
    }

    /// Refuses more entries than one call may have.
    pub(super) fn batch(&self, entries: usize) -> Result<(), Error> {
        let max = self.0.pipeline.limits.batch_entries;
        if entries > max { Err(Limit::Count { what: "entries of one call", max: max as u64 }.into()) } else { Ok(()) }
    }

    /// The items, unless they are too many; an endless iterator is not read to its end.
    fn collect<T>(&self, items: impl Iterator<Item = T>) -> Result<Vec<T>, Error> {
        let items: Vec<T> = items.take(self.0.pipeline.limits.batch_entries.saturating_add(1)).collect();
        self.batch(items.len())?;
        Ok(items)
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.name())
            .field("identity", &self.stage(StageKind::Identity))
            .field("serializer", &self.stage(StageKind::Serializer))
            .field("compressor", &self.stage(StageKind::Compressor))
            .field("expire", &self.expire())
            .finish_non_exhaustive()
    }
}

/// A key and its content.
type Parts<'k> = (&'k str, Option<&'k Content>);

pub(super) fn parts<'k>(key: &'k Key<'_>) -> Parts<'k> {
    (key.name(), key.content())
}

/// Milliseconds since 1970 by this machine's clock, for people who look at an entry.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}
