//! What a store does with cache entries.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::browse::{Browse, Told};
use super::{Abandoning, Bid, Filling, Mirror, Prolonging, Reply, Standing, Tagged, Tagging, Tracking, Watch};
#[cfg(doc)]
use super::{REMEMBERED, Replaces};
use crate::clock::Span;
use crate::envelope::Tag;
use crate::error::Error;
use crate::glob::Glob;

/// The operations on cache entries, and on their tags.
pub trait EntryStore: Send + Sync {
    /// The bytes of an entry, or of a placeholder.
    fn get<'a>(&'a self, key: &'a str) -> Reply<'a, Option<Bytes>>;

    /// The bytes of many entries, in the order of the keys, in one round trip a node, nodes in parallel.
    fn get_many<'a>(&'a self, keys: &'a [String]) -> Reply<'a, Vec<Option<Bytes>>>;

    /// Stores the bytes of an entry; without `expire` it stays until it is deleted.
    fn set<'a>(&'a self, entry: &'a Entry, expire: Option<Span>) -> Reply<'a, ()>;

    /// Stores many entries, in one round trip a node, nodes in parallel. On an error some may have been stored.
    fn set_many<'a>(&'a self, entries: &'a [Entry], expire: Option<Span>) -> Reply<'a, ()>;

    /// Sees whether an entry is to be computed, and claims it for the bid if so and if nobody else computes it. Repeating it is
    /// harmless and has the same answer.
    fn claim<'a>(&'a self, key: &'a str, bid: &'a Bid) -> Reply<'a, Standing>;

    /// Stores values, each for itself, in one round trip a node, nodes in parallel, and tells those who wait for them. False for one
    /// that may not replace what is there ([`Replaces`]): then nothing has changed. Repeating it is harmless and has the same answer.
    fn fill<'a>(&'a self, fillings: &'a [Filling]) -> BoxFuture<'a, Vec<Result<bool, Error>>>;

    /// Makes a claim last longer. False if the entry does not have it any more.
    fn prolong<'a>(&'a self, prolonging: Prolonging<'a>) -> Reply<'a, bool>;

    /// Gives a claim up, so that somebody else can compute the entry, and tells those who wait for it. A value stays for as long as it
    /// would have without the claim. False if the entry does not have the claim any more.
    fn abandon<'a>(&'a self, abandoning: Abandoning<'a>) -> Reply<'a, bool>;

    /// Starts to watch an entry that is being computed. Whatever is heard means that its claim was filled, given up or deleted, or
    /// that this may have been missed. When the answer is there, nothing is missed from then on. All watches of one entry in a process
    /// share one subscription.
    fn watch_entry<'a>(&'a self, key: &'a str) -> Reply<'a, Watch>;

    /// How long an entry has to live, and the tags that it counts with. A placeholder or failure is none.
    fn left<'a>(&'a self, key: &'a str) -> Reply<'a, (Ttl, Vec<Tag>)>;

    /// How long an entry has to live, whatever has become of its tags.
    fn ttl<'a>(&'a self, key: &'a str) -> Reply<'a, Ttl> {
        Box::pin(async move { Ok(self.left(key).await?.0) })
    }

    /// Whether there is such an entry, whatever has become of its tags.
    fn exists<'a>(&'a self, key: &'a str) -> Reply<'a, bool> {
        Box::pin(async move { Ok(self.ttl(key).await? != Ttl::Absent) })
    }

    /// Deletes an entry if it is still the one that was seen, whatever claim it has by now, and tells those who wait for it. Nothing
    /// comes of it for one that nobody can claim. Repeating it is harmless.
    fn discard<'a>(&'a self, key: &'a str, seen: &'a Bytes) -> Reply<'a, ()>;

    /// How each tag stands, in one round trip a node, nodes in parallel; one that is of no generation gets a new one. Repeating it is
    /// harmless. What a tag's key holds is read by [`EntryStore::get_many`]: a [`TagState`](crate::envelope::TagState).
    fn tag<'a>(&'a self, tags: &'a [Tagging]) -> Reply<'a, Vec<Tagged>>;

    /// Ends the generation that a tag is of, in one round trip, and remembers for [`REMEMBERED`] when that was. False if it was of none.
    /// `tag` is its key. Not repeated on a lost connection.
    fn invalidate<'a>(&'a self, tag: &'a str) -> Reply<'a, bool>;

    /// Deletes entries, in one round trip a node, nodes in parallel, and says how many there were. Placeholders and failures are
    /// deleted too, and do not count; those who wait for them are told. Not repeated on a lost connection.
    fn delete<'a>(&'a self, keys: &'a [String]) -> Reply<'a, u64>;

    /// Deletes, on every node and in bounded batches, the entries whose key begins with `prefix` (literally) and for which `chosen`
    /// says so of the rest of the key; on an error some may be. Whoever is there all the while is among them, also where another server
    /// takes the place of a node meanwhile, or keys go from one node to another. How many there were can then be wrong by those that were
    /// being deleted when a node was lost, and by those that its replica had not heard of.
    ///
    /// Tags can be among them ([`crate::names::is_tag`]): they are invalidated, as a value that is being computed may get one of them,
    /// and do not count. `hint` is a pattern that every such rest matches; it only saves work.
    fn delete_matching<'a>(
        &'a self,
        prefix: &'a str,
        hint: &'a Glob,
        chosen: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Reply<'a, u64>;

    /// Looks, on every node and in bounded batches, at the entries that are meant, in no particular order, and tells of each batch.
    /// Whoever is there all the while is met, also where another server takes the place of a node, or keys go from one node to another;
    /// then, and if others come and go, some are met more than once. What another program keeps under such a key is left out where it is
    /// looked at. Placeholders and failures are met too, and looked at likewise.
    fn browse<'a>(&'a self, which: Browse<'a>, tell: Told<'a>) -> Reply<'a, ()>;

    /// Has a mirror told of changes to the entries whose keys begin with `prefix`, whoever makes them, until the answer is dropped:
    /// soon after each, and with a doubt whenever some may have been missed. To be called within a runtime. `None` for a store from
    /// which copies would save nothing.
    fn track(&self, prefix: &str, mirror: Arc<dyn Mirror>) -> Option<Tracking> {
        let _ = (prefix, mirror);
        None
    }
}

/// An entry's key in the store and its bytes.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The whole key, prefix and cache name included.
    pub key: String,
    /// Envelope and payload.
    pub bytes: Bytes,
}

/// How long an entry has to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// There is no such entry.
    Absent,
    /// It stays until it is deleted.
    Persistent,
    /// It lives for this much longer.
    Remaining(Duration),
}
