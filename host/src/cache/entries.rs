//! A cache, and how its entries go to the store and come back.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;

use super::flights::Flights;
use super::metrics::{Metrics, Operation};
use super::near::NearDoor;
use super::options::Expiry;
use super::pipeline::{Pipeline, within};
use super::pledge::Pledge;
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

/// How many entries are asked for at a time. Of more, all are asked for before the first are there, and these are opened while the
/// others come. It fills a pipeline for each of three nodes: with fewer a cluster is sent many short ones.
const AT_ONCE: usize = 384;

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
        let read = async {
            let key = self.key(parts(key)).await?;
            let Some(near) = self.near() else { return self.read_far(&key, self.0.store.get(&key).await?).await };
            match near.get(&key) {
                Some(value) => {
                    self.0.metrics.hit(0);
                    Ok(Some(value))
                }
                // A box, as reads without copies need no room for it.
                None => Box::pin(self.read_near(near, &key)).await,
            }
        };
        self.0.metrics.timed(Operation::Get, read).await
    }

    /// The value of what was read from the store.
    pub(super) async fn read_far(&self, key: &str, stored: Option<Bytes>) -> Result<Option<Bytes>, Error> {
        match self.served(key, stored).await? {
            Some(stored) => Ok(Some(self.0.pipeline.open(key, &stored).await?)),
            None => Ok(None),
        }
    }

    pub(super) async fn read_many<'k, T>(
        &self,
        keys: impl Iterator<Item = Parts<'k>>,
        each: impl Fn(Bytes) -> Result<T, Error>,
    ) -> Result<Vec<Option<T>>, Error> {
        let (values, pledges) = self.0.metrics.timed(Operation::GetMany, self.find_many(keys)).await?;
        let values = values.into_iter().map(|value| value.map(&each).transpose()).collect::<Result<_, Error>>()?;
        // From here on nothing fails, and the caller is told.
        for pledge in pledges {
            self.take_on(pledge);
        }
        Ok(values)
    }

    /// The values, and the claims that were made.
    async fn find_many<'k>(&self, keys: impl Iterator<Item = Parts<'k>>) -> Result<(Vec<Option<Bytes>>, Vec<Pledge>), Error> {
        let keys = self.keys(keys).await?;
        if keys.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let (distinct, places) = distinct(keys);
        let ask = |keys| async move { (keys, self.ask_many(keys).await) };
        let mut asked: FuturesOrdered<_> = distinct.chunks(AT_ONCE).map(ask).collect();
        let (mut values, mut claimed) = (Vec::with_capacity(distinct.len()), Vec::new());
        let mut bytes = 0;
        while let Some((keys, found)) = asked.next().await {
            let (found, pledges) = found?;
            claimed.extend(pledges);
            for (key, stored) in keys.iter().zip(found) {
                tokio::task::consume_budget().await;
                values.push(match stored {
                    Some(stored) => {
                        let value = self.0.pipeline.open(key, &stored).await?;
                        self.batch_bytes(&mut bytes, &value)?;
                        Some(value)
                    }
                    None => None,
                });
            }
        }
        let Some(places) = places else { return Ok((values, claimed)) };
        let values: Vec<_> = places.iter().map(|place| values.get(*place).cloned().flatten()).collect();
        let mut bytes = 0;
        values.iter().flatten().try_for_each(|value| self.batch_bytes(&mut bytes, value))?;
        Ok((values, claimed))
    }

    async fn ask_many(&self, keys: &[String]) -> Result<(Vec<Option<Bytes>>, Vec<Pledge>), Error> {
        self.served_many(keys, self.0.store.get_many(keys).await?).await
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

    pub(super) async fn write_many<'k>(
        &self,
        values: impl Iterator<Item = (Parts<'k>, Bytes)>,
        expire: Option<Duration>,
    ) -> Result<(), Error> {
        self.0.metrics.timed(Operation::SetMany, self.store_many(values, expire)).await
    }

    async fn store_many<'k>(
        &self,
        values: impl Iterator<Item = (Parts<'k>, Bytes)>,
        expire: Option<Duration>,
    ) -> Result<(), Error> {
        let longest = self.0.expiry.longest(expire)?;
        // Nothing would have one of the tags.
        if values.size_hint().1 == Some(0) {
            return Ok(());
        }
        // For all at once, so that it is one question.
        let snapshot = self.snapshot(&self.1, longest).await?;
        let mut to_set = Vec::with_capacity(values.size_hint().0);
        let mut bytes = 0;
        for (key, value) in values {
            tokio::task::consume_budget().await;
            self.batch_bytes(&mut bytes, &value)?;
            let key = self.key(key).await?;
            // Each by itself, as they are not to expire all at once.
            let life = self.0.expiry.of(expire)?;
            to_set.push((key, value, life));
        }
        // Of several for one key the last counts, and requests of one call do not wait for each other.
        if to_set.iter().map(|(key, ..)| key).collect::<HashSet<_>>().len() < to_set.len() {
            let mut later = HashSet::new();
            to_set.reverse();
            to_set.retain(|(key, ..)| later.insert(key.clone()));
            to_set.reverse();
        }
        let keys: Vec<_> = to_set.iter().map(|(key, ..)| key.as_str()).collect();
        let works = self.works(&keys, &snapshot).await?;
        let mut fillings = Vec::with_capacity(to_set.len());
        for ((key, value, life), work) in to_set.into_iter().zip(works) {
            tokio::task::consume_budget().await;
            if let Some(work) = work {
                fillings.push(self.sealed(key, value, life, work).await?);
            }
        }
        self.store(fillings).await
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
        within("content", content.len(), self.0.pipeline.limits.content_bytes)?;
        Content::from_cbor(content).map(Some)
    }

    /// Refuses more entries than one call may have.
    pub(super) fn batch(&self, entries: usize) -> Result<(), Error> {
        let max = self.0.pipeline.limits.batch_entries;
        if entries > max { Err(Limit::Count { what: "entries of one call", max: max as u64 }.into()) } else { Ok(()) }
    }

    /// Adds a value to those of its call, unless they are then more than one call may have.
    fn batch_bytes(&self, bytes: &mut usize, value: &Bytes) -> Result<(), Limit> {
        *bytes = bytes.saturating_add(value.len());
        within("batch", *bytes, self.0.pipeline.limits.batch_bytes)
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

/// Each key once, and for each of all keys which of them it is, unless that is as they stand. One large entry that is asked for many
/// times over would else come as many times, before anything can count how much that is.
fn distinct(keys: Vec<String>) -> (Vec<String>, Option<Vec<usize>>) {
    // The usual case, in which no key has to be copied.
    if keys.iter().collect::<HashSet<_>>().len() == keys.len() {
        return (keys, None);
    }
    let mut distinct = Vec::with_capacity(keys.len());
    let mut known = HashMap::with_capacity(keys.len());
    let places = keys.into_iter().map(|key| match known.entry(key) {
        MapEntry::Occupied(known) => *known.get(),
        MapEntry::Vacant(new) => {
            distinct.push(new.key().clone());
            *new.insert(distinct.len() - 1)
        }
    });
    let places = places.collect();
    (distinct, Some(places))
}

/// A key and its content.
type Parts<'k> = (&'k str, Option<&'k Content>);

pub(super) fn parts<'k>(key: &'k Key<'_>) -> Parts<'k> {
    (key.name(), key.content())
}
