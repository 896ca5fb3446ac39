//! The operations on locks.

use futures_util::future::{BoxFuture, FutureExt};
use redis::Value;

use super::fault::{Fault, integer, said, time_left};
use super::request::{Argument, Request};
use super::script::{self, Deed, Script};
use super::topology::Topology;
use super::{RedisStore, many, sightings, slots};
use crate::clock::Span;
use crate::error::Error;
use crate::names::{LockKeys, Prefix};
use crate::store::{
    Adopted, Attempt, AttemptAll, Broken, Fingerprint, Holding, LockStore, Queueing, Release, Released, Renewal, Reply, Sighting,
    Ticket, Token, Watch, given_up, not_adoptable,
};

impl LockStore for RedisStore {
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
            match done(lock, &reply).as_deref() {
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
            match done(lock, &reply).as_deref() {
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
}

impl RedisStore {
    /// Runs a script on a lock.
    async fn run(&self, script: &'static Script, lock: &LockKeys, token: &Token, argument: Argument<'_>) -> Result<Value, Error> {
        self.ask(Request::Run(script, lock, token, argument)).await
    }
}

/// A reply that is a list of numbers, and behind them why those who wait were not told, if so. What the numbers say was done all the
/// same, so that is no error of whoever let go: those who wait ask by themselves, and are told what they may not do.
fn done(lock: &LockKeys, reply: &Value) -> Option<Vec<i64>> {
    let Value::Array(parts) = reply else { return None };
    let [done @ .., Value::BulkString(why)] = parts.as_slice() else { return integers(parts) };
    let why = String::from_utf8_lossy(why);
    tracing::warn!(lock = lock.name(), why = said(&why), "let go of, but those who wait could not be told");
    integers(done)
}

/// A reply that is a list of numbers.
fn numbers(reply: &Value) -> Option<Vec<i64>> {
    let Value::Array(parts) = reply else { return None };
    integers(parts)
}

fn integers(parts: &[Value]) -> Option<Vec<i64>> {
    parts.iter().map(|part| integer(part).ok()).collect()
}

/// How the scripts tell whether a token holds a lock.
fn holding(left: i64) -> Holding {
    match left {
        -2 => Holding::No,
        left => time_left(left).map_or(Holding::Unlimited, Holding::Left),
    }
}
