//! The rules together, on the embedded store with a paused clock, and on one that loses requests and replies.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use super::{Lock, LockOptions, Locks};
use crate::clock::Span;
use crate::envelope::{Claim, Tag};
use crate::error::{Error, Limit, Outage, Unavailable};
use crate::glob::Glob;
use crate::names::{LockKeys, Prefix};
use crate::store::browse::{Browse, Told};
use crate::store::memory::MemoryStore;
use crate::store::{
    Adopted, Attempt, AttemptAll, Bid, Broken, Entry, EntryStore, Filling, Fingerprint, Holding, LockStore, Prolonging, Queueing,
    Release, Released, Renewal, Replicas, Reply, Sighting, Standing, Store, Tagged, Tagging, Ticket, Token, Ttl, Watch,
};

mod acquire;
mod cancel;
mod class;
mod guard;
mod many;
mod metrics;
mod quorum;
mod shared;
mod sightings;
mod watchdog;

const SECOND: Duration = Duration::from_secs(1);

/// Operations that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Op {
    Attempt,
    AttemptAll,
    Adopt,
    Release,
    Renew,
    Watch,
}

/// How one fails.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Done, and the reply is lost.
    ReplyLost,
    /// Not done, and the outcome is unknown.
    RequestLost,
    /// Not done, and refused for good.
    Refused,
    /// Not done, as the store is full.
    Full,
    /// Not done, and never answered.
    Hangs,
    /// Done, and answered late.
    Late(Duration),
}

/// The embedded store, on a bad line.
#[derive(Debug, Default)]
struct Faulty {
    inner: MemoryStore,
    /// The fault of an operation, and how often it still comes.
    faults: Mutex<HashMap<Op, (Fault, usize)>>,
    calls: Mutex<HashMap<Op, usize>>,
    /// Makes every operation pause before and after it is done.
    slow: bool,
    fleet: Option<quorum::Fleet>,
    /// Keeps every two locks in places that no one step reaches.
    apart: bool,
}

impl Faulty {
    fn fail(&self, op: Op, fault: Fault, times: usize) {
        self.faults.lock().unwrap().insert(op, (fault, times));
    }

    fn calls(&self, op: Op) -> usize {
        self.calls.lock().unwrap().get(&op).copied().unwrap_or(0)
    }

    async fn through<T>(&self, op: Op, done: impl Future<Output = T>) -> Result<T, Error> {
        *self.calls.lock().unwrap().entry(op).or_default() += 1;
        let fault = self.faults.lock().unwrap().get_mut(&op).and_then(|(fault, times)| {
            *times = times.checked_sub(1)?;
            Some(*fault)
        });
        let lost = || Unavailable { store: "faulty:".into(), why: Outage::TimedOut(SECOND) }.into();
        match fault {
            None if self.slow => {
                tokio::task::yield_now().await;
                let answer = done.await;
                tokio::task::yield_now().await;
                Ok(answer)
            }
            None => Ok(done.await),
            Some(Fault::ReplyLost) => {
                done.await;
                Err(lost())
            }
            Some(Fault::RequestLost) => Err(lost()),
            Some(Fault::Refused) => {
                Err(Unavailable { store: "faulty:".into(), why: Outage::Failed("ERR unknown command".into()) }.into())
            }
            Some(Fault::Full) => Err(Limit::StoreFull { store: "faulty:".into(), why: "OOM".into() }.into()),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Late(by)) => {
                let answer = done.await;
                tokio::time::sleep(by).await;
                Ok(answer)
            }
        }
    }
}

impl Store for Faulty {
    fn address(&self) -> &'static str {
        "faulty:"
    }

    fn check(&self) -> Reply<'_, ()> {
        self.inner.check()
    }

    fn replicas(&self) -> Option<&dyn Replicas> {
        self.fleet.as_ref().map(|fleet| fleet as &dyn Replicas)
    }
    fn now(&self) -> u64 {
        self.inner.now()
    }
}

