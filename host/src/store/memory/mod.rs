//! An embedded store, in this process.
//!
//! Nothing runs in the background: what has expired is not seen, and every write clears away a few expired neighbours, so they
//! do not pile up. Times run on tokio's clock, so a paused test clock moves them.

use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use self::entries::Entries;
use self::expiring::Slot;
use self::locks::LockTable;
use self::shared::SharedTable;
use self::watches::Watches;
use super::browse::{About, Browse, HEAD, Seen, Told};
use super::{
    Adopted, Attempt, AttemptAll, Bid, Broken, Entry, Filling, Fingerprint, Holding, Prolonging, Queueing, Release, Released,
    Renewal, Reply, Sighting, Standing, Store, Tagged, Tagging, Ticket, Token, Ttl, Watch, Word, given_up, not_adoptable,
};
use crate::clock::Span;
use crate::envelope::{Claim, Tag, tags};
use crate::error::Error;
use crate::glob::Glob;
use crate::names::{LockKeys, Prefix, is_tag};

mod entries;
mod expiring;
mod fences;
mod locks;
mod shared;
mod tags;
mod watches;

/// How many keys [`Store::delete_matching`] and [`Store::sightings`] look at before others get their turn.
const BATCH: usize = 256;

/// A store in this process, shared by whoever shares the value. Its locks exclude only users of the same value.
#[derive(Debug, Default)]
pub struct MemoryStore {
    locks: Mutex<LockTable>,
    shared: Mutex<SharedTable>,
    entries: Mutex<Entries>,
    watches: Watches,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Loses a lock, as in a failover.
    #[cfg(test)]
    pub(crate) fn forget(&self, lock: &LockKeys) {
        open(&self.locks).forget(lock, Instant::now());
    }

    /// How many hold a lock.
    fn count(&self, lock: &LockKeys) -> u64 {
        let now = Instant::now();
        if lock.share().is_alone() {
            u64::from(open(&self.locks).is_locked(lock, now))
        } else {
            open(&self.shared).holders(lock, now)
        }
    }

    async fn seen(&self, prefix: &Prefix) -> Vec<Sighting> {
        let plain = |from: Option<&str>| open(&self.locks).sightings(prefix, from, BATCH, Instant::now());
        let shared = |from: Option<&str>| open(&self.shared).sightings(prefix, from, BATCH, Instant::now());
        let mut sightings = walked(plain).await;
        sightings.extend(walked(shared).await);
        sightings
    }

    /// Deletes entries, and tells those who wait for one of them.
    fn delete_all(&self, keys: &[String]) -> u64 {
        let now = Instant::now();
        let deleted: Vec<_> = {
            let mut entries = open(&self.entries);
            keys.iter().filter_map(|key| entries.delete(key, now).map(|was| (key, was))).collect()
        };
        deleted.iter().filter(|(_, was)| was.claimed).for_each(|(key, _)| {
            self.watches.tell(key, &Word::Doubt);
        });
        deleted.iter().map(|(_, was)| u64::from(was.counts)).sum()
    }

    async fn walk(&self, which: Browse<'_>, tell: Told<'_>) {
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

    async fn delete_chosen(&self, prefix: &str, chosen: &(dyn Fn(&str) -> bool + Send + Sync)) -> u64 {
        let mut deleted = 0;
        let mut from = None;
        loop {
            let mut batch = open(&self.entries).keys(prefix, from.as_deref(), BATCH);
            let Some(last) = batch.last().cloned() else { return deleted };
            batch.retain(|key| key.get(prefix.len()..).is_some_and(chosen));
            let (tags, entries): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|key| key.get(prefix.len()..).is_some_and(is_tag));
            deleted += self.delete_all(&entries);
            self.delete_all(&tags);
            from = Some(last);
            tokio::task::yield_now().await;
        }
    }
}

