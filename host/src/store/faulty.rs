//! A store that loses requests and replies, for the tests of locks and of caches.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::clock::Span;
use crate::error::{Error, Limit, Outage, Unavailable};
use crate::names::{LockKeys, Prefix};
use crate::store::memory::MemoryStore;
use crate::store::{
    Adopted, Attempt, AttemptAll, Broken, Fingerprint, Holding, LockStore, Queueing, Release, Released, Renewal, Replicas, Reply,
    Sighting, Store, Ticket, Token, Watch,
};

mod entries;
mod fleet;

pub(crate) use fleet::Fleet;

/// Operations that can be made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Attempt,
    AttemptAll,
    Adopt,
    Release,
    Extend,
    Renew,
    Holding,
    Watch,
    Claim,
    Fill,
    GetMany,
}

/// How one fails.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
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
pub(crate) struct Faulty {
    pub(crate) inner: MemoryStore,
    /// The fault of an operation, and how often it still comes.
    pub(crate) faults: Mutex<HashMap<Op, (Fault, usize)>>,
    pub(crate) calls: Mutex<HashMap<Op, usize>>,
    /// Makes every operation pause before and after it is done.
    pub(crate) slow: bool,
    pub(crate) fleet: Option<Fleet>,
    /// Keeps every two locks in places that no one step reaches.
    pub(crate) apart: bool,
}

impl Faulty {
    pub(crate) fn fail(&self, op: Op, fault: Fault, times: usize) {
        self.faults.lock().unwrap().insert(op, (fault, times));
    }

    pub(crate) fn calls(&self, op: Op) -> usize {
        self.calls.lock().unwrap().get(&op).copied().unwrap_or(0)
    }

    async fn through<T>(&self, op: Op, done: impl Future<Output = T>) -> Result<T, Error> {
        *self.calls.lock().unwrap().entry(op).or_default() += 1;
        let fault = self.faults.lock().unwrap().get_mut(&op).and_then(|(fault, times)| {
            *times = times.checked_sub(1)?;
            Some(*fault)
        });
        let lost = || Unavailable { store: "faulty:".into(), why: Outage::TimedOut(Duration::from_secs(1)) }.into();
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
        Box::pin(async move { self.through(Op::Extend, self.inner.extend(lock, token, by)).await? })
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
        Box::pin(async move { self.through(Op::Holding, self.inner.holding(lock, token)).await? })
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
