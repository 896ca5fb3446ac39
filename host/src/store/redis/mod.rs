//! Stores on Redis: a single server, the primary that Sentinels watch, or a cluster.
//!
//! There is one connection for requests to each server that keeps data, shared by all, and one for subscriptions to each server
//! that has a watched lock. Both are made anew when they are lost.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use redis::Value;

use super::address::{RedisAddress, Topology as Kind};
use super::browse::{Browse, Told};
use super::{
    Adopted, Attempt, AttemptAll, Bid, Broken, Entry, Filling, Fingerprint, Holding, Mirror, Prolonging, Queueing, Release,
    Released, Renewal, Replicas, Reply, Sighting, Standing, Store, StoreOptions, Tagged, Tagging, Ticket, Token, Tracking, Ttl,
    Watch, given_up, not_adoptable,
};
use crate::clock::Span;
use crate::envelope::{Claim, Tag};
use crate::error::Error;
use crate::glob::Glob;
use crate::names::{LockKeys, Prefix};

mod browse;
mod claims;
mod clock;
mod cluster;
mod connect;
mod fault;
mod followers;
mod link;
mod many;
mod map;
mod primary;
mod replicas;
mod request;
mod scan;
mod script;
mod sentinels;
mod sightings;
mod slots;
mod subscribe;
mod topology;
mod tracking;
mod wire;

use claims::Question;
use clock::ServerClock;
use cluster::Cluster;
use connect::Connector;
use fault::{Fault, integer, odd, time_left};
use link::Link;
use primary::Primary;
use replicas::RedisReplicas;
use request::{Argument, Request, Waiter};
use script::{Deed, Script};
use subscribe::Hub;
use topology::Topology;
use tracking::Tracker;
use wire::Wire;

/// A store on one or more Redis servers, version 6.2 or later.
#[derive(Debug)]
pub struct RedisStore {
    address: String,
    wire: Wire,
    hub: Hub,
    tracker: Tracker,
    clock: ServerClock,
    /// What this process is called among those who wait for a lock. Random, and no secret.
    client: String,
    replicas: RedisReplicas,
}

impl RedisStore {
    /// Connects to the store at an address.
    ///
    /// # Errors
    /// [`crate::error::Invalid::StoreUrl`] for certificates that cannot be read, [`Error::Unavailable`] for a store that cannot be
    /// reached in time or refuses the credentials.
    pub async fn connect(address: &RedisAddress, options: &StoreOptions) -> Result<Self, Error> {
        let shown = address.to_string();
        let connector = Connector::new(address, options.connect_timeout)?;
        let topology = connected(connector, address, options).await.map_err(|fault| fault.into_error(&shown, ""))?;
        let client = Token::random()?.as_str().to_owned();
        let hub = Hub::new(topology.clone(), options.response_timeout);
        let replicas = RedisReplicas::new(shown.clone(), topology.clone(), options.response_timeout);
        let tracker = Tracker::new(topology.clone(), options.response_timeout);
        let clock = ServerClock::new(topology.clone(), options.response_timeout);
        clock.ask().await;
        Ok(Self { address: shown, wire: Wire::new(topology, options.response_timeout), hub, tracker, clock, client, replicas })
    }

    /// This process, among those who wait for a lock.
    fn waiter(&self) -> Waiter<'_> {
        Waiter { client: &self.client, publish: self.wire.topology().publish() }
    }

    /// Runs a script on a lock.
    async fn run(&self, script: &'static Script, lock: &LockKeys, token: &Token, argument: Argument<'_>) -> Result<Value, Error> {
        self.ask(Request::Run(script, lock, token, argument)).await
    }

    async fn ask(&self, request: Request<'_>) -> Result<Value, Error> {
        self.wire.call(request).await.map_err(|fault| {
            let key = request.blamed(fault.code());
            self.error(fault, key)
        })
    }

    /// Has a number answered.
    async fn number(&self, request: Request<'_>) -> Result<i64, Error> {
        let reply = self.ask(request).await?;
        integer(&reply).map_err(|fault| self.error(fault, request.key()))
    }

    fn error(&self, fault: Fault, key: &str) -> Error {
        fault.into_error(&self.address, key)
    }

    fn odd(&self, wanted: &str, reply: &Value) -> Error {
        self.error(odd(wanted, reply), "")
    }
}

