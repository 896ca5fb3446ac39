//! A cache, and how its entries go to the store and come back.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::flights::Flights;
use super::metrics::{Metrics, Operation};
use super::near::NearDoor;
use super::options::Expiry;
use super::pipeline::{Pipeline, Soon, within};
use super::pledge::Read;
use super::promises::Promises;
use super::{Content, Key};
use crate::error::{Error, Limit, StageKind};
use crate::store::Store;

/// A named cache. A clone costs nothing.
///
/// Every call can be dropped at any await; what it was to write may then have been written or not. Values that a read was to have
/// computed are left to the next who reads, also if it fails.
#[derive(Clone)]
pub struct Cache(pub(super) Arc<Inner>, pub(super) Arc<[String]>);

pub(super) struct Inner {
    pub(super) store: Arc<dyn Store>,
    pub(super) pipeline: Pipeline,
    pub(super) metrics: Arc<Metrics>,
    pub(super) expiry: Expiry,
    /// What this handle said it would compute.
    pub(super) promises: Promises,
    pub(super) flights: Flights,
    pub(super) near: NearDoor,
}

impl Cache {
    pub(super) fn new(inner: Inner) -> Self {
        Self(Arc::new(inner), Arc::default())
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

    /// Whether there is an envelope around the payload of its entries: see [`super::EnvelopeChoice`].
    #[must_use]
    pub fn has_envelope(&self) -> bool {
        !self.0.pipeline.formats.plain
    }

    pub(super) async fn read(&self, key: &Key<'_>) -> Result<Option<Bytes>, Error> {
        let (value, pledge) = self.find_one(key).await?;
        if let Some(pledge) = pledge {
            self.take_on(*pledge);
        }
        Ok(value)
    }

    /// The value, and the claim that was made if it is to be computed.
    pub(super) async fn find_one(&self, key: &Key<'_>) -> Result<Read, Error> {
        let read = async {
            let key = self.key(parts(key)).await?;
            let Some(near) = self.near() else { return self.read_far(&key, self.0.store.get(&key).await?).await };
            match near.get(&key) {
                Some(value) => {
                    self.0.metrics.hit(0);
                    Ok((Some(value), None))
                }
                // A box, as reads without copies need no room for it.
                None => Box::pin(self.read_near(near, &key)).await,
            }
        };
        self.0.metrics.timed(Operation::Get, read).await
    }

    /// The value of what was read from the store.
    pub(super) async fn read_far(&self, key: &str, stored: Option<Bytes>) -> Result<Read, Error> {
        match self.served(key, stored).await? {
            (Some(stored), _) => Ok((Some(self.0.pipeline.open(key, stored).await?), None)),
            none => Ok(none),
        }
    }

    pub(super) async fn write(&self, key: &Key<'_>, value: Bytes, expire: Option<Duration>) -> Result<(), Error> {
        let write = async {
            let life = self.0.expiry.of(expire)?;
            let key = self.key(parts(key)).await?;
            match self.work(&key, life).await? {
                Some(work) => self.store(vec![self.sealed(key, value, life, work).await?]).await,
                None => Ok(()),
            }
        };
        self.0.metrics.timed(Operation::Set, write).await
    }

    pub(super) fn key<'a>(&'a self, (key, content): Parts<'a>) -> Soon<'a, String> {
        self.0.pipeline.key(key, content.map(Content::as_cbor))
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
        within("content", content.len(), self.0.pipeline.limits.content_bytes)?;
        Content::from_cbor(content).map(Some)
    }

    /// Refuses more entries than one call may have.
    pub(super) fn batch(&self, entries: usize) -> Result<(), Error> {
        let max = self.0.pipeline.limits.batch_entries;
        if entries > max { Err(Limit::Count { what: "entries of one call", max: max as u64 }.into()) } else { Ok(()) }
    }

    /// The items, unless they are too many; an endless iterator is not read to its end.
    pub(super) fn collect<T>(&self, items: impl Iterator<Item = T>) -> Result<Vec<T>, Error> {
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
            .field("rules", &self.0.expiry.rules)
            .field("tags", &self.1)
            .finish_non_exhaustive()
    }
}

/// A key and its content.
pub(super) type Parts<'k> = (&'k str, Option<&'k Content>);

pub(super) fn parts<'k>(key: &'k Key<'_>) -> Parts<'k> {
    (key.name(), key.content())
}
