//! Many entries in one call.

use std::collections::hash_map::Entry as MapEntry;
use std::time::Duration;

use bytes::Bytes;
use foldhash::{HashMap, HashMapExt as _, HashSet, HashSetExt as _};

use super::Cache;
use super::begun::Begun;
use super::entries::Parts;
use super::metrics::Operation;
use super::pipeline::within;
use super::pledge::ReadMany;
use crate::error::{Error, Limit};

/// How many entries are asked for or set at a time. Of more, the first are on their way while the next are made ready, and what was
/// asked for is opened while the rest comes. It is a pipeline for each of three nodes: with fewer a cluster is sent many short ones.
const AT_ONCE: usize = 384;

impl Cache {
    pub(super) async fn read_many<'k, T>(
        &self,
        keys: impl Iterator<Item = Parts<'k>>,
        each: impl Fn(Bytes) -> Result<T, Error>,
    ) -> Result<Vec<Option<T>>, Error> {
        let (values, pledges) = self.find_many(keys).await?;
        let values = values.into_iter().map(|value| value.map(&each).transpose()).collect::<Result<_, Error>>()?;
        // From here on nothing fails, and the caller is told.
        for pledge in pledges {
            self.take_on(pledge);
        }
        Ok(values)
    }

    /// The values, and the claims that were made.
    pub(super) async fn find_many<'k>(&self, keys: impl Iterator<Item = Parts<'k>>) -> Result<ReadMany, Error> {
        self.0.metrics.timed(Operation::GetMany, self.find_in_many(keys)).await
    }

    async fn find_in_many<'k>(&self, keys: impl Iterator<Item = Parts<'k>>) -> Result<ReadMany, Error> {
        let keys = self.keys(keys).await?;
        if keys.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let (distinct, places) = distinct(keys);
        let mut asked = Begun::default();
        for keys in distinct.chunks(AT_ONCE) {
            asked.begin(async move { (keys, self.ask_many(keys).await) });
        }
        let (mut values, mut claimed) = (Vec::with_capacity(distinct.len()), Vec::new());
        let mut bytes = 0;
        while let Some((keys, found)) = asked.next().await {
            let (found, pledges) = found?;
            claimed.extend(pledges);
            for (key, stored) in keys.iter().zip(found) {
                tokio::task::consume_budget().await;
                values.push(match stored {
                    Some(stored) => {
                        let value = self.0.pipeline.open(key, stored).await?;
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

    async fn ask_many(&self, keys: &[String]) -> Result<ReadMany, Error> {
        self.served_many(keys, self.0.store.get_many(keys).await?).await
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
        // What can be refused is, before anything is stored.
        let mut payloads = Vec::with_capacity(to_set.len());
        for ((key, value, life), work) in to_set.into_iter().zip(works) {
            tokio::task::consume_budget().await;
            if let Some(work) = work {
                payloads.push((key, self.0.pipeline.payload(value).await?, life, work));
            }
        }
        let mut storing = Begun::default();
        let mut payloads = payloads.into_iter().peekable();
        while payloads.peek().is_some() {
            let mut fillings = Vec::with_capacity(payloads.len().min(AT_ONCE));
            for (key, payload, life, work) in payloads.by_ref().take(AT_ONCE) {
                tokio::task::consume_budget().await;
                fillings.push(self.filling(key, payload, life, work)?);
            }
            storing.begin(self.store(fillings));
        }
        let mut outcome = Ok(());
        while let Some(stored) = storing.next().await {
            outcome = outcome.and(stored);
        }
        outcome
    }

    /// Adds a value to those of its call, unless they are then more than one call may have.
    fn batch_bytes(&self, bytes: &mut usize, value: &Bytes) -> Result<(), Limit> {
        *bytes = bytes.saturating_add(value.len());
        within("batch", *bytes, self.0.pipeline.limits.batch_bytes)
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