impl Store for MemoryStore {
    fn address(&self) -> &'static str {
        "memory:"
    }

    fn check(&self) -> Reply<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn attempt<'a>(&'a self, lock: &'a LockKeys, ticket: &'a Ticket, queueing: Queueing) -> Reply<'a, Attempt> {
        Box::pin(async move {
            let tell = |word| self.watches.tell(lock.channel(), &word);
            let now = Instant::now();
            let attempt = if lock.share().is_alone() {
                open(&self.locks).attempt(lock, ticket, queueing, &tell, now)
            } else {
                open(&self.shared).attempt(lock, ticket, queueing, &tell, now)
            };
            attempt.ok_or_else(|| given_up(self.address()))
        })
    }

    fn attempt_all<'a>(&'a self, locks: &'a [LockKeys], ticket: &'a Ticket, fair: bool) -> Reply<'a, AttemptAll> {
        Box::pin(async move {
            let attempt = open(&self.locks).attempt_all(locks, ticket, fair, Instant::now());
            attempt.ok_or_else(|| given_up(self.address()))
        })
    }

    fn same_step(&self, _: &LockKeys, _: &LockKeys) -> bool {
        true
    }

    fn adopt<'a>(&'a self, lock: &'a LockKeys, old: &'a Token, new: &'a Token) -> Reply<'a, Option<Adopted>> {
        Box::pin(async move {
            not_adoptable(lock)?;
            Ok(open(&self.locks).adopt(lock, old, new, Instant::now()))
        })
    }

    fn release<'a>(&'a self, lock: &'a LockKeys, release: Release<'a>) -> Reply<'a, Released> {
        Box::pin(async move {
            let tell = |word| self.watches.tell(lock.channel(), &word);
            let now = Instant::now();
            Ok(if lock.share().is_alone() {
                open(&self.locks).release(lock, release, &tell, now)
            } else {
                open(&self.shared).release(lock, release, &tell, now)
            })
        })
    }

    fn extend<'a>(&'a self, lock: &'a LockKeys, token: &'a Token, by: Span) -> Reply<'a, Holding> {
        Box::pin(async move {
            let now = Instant::now();
            Ok(if lock.share().is_alone() {
                open(&self.locks).extend(lock, token, by, now)
            } else {
                open(&self.shared).extend(lock, token, by, now)
            })
        })
    }

    fn renew<'a>(&'a self, renewals: &'a [Renewal]) -> BoxFuture<'a, Vec<Result<Holding, Error>>> {
        Box::pin(async move {
            let now = Instant::now();
            let renew = |Renewal { lock, token, lease }: &Renewal| {
                if lock.share().is_alone() {
                    open(&self.locks).renew(lock, token, *lease, now)
                } else {
                    open(&self.shared).renew(lock, token, *lease, now)
                }
            };
            renewals.iter().map(|renewal| Ok(renew(renewal))).collect()
        })
    }

    fn holding<'a>(&'a self, lock: &'a LockKeys, token: &'a Token) -> Reply<'a, Holding> {
        Box::pin(async move {
            let now = Instant::now();
            Ok(if lock.share().is_alone() {
                open(&self.locks).holding(lock, token, now)
            } else {
                open(&self.shared).holding(lock, token, now)
            })
        })
    }

    fn is_locked<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, bool> {
        Box::pin(async move { Ok(self.count(lock) > 0) })
    }

    fn holders<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, u64> {
        Box::pin(async move { Ok(self.count(lock)) })
    }

    fn sight<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, Option<Sighting>> {
        Box::pin(async move {
            let now = Instant::now();
            Ok(if lock.share().is_alone() { open(&self.locks).sight(lock, now) } else { open(&self.shared).sight(lock, now) })
        })
    }

    fn sightings<'a>(&'a self, prefix: &'a Prefix) -> Reply<'a, Vec<Sighting>> {
        Box::pin(async move { Ok(self.seen(prefix).await) })
    }

    fn break_lock<'a>(&'a self, lock: &'a LockKeys, seen: &'a Fingerprint) -> Reply<'a, Broken> {
        Box::pin(async move {
            let tell = |word| self.watches.tell(lock.channel(), &word);
            let now = Instant::now();
            Ok(if lock.share().is_alone() {
                open(&self.locks).break_lock(lock, seen, &tell, now)
            } else {
                open(&self.shared).break_lock(lock, seen, &tell, now)
            })
        })
    }

    fn watch<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, Watch> {
        Box::pin(async move { Ok(self.watches.watch(lock.channel())) })
    }

    fn now(&self) -> u64 {
        open(&self.entries).millis(Instant::now())
    }

    fn get<'a>(&'a self, key: &'a str) -> Reply<'a, Option<Bytes>> {
        Box::pin(async move { Ok(open(&self.entries).get(key, Instant::now())) })
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> Reply<'a, Vec<Option<Bytes>>> {
        Box::pin(async move {
            let now = Instant::now();
            let entries = open(&self.entries);
            Ok(keys.iter().map(|key| entries.get(key, now)).collect())
        })
    }

    fn set<'a>(&'a self, entry: &'a Entry, expire: Option<Span>) -> Reply<'a, ()> {
        self.set_many(std::slice::from_ref(entry), expire)
    }

    fn set_many<'a>(&'a self, entries: &'a [Entry], expire: Option<Span>) -> Reply<'a, ()> {
        Box::pin(async move {
            let now = Instant::now();
            let mut kept = open(&self.entries);
            for entry in entries {
                kept.set(entry, expire, now);
            }
            Ok(())
        })
    }

    fn claim<'a>(&'a self, key: &'a str, bid: &'a Bid) -> Reply<'a, Standing> {
        Box::pin(async move { Ok(open(&self.entries).claim(key, bid, Instant::now())) })
    }

    fn fill<'a>(&'a self, fillings: &'a [Filling]) -> BoxFuture<'a, Vec<Result<bool, Error>>> {
        Box::pin(async move {
            let fill = |filling: &Filling| {
                let filled = open(&self.entries).fill(filling, Instant::now());
                if filled {
                    self.watches.tell(&filling.entry.key, &Word::Doubt);
                }
                Ok(filled)
            };
            fillings.iter().map(fill).collect()
        })
    }

    fn prolong<'a>(&'a self, prolonging: Prolonging<'a>) -> Reply<'a, bool> {
        Box::pin(async move { Ok(open(&self.entries).prolong(prolonging, Instant::now())) })
    }

    fn abandon<'a>(&'a self, key: &'a str, claim: Claim, rest: Option<Span>) -> Reply<'a, bool> {
        Box::pin(async move {
            let abandoned = open(&self.entries).abandon(key, claim, rest, Instant::now());
            if abandoned {
                self.watches.tell(key, &Word::Doubt);
            }
            Ok(abandoned)
        })
    }

    fn watch_entry<'a>(&'a self, key: &'a str) -> Reply<'a, Watch> {
        Box::pin(async move { Ok(self.watches.watch(key)) })
    }

    fn left<'a>(&'a self, key: &'a str) -> Reply<'a, (Ttl, Vec<Tag>)> {
        Box::pin(async move { Ok(open(&self.entries).left(key, Instant::now())) })
    }

    fn discard<'a>(&'a self, key: &'a str, seen: &'a Bytes) -> Reply<'a, ()> {
        Box::pin(async move {
            let discarded = open(&self.entries).discard(key, seen, Instant::now());
            if discarded.is_some_and(|was| was.claimed) {
                self.watches.tell(key, &Word::Doubt);
            }
            Ok(())
        })
    }

    fn tag<'a>(&'a self, tags: &'a [Tagging]) -> Reply<'a, Vec<Tagged>> {
        Box::pin(async move {
            let now = Instant::now();
            let mut entries = open(&self.entries);
            Ok(tags.iter().map(|tag| entries.tag(tag, now)).collect())
        })
    }

    fn invalidate<'a>(&'a self, tag: &'a str) -> Reply<'a, bool> {
        Box::pin(async move { Ok(open(&self.entries).invalidate(tag, Instant::now())) })
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> Reply<'a, u64> {
        Box::pin(async move { Ok(self.delete_all(keys)) })
    }

    fn delete_matching<'a>(
        &'a self,
        prefix: &'a str,
        _hint: &'a Glob,
        chosen: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Reply<'a, u64> {
        Box::pin(async move { Ok(self.delete_chosen(prefix, chosen).await) })
    }

    fn browse<'a>(&'a self, which: Browse<'a>, tell: Told<'a>) -> Reply<'a, ()> {
        Box::pin(async move {
            self.walk(which, tell).await;
            Ok(())
        })
    }
}

