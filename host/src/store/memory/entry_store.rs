//! The operations on entries, which tell those who watch one.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{MemoryStore, open};
use crate::clock::Span;
use crate::envelope::Tag;
use crate::error::Error;
use crate::glob::Glob;
use crate::store::browse::{Browse, Told};
use crate::store::{Abandoning, Bid, Entry, EntryStore, Filling, Prolonging, Reply, Standing, Tagged, Tagging, Ttl, Watch, Word};

impl EntryStore for MemoryStore {
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

    fn abandon<'a>(&'a self, abandoning: Abandoning<'a>) -> Reply<'a, bool> {
        Box::pin(async move {
            let abandoned = open(&self.entries).abandon(abandoning, Instant::now());
            if abandoned {
                self.watches.tell(abandoning.key, &Word::Doubt);
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

impl MemoryStore {
    /// Deletes entries, and tells those who wait for one of them.
    pub(super) fn delete_all(&self, keys: &[String]) -> u64 {
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
}
