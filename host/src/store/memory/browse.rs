//! Goes through the entries in batches, so that others get their turn.

use std::ops::ControlFlow;

use bytes::Bytes;
use tokio::time::Instant;

use super::expiring::Slot;
use super::{BATCH, MemoryStore, open};
use crate::envelope::tags;
use crate::names::is_tag;
use crate::store::Ttl;
use crate::store::browse::{About, Browse, HEAD, Seen, Told};

impl MemoryStore {
    /// As [`crate::store::EntryStore::browse`] says.
    pub(super) async fn walk(&self, which: Browse<'_>, tell: Told<'_>) {
        let Browse { prefix, chosen, mut closely, .. } = which;
        let mut from: Option<String> = None;
        loop {
            let seen: Vec<_> = {
                let now = Instant::now();
                let entries = open(&self.entries);
                let batch = entries.keys(prefix, from.as_deref(), BATCH);
                let Some(last) = batch.last().cloned() else { return };
                from = Some(last);
                let there = |key: String| Some((entries.slot(&key, now)?, key));
                let there = batch.into_iter().filter(|key| key.get(prefix.len()..).is_some_and(chosen)).filter_map(there);
                there.map(|(slot, key)| Seen { key, about: (closely > 0).then(|| about(slot, now)) }).collect()
            };
            closely = closely.saturating_sub(seen.len() as u64);
            if !seen.is_empty() && tell(seen) == ControlFlow::Break(()) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// As [`crate::store::EntryStore::delete_matching`] says.
    pub(super) async fn delete_chosen(&self, prefix: &str, chosen: &(dyn Fn(&str) -> bool + Send + Sync)) -> u64 {
        let mut deleted = 0;
        let mut from = None;
        loop {
            let mut batch = open(&self.entries).keys(prefix, from.as_deref(), BATCH);
            let Some(last) = batch.last().cloned() else { return deleted };
            batch.retain(|key| key.get(prefix.len()..).is_some_and(chosen));
            let (tags, entries): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|key| key.get(prefix.len()..).is_some_and(is_tag));
            deleted += self.delete_all(&entries);
            for tag in &tags {
                open(&self.entries).end(tag, Instant::now());
            }
            from = Some(last);
            tokio::task::yield_now().await;
        }
    }
}

fn about(slot: &Slot<Bytes>, now: Instant) -> About {
    let head = slot.value.slice(..slot.value.len().min(HEAD));
    let tags = tags(&slot.value).into_iter().map(|tag| tag.name).collect();
    About { bytes: slot.value.len() as u64, head, ttl: slot.left(now).map_or(Ttl::Persistent, Ttl::Remaining), tags }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::store::{Entry, EntryStore};

    fn entry(key: &str) -> Entry {
        Entry { key: key.to_owned(), bytes: Bytes::from_static(b"value") }
    }

    #[tokio::test]
    async fn a_pattern_deletes_over_many_batches_and_only_what_was_chosen() {
        let store = MemoryStore::new();
        let entries: Vec<_> = (0..2_000).flat_map(|n| [entry(&format!("a:{n}")), entry(&format!("b:{n}"))]).collect();
        store.set_many(&entries, None).await.unwrap();
        let keys = || {
            let entries = open(&store.entries);
            (entries.keys("a:", None, 5_000).len(), entries.keys("b:", None, 5_000).len())
        };
        assert_eq!(keys(), (2_000, 2_000));
        let odd = |rest: &str| rest.ends_with(['1', '3', '5', '7', '9']);
        let deleted = store.delete_chosen("a:", &odd).await;
        assert_eq!(deleted, 1_000);
        assert_eq!(keys(), (1_000, 2_000));
    }
}