fn about(slot: &Slot<Bytes>, now: Instant) -> About {
    let head = slot.value.slice(..slot.value.len().min(HEAD));
    let tags = tags(&slot.value).into_iter().map(|tag| tag.name).collect();
    About { bytes: slot.value.len() as u64, head, ttl: slot.left(now).map_or(Ttl::Persistent, Ttl::Remaining), tags }
}

/// What is seen in all batches, each of which begins behind the last key of the one before.
async fn walked(batch: impl Fn(Option<&str>) -> (Vec<String>, Vec<Sighting>)) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    let mut from: Option<String> = None;
    loop {
        let (mut keys, seen) = batch(from.as_deref());
        sightings.extend(seen);
        from = keys.pop();
        if from.is_none() {
            return sightings;
        }
        tokio::task::yield_now().await;
    }
}

/// A panic elsewhere leaves no half-done change behind these mutexes, so a poisoned one is as good as any.
fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::time::Duration;

    use super::*;

    fn entry(key: &str) -> Entry {
        Entry { key: key.to_owned(), bytes: Bytes::from_static(b"value") }
    }

    #[tokio::test(start_paused = true)]
    async fn entries_live_as_long_as_they_were_given() {
        let store = MemoryStore::new();
        let second = Span::new("expire", Duration::from_secs(1)).unwrap();
        store.set(&entry("passing"), Some(second)).await.unwrap();
        store.set(&entry("staying"), None).await.unwrap();
        tokio::time::advance(Duration::from_millis(400)).await;
        assert_eq!(store.ttl("passing").await.unwrap(), Ttl::Remaining(Duration::from_millis(600)));
        assert_eq!(store.ttl("staying").await.unwrap(), Ttl::Persistent);
        tokio::time::advance(Duration::from_millis(600)).await;
        assert_eq!(store.ttl("passing").await.unwrap(), Ttl::Absent);
        assert_eq!(store.get("passing").await.unwrap(), None);
        let keys = ["passing".to_owned(), "staying".to_owned(), "staying".to_owned()];
        assert_eq!(store.delete(&keys).await.unwrap(), 1, "an expired entry is not there to delete, and one goes only once");
    }

    #[tokio::test(start_paused = true)]
    async fn expired_entries_do_not_pile_up() {
        let store = MemoryStore::new();
        let millisecond = Span::new("expire", Duration::from_millis(1)).unwrap();
        for n in 0..10_000 {
            store.set(&entry(&format!("{n}")), Some(millisecond)).await.unwrap();
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(open(&store.entries).len() < 100, "{} are kept", open(&store.entries).len());
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
