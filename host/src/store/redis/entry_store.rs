//! The operations on entries.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use redis::Value;

use super::claims::{self, Left, Question};
use super::fault::{Fault, integer, odd};
use super::request::Request;
use super::{RedisStore, browse, delete_matching};
use crate::clock::Span;
use crate::envelope::Tag;
use crate::error::Error;
use crate::glob::Glob;
use crate::store::browse::{Browse, Told};
use crate::store::{
    Abandoning, Bid, Entry, EntryStore, Filling, Mirror, Prolonging, Reply, Standing, Tagged, Tagging, Tracking, Ttl, Watch,
};

impl EntryStore for RedisStore {
    fn get<'a>(&'a self, key: &'a str) -> Reply<'a, Option<Bytes>> {
        async move { bytes(self.ask(Request::Get(key)).await?).map_err(|fault| self.error(fault, key)) }.boxed()
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> Reply<'a, Vec<Option<Bytes>>> {
        async move {
            let replies = self.wire.call_all(keys.iter().map(|key| Request::Get(key))).await;
            keys.iter().zip(replies).map(|(key, reply)| reply.and_then(bytes).map_err(|fault| self.error(fault, key))).collect()
        }
        .boxed()
    }

    fn set<'a>(&'a self, entry: &'a Entry, expire: Option<Span>) -> Reply<'a, ()> {
        self.ask(Request::Set(entry, expire)).map(|reply| reply.map(drop)).boxed()
    }

    fn set_many<'a>(&'a self, entries: &'a [Entry], expire: Option<Span>) -> Reply<'a, ()> {
        async move {
            let replies = self.wire.call_all(entries.iter().map(|entry| Request::Set(entry, expire))).await;
            entries
                .iter()
                .zip(replies)
                .try_for_each(|(entry, reply)| reply.map(drop).map_err(|fault| self.error(fault, &entry.key)))
        }
        .boxed()
    }

    fn claim<'a>(&'a self, key: &'a str, bid: &'a Bid) -> Reply<'a, Standing> {
        async move {
            let reply = self.ask(Request::Entry(Question::Claim(key, bid))).await?;
            claims::standing(reply, bid).map_err(|fault| self.error(fault, key))
        }
        .boxed()
    }

    fn fill<'a>(&'a self, fillings: &'a [Filling]) -> BoxFuture<'a, Vec<Result<bool, Error>>> {
        async move {
            let publish = self.waiter().publish;
            let questions = fillings.iter().map(|filling| Request::Entry(Question::Fill(filling, publish)));
            let replies = self.wire.call_all(questions).await;
            let filled = |(filling, reply): (&Filling, Result<Value, Fault>)| {
                let filled = reply.and_then(|reply| integer(&reply));
                filled.map(|filled| filled != 0).map_err(|fault| self.error(fault, &filling.entry.key))
            };
            fillings.iter().zip(replies).map(filled).collect()
        }
        .boxed()
    }

    fn prolong<'a>(&'a self, prolonging: Prolonging<'a>) -> Reply<'a, bool> {
        async move { Ok(self.number(Request::Entry(Question::Prolong(prolonging))).await? != 0) }.boxed()
    }

    fn abandon<'a>(&'a self, abandoning: Abandoning<'a>) -> Reply<'a, bool> {
        async move {
            let question = Question::Abandon(abandoning, self.waiter().publish);
            Ok(self.number(Request::Entry(question)).await? != 0)
        }
        .boxed()
    }

    fn watch_entry<'a>(&'a self, key: &'a str) -> Reply<'a, Watch> {
        async move { self.hub.watch(key).await.map_err(|fault| self.error(fault, key)) }.boxed()
    }

    fn left<'a>(&'a self, key: &'a str) -> Reply<'a, (Ttl, Vec<Tag>)> {
        async move {
            let reply = self.ask(Request::Entry(Question::Left(key))).await?;
            Ok(match claims::left(&reply).map_err(|fault| self.error(fault, key))? {
                Left::Entry(ttl, tags) => (ttl, tags),
                Left::NoValue(_) => (Ttl::Absent, Vec::new()),
            })
        }
        .boxed()
    }

    fn discard<'a>(&'a self, key: &'a str, seen: &'a Bytes) -> Reply<'a, ()> {
        async move {
            let question = Question::Discard(key, seen, self.waiter().publish);
            self.number(Request::Entry(question)).await.map(drop)
        }
        .boxed()
    }

    fn tag<'a>(&'a self, tags: &'a [Tagging]) -> Reply<'a, Vec<Tagged>> {
        async move {
            let replies = self.wire.call_all(tags.iter().map(|tag| Request::Entry(Question::Tag(tag)))).await;
            let tagged = |(tag, reply): (&Tagging, Result<Value, Fault>)| {
                reply.and_then(|reply| claims::tagged(&reply)).map_err(|fault| self.error(fault, &tag.key))
            };
            tags.iter().zip(replies).map(tagged).collect()
        }
        .boxed()
    }

    fn invalidate<'a>(&'a self, tag: &'a str) -> Reply<'a, bool> {
        async move { Ok(self.number(Request::Entry(Question::Invalidate(tag))).await? != 0) }.boxed()
    }

    fn delete<'a>(&'a self, keys: &'a [String]) -> Reply<'a, u64> {
        async move {
            let publish = self.waiter().publish;
            let replies = self.wire.call_all(keys.iter().map(|key| Request::Entry(Question::Delete(key, publish)))).await;
            let counts = keys.iter().zip(replies).map(|(key, reply)| {
                let count = reply.and_then(|reply| integer(&reply)).map_err(|fault| self.error(fault, key))?;
                Ok(count.unsigned_abs())
            });
            counts.sum()
        }
        .boxed()
    }

    fn delete_matching<'a>(
        &'a self,
        prefix: &'a str,
        hint: &'a Glob,
        chosen: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Reply<'a, u64> {
        async move {
            let deleted = delete_matching::delete_matching(&self.wire, prefix, hint, chosen).await;
            deleted.map_err(|fault| self.error(fault, prefix))
        }
        .boxed()
    }

    fn browse<'a>(&'a self, which: Browse<'a>, tell: Told<'a>) -> Reply<'a, ()> {
        async move { browse::browse(&self.wire, which, tell).await.map_err(|fault| self.error(fault, which.prefix)) }.boxed()
    }

    fn track(&self, prefix: &str, mirror: Arc<dyn Mirror>) -> Option<Tracking> {
        Some(Tracking::new(self.tracker.track(prefix, mirror)))
    }
}

/// A reply that is bytes, or nothing.
fn bytes(reply: Value) -> Result<Option<Bytes>, Fault> {
    match reply {
        Value::Nil => Ok(None),
        // The driver's buffer becomes ours, and nothing is copied.
        Value::BulkString(bytes) => Ok(Some(bytes.into())),
        other => Err(odd("bytes", &other)),
    }
}
