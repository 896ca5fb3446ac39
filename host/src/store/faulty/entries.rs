//! Of what is done with entries, claims and fills can fail, and to get many, as tags are.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Faulty, Op};
use crate::clock::Span;
use crate::envelope::Tag;
use crate::error::Error;
use crate::glob::Glob;
use crate::store::browse::{Browse, Told};
use crate::store::{Abandoning, Bid, Entry, EntryStore, Filling, Prolonging, Reply, Standing, Tagged, Tagging, Ttl, Watch};

impl EntryStore for Faulty {
    fn claim<'a>(&'a self, key: &'a str, bid: &'a Bid) -> Reply<'a, Standing> {
        Box::pin(async move { self.through(Op::Claim, self.inner.claim(key, bid)).await? })
    }

    fn fill<'a>(&'a self, fillings: &'a [Filling]) -> BoxFuture<'a, Vec<Result<bool, Error>>> {
        Box::pin(async move {
            match self.through(Op::Fill, self.inner.fill(fillings)).await {
                Ok(filled) => filled,
                Err(error) => vec![Err(error); fillings.len()],
            }
        })
    }

    fn prolong<'a>(&'a self, prolonging: Prolonging<'a>) -> Reply<'a, bool> {
        self.inner.prolong(prolonging)
    }

    fn abandon<'a>(&'a self, abandoning: Abandoning<'a>) -> Reply<'a, bool> {
        self.inner.abandon(abandoning)
    }

    fn watch_entry<'a>(&'a self, key: &'a str) -> Reply<'a, Watch> {
        self.inner.watch_entry(key)
    }

    fn get<'a>(&'a self, key: &'a str) -> Reply<'a, Option<Bytes>> {
        self.inner.get(key)
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> Reply<'a, Vec<Option<Bytes>>> {
        Box::pin(async move { self.through(Op::GetMany, self.inner.get_many(keys)).await? })
    }

    fn set<'a>(&'a self, entry: &'a Entry, expire: Option<Span>) -> Reply<'a, ()> {
        self.inner.set(entry, expire)
    }

    fn set_many<'a>(&'a self, entries: &'a [Entry], expire: Option<Span>) -> Reply<'a, ()> {
        self.inner.set_many(entries, expire)
    }

    fn left<'a>(&'a self, key: &'a str) -> Reply<'a, (Ttl, Vec<Tag>)> {
        self.inner.left(key)
    }

    fn discard<'a>(&'a self, key: &'a str, seen: &'a Bytes) -> Reply<'a, ()> {
        self.inner.discard(key, seen)
    }

    fn tag<'a>(&'a self, tags: &'a [Tagging]) -> Reply<'a, Vec<Tagged>> {
        self.inner.tag(tags)
    }

    fn invalidate<'a>(&'a self, tag: &'a str) -> Reply<'a, bool> {
        self.inner.invalidate(tag)
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> Reply<'a, u64> {
        self.inner.delete(keys)
    }

    fn delete_matching<'a>(
        &'a self,
        prefix: &'a str,
        hint: &'a Glob,
        chosen: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Reply<'a, u64> {
        self.inner.delete_matching(prefix, hint, chosen)
    }

    fn browse<'a>(&'a self, which: Browse<'a>, tell: Told<'a>) -> Reply<'a, ()> {
        self.inner.browse(which, tell)
    }
}