impl LockStore for Faulty {
    fn attempt<'a>(&'a self, lock: &'a LockKeys, ticket: &'a Ticket, queueing: Queueing) -> Reply<'a, Attempt> {
        Box::pin(async move { self.through(Op::Attempt, self.inner.attempt(lock, ticket, queueing)).await? })
    }

    fn attempt_all<'a>(&'a self, locks: &'a [LockKeys], ticket: &'a Ticket, fair: bool) -> Reply<'a, AttemptAll> {
        Box::pin(async move { self.through(Op::AttemptAll, self.inner.attempt_all(locks, ticket, fair)).await? })
    }

    fn same_step(&self, one: &LockKeys, other: &LockKeys) -> bool {
        !(self.apart && one.key() != other.key())
    }

    fn adopt<'a>(&'a self, lock: &'a LockKeys, old: &'a Token, new: &'a Token) -> Reply<'a, Option<Adopted>> {
        Box::pin(async move { self.through(Op::Adopt, self.inner.adopt(lock, old, new)).await? })
    }

    fn release<'a>(&'a self, lock: &'a LockKeys, release: Release<'a>) -> Reply<'a, Released> {
        Box::pin(async move { self.through(Op::Release, self.inner.release(lock, release)).await? })
    }

    fn extend<'a>(&'a self, lock: &'a LockKeys, token: &'a Token, by: Span) -> Reply<'a, Holding> {
        self.inner.extend(lock, token, by)
    }

    fn renew<'a>(&'a self, renewals: &'a [Renewal]) -> BoxFuture<'a, Vec<Result<Holding, Error>>> {
        Box::pin(async move {
            match self.through(Op::Renew, self.inner.renew(renewals)).await {
                Ok(answers) => answers,
                Err(error) => vec![Err(error); renewals.len()],
            }
        })
    }

    fn holding<'a>(&'a self, lock: &'a LockKeys, token: &'a Token) -> Reply<'a, Holding> {
        self.inner.holding(lock, token)
    }

    fn is_locked<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, bool> {
        self.inner.is_locked(lock)
    }

    fn holders<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, u64> {
        self.inner.holders(lock)
    }

    fn sight<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, Option<Sighting>> {
        self.inner.sight(lock)
    }

    fn sightings<'a>(&'a self, prefix: &'a Prefix) -> Reply<'a, Vec<Sighting>> {
        self.inner.sightings(prefix)
    }

    fn break_lock<'a>(&'a self, lock: &'a LockKeys, seen: &'a Fingerprint) -> Reply<'a, Broken> {
        self.inner.break_lock(lock, seen)
    }

    fn watch<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, Watch> {
        Box::pin(async move { self.through(Op::Watch, self.inner.watch(lock)).await? })
    }
}

impl EntryStore for Faulty {
    fn claim<'a>(&'a self, key: &'a str, bid: &'a Bid) -> Reply<'a, Standing> {
        self.inner.claim(key, bid)
    }

    fn fill<'a>(&'a self, fillings: &'a [Filling]) -> BoxFuture<'a, Vec<Result<bool, Error>>> {
        self.inner.fill(fillings)
    }

    fn prolong<'a>(&'a self, prolonging: Prolonging<'a>) -> Reply<'a, bool> {
        self.inner.prolong(prolonging)
    }

    fn abandon<'a>(&'a self, key: &'a str, claim: Claim, rest: Option<Span>) -> Reply<'a, bool> {
        self.inner.abandon(key, claim, rest)
    }

    fn watch_entry<'a>(&'a self, key: &'a str) -> Reply<'a, Watch> {
        self.inner.watch_entry(key)
    }

    fn get<'a>(&'a self, key: &'a str) -> Reply<'a, Option<Bytes>> {
        self.inner.get(key)
    }

    fn get_many<'a>(&'a self, keys: &'a [String]) -> Reply<'a, Vec<Option<Bytes>>> {
        self.inner.get_many(keys)
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

/// A store that works, and its locks.
fn setup() -> (Arc<Faulty>, Locks) {
    let store = Arc::new(Faulty::default());
    let locks = Locks::new(Arc::clone(&store) as Arc<dyn Store>);
    (store, locks)
}

/// The lock `lock` with a lease of 30 s that is renewed, and pauses that are far longer than any wake-up takes.
fn lock(locks: &Locks) -> Lock {
    locks.open("lock", LockOptions { retry: 20 * SECOND, ..LockOptions::default() }).unwrap()
}

/// The lock `lock` with a lease of 3 s that is not renewed.
fn passing(locks: &Locks) -> Lock {
    locks
        .open("lock", LockOptions { lease: Some(3 * SECOND), renew: false, retry: 2 * SECOND, ..LockOptions::default() })
        .unwrap()
}