/// The servers of an address, once they can be reached.
async fn connected(connector: Connector, address: &RedisAddress, options: &StoreOptions) -> Result<Topology, Fault> {
    let deadline = tokio::time::Instant::now() + options.connect_timeout;
    let timeout: Duration = options.response_timeout;
    match address.topology {
        Kind::Server | Kind::Sentinel { .. } => {
            let link = Link::new(connector, timeout, None);
            link.live(deadline).await?;
            Ok(Topology::One(Primary::new(link.into(), timeout)))
        }
        Kind::Cluster => {
            let seeds = address.endpoints.clone();
            Cluster::connect(connector, seeds, timeout, deadline).await.map(Topology::Many)
        }
    }
}

impl Store for RedisStore {
    fn address(&self) -> &str {
        &self.address
    }

    fn check(&self) -> Reply<'_, ()> {
        async move {
            match self.wire.call(Request::Probe).await {
                Ok(_) => Ok(()),
                // A user who may only touch some keys has come as far as can be told without one of them.
                Err(fault) if fault.code() == "NOPERM" => Ok(()),
                Err(fault) => Err(self.error(fault, Request::Probe.key())),
            }
        }
        .boxed()
    }

    fn replicas(&self) -> Option<&dyn Replicas> {
        Some(&self.replicas)
    }

    fn attempt<'a>(&'a self, lock: &'a LockKeys, ticket: &'a Ticket, queueing: Queueing) -> Reply<'a, Attempt> {
        async move {
            let argument = Argument::Queueing(self.waiter(), queueing, ticket);
            let reply = self.run(Deed::Acquire.script(lock), lock, &ticket.token, argument).await?;
            match numbers(&reply).as_deref() {
                Some([1, fence]) => Ok(Attempt::Acquired { fence: fence.unsigned_abs() }),
                Some([0, left, fence]) => Ok(Attempt::Busy { lease_left: time_left(*left), fence: fence.unsigned_abs() }),
                Some([2]) => Err(given_up(&self.address)),
                _ => Err(self.odd("an attempt's outcome", &reply)),
            }
        }
        .boxed()
    }

    fn attempt_all<'a>(&'a self, locks: &'a [LockKeys], ticket: &'a Ticket, fair: bool) -> Reply<'a, AttemptAll> {
        many::attempt(self, locks, ticket, fair).boxed()
    }

    fn same_step(&self, one: &LockKeys, other: &LockKeys) -> bool {
        matches!(self.wire.topology(), Topology::One(_)) || slots::slot(one.key()) == slots::slot(other.key())
    }

    fn adopt<'a>(&'a self, lock: &'a LockKeys, old: &'a Token, new: &'a Token) -> Reply<'a, Option<Adopted>> {
        async move {
            not_adoptable(lock)?;
            let reply = self.run(&script::ADOPT, lock, old, Argument::Token(new)).await?;
            match numbers(&reply).as_deref() {
                Some([]) => Ok(None),
                Some([fence, left]) => Ok(Some(Adopted { fence: fence.unsigned_abs(), lease_left: time_left(*left) })),
                _ => Err(self.odd("an adoption's outcome", &reply)),
            }
        }
        .boxed()
    }

    fn release<'a>(&'a self, lock: &'a LockKeys, release: Release<'a>) -> Reply<'a, Released> {
        async move {
            let reply = self.run(Deed::Release.script(lock), lock, release.token, Argument::Next(self.waiter(), release)).await?;
            match numbers(&reply).as_deref() {
                Some([0]) => Ok(Released::NotHeld),
                Some([1]) => Ok(Released::Now),
                Some([2]) => Ok(Released::Before),
                Some([3, fence]) => Ok(Released::Passed { fence: fence.unsigned_abs() }),
                _ => Err(self.odd("a release's outcome", &reply)),
            }
        }
        .boxed()
    }

    fn extend<'a>(&'a self, lock: &'a LockKeys, token: &'a Token, by: Span) -> Reply<'a, Holding> {
        self.number(Request::Run(Deed::Extend.script(lock), lock, token, Argument::Time(Some(by))))
            .map(|left| left.map(holding))
            .boxed()
    }

    fn renew<'a>(&'a self, renewals: &'a [Renewal]) -> BoxFuture<'a, Vec<Result<Holding, Error>>> {
        async move {
            let request = |renewal: &'a Renewal| {
                Request::Run(Deed::Renew.script(&renewal.lock), &renewal.lock, &renewal.token, Argument::Time(renewal.lease))
            };
            let replies = self.wire.call_all(renewals.iter().map(request)).await;
            let outcome = |(renewal, reply): (&Renewal, Result<Value, Fault>)| {
                let left = reply.and_then(|reply| integer(&reply));
                left.map(holding).map_err(|fault| self.error(fault, renewal.lock.key()))
            };
            renewals.iter().zip(replies).map(outcome).collect()
        }
        .boxed()
    }

    fn holding<'a>(&'a self, lock: &'a LockKeys, token: &'a Token) -> Reply<'a, Holding> {
        self.number(Request::Run(Deed::Holding.script(lock), lock, token, Argument::None)).map(|left| left.map(holding)).boxed()
    }

    fn is_locked<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, bool> {
        self.number(Request::Exists(lock.key())).map(|count| count.map(|count| count > 0)).boxed()
    }

    fn holders<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, u64> {
        async move {
            if lock.share().is_alone() {
                return self.is_locked(lock).await.map(u64::from);
            }
            self.number(Request::Count(lock)).await.map(i64::unsigned_abs)
        }
        .boxed()
    }

    fn sight<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, Option<Sighting>> {
        async move {
            let reply = self.ask(Request::Sight(lock)).await?;
            sightings::sighting(lock, &reply).map_err(|fault| self.error(fault, lock.key()))
        }
        .boxed()
    }

    fn sightings<'a>(&'a self, prefix: &'a Prefix) -> Reply<'a, Vec<Sighting>> {
        async move { sightings::sightings(&self.wire, prefix).await.map_err(|fault| self.error(fault, prefix.as_str())) }.boxed()
    }

    fn break_lock<'a>(&'a self, lock: &'a LockKeys, seen: &'a Fingerprint) -> Reply<'a, Broken> {
        async move {
            let reply = self.ask(Request::Break(lock, seen, self.waiter().publish)).await?;
            match numbers(&reply).as_deref() {
                Some([1, fence, held]) => Ok(Broken::Yes { fence: fence.unsigned_abs(), handed_on: *held != 0 }),
                Some([0]) => Ok(Broken::Free),
                Some([2]) => Ok(Broken::ChangedHands),
                _ => Err(self.odd("what breaking a lock came to", &reply)),
            }
        }
        .boxed()
    }

    fn watch<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, Watch> {
        async move {
            let channel = format!("{}{}", lock.channel(), self.client);
            self.hub.watch(&channel).await.map_err(|fault| self.error(fault, &channel))
        }
        .boxed()
    }

    fn track(&self, prefix: &str, mirror: Arc<dyn Mirror>) -> Option<Tracking> {
        Some(Tracking::new(self.tracker.track(prefix, mirror)))
    }

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

    fn now(&self) -> u64 {
        self.clock.now()
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

    fn abandon<'a>(&'a self, key: &'a str, claim: Claim, rest: Option<Span>) -> Reply<'a, bool> {
        async move {
            let question = Question::Abandon(key, claim, rest, self.waiter().publish);
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
            claims::left(&reply).map_err(|fault| self.error(fault, key))
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
        async move { scan::delete_matching(&self.wire, prefix, hint, chosen).await.map_err(|fault| self.error(fault, prefix)) }
            .boxed()
    }

    fn browse<'a>(&'a self, which: Browse<'a>, tell: Told<'a>) -> Reply<'a, ()> {
        async move { browse::browse(&self.wire, which, tell).await.map_err(|fault| self.error(fault, which.prefix)) }.boxed()
    }
}

/// A reply that is a list of numbers.
fn numbers(reply: &Value) -> Option<Vec<i64>> {
    let Value::Array(parts) = reply else { return None };
    parts.iter().map(|part| integer(part).ok()).collect()
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

/// How the scripts tell whether a token holds a lock.
fn holding(left: i64) -> Holding {
    match left {
        -2 => Holding::No,
        left => time_left(left).map_or(Holding::Unlimited, Holding::Left),
    }
}
