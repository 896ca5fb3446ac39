//! The operations on locks, each on the table that its lock is in.

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::{BATCH, MemoryStore, open};
use crate::clock::Span;
use crate::error::Error;
use crate::names::{LockKeys, Prefix};
use crate::store::{
    Adopted, Attempt, AttemptAll, Broken, Fingerprint, Holding, LockStore, Queueing, Release, Released, Renewal, Reply, Sighting,
    Store, Ticket, Token, Watch, given_up, not_adoptable,
};

impl LockStore for MemoryStore {
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
}

impl MemoryStore {
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
