//! Locks over several names at once: all of them or none.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use tracing::Instrument;

use super::options::Terms;
use super::{Guard, Kind, Lock, LockOptions, Locks, metrics};
use crate::clock::Wait;
use crate::error::{Error, Invalid, Limit, LossReason};
use crate::names::{LockKeys, Share};

mod round;

/// How many names one such lock can have.
const MOST: usize = 100;

/// A lock over several names, not (yet) held. Clones are cheap.
///
/// Who holds it holds the plain lock of each name, so it excludes those, foreign ones included, and is excluded by them. If all are
/// free it takes them in one step. If not, it waits for one after the other, in the same order as everybody, so that no two wait for
/// each other; what it has by then is renewed meanwhile, and the last step makes sure that it has all.
#[derive(Debug, Clone)]
pub struct MultiLock {
    /// By their keys, each once.
    locks: Arc<[Lock]>,
}

impl MultiLock {
    /// As [`Locks::open_many`] says.
    pub(super) fn open<N: AsRef<str>>(
        locks: &Locks,
        names: impl IntoIterator<Item = N>,
        options: LockOptions,
    ) -> Result<Self, Error> {
        if options.kind == Kind::Quorum {
            return Err(Invalid::NotYet { what: "a lock over several names of kind quorum", instead: "use kind simple" }.into());
        }
        let terms = Terms { among_several: true, ..Terms::parse(options, locks.quorum)? };
        let mut opened: Vec<Lock> = Vec::new();
        for name in names {
            let lock = locks.lock(name.as_ref(), Share::Alone, terms)?;
            let Err(place) = opened.binary_search_by(|other| other.keys.key().cmp(lock.keys.key())) else { continue };
            if opened.len() == MOST {
                return Err(Limit::Count { what: "names of one lock", max: MOST as u64 }.into());
            }
            opened.insert(place, lock);
        }
        let first = opened.first().ok_or(Invalid::NoNames)?;
        let store = locks.shared.lines.store();
        if let Some(other) = opened.iter().find(|other| !store.same_step(&first.keys, &other.keys)) {
            return Err(Invalid::Apart { one: first.name().to_owned(), other: other.name().to_owned() }.into());
        }
        Ok(Self { locks: opened.into() })
    }

    /// The names, without the prefix, each once and in the order in which they are waited for.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.locks.iter().map(Lock::name)
    }

    /// Takes all of the locks. `None` when `wait` is over and somebody else still holds one of them; then it holds none.
    ///
    /// It can be dropped at any await, and tries again while the store cannot be reached, as [`Lock::acquire`] does.
    ///
    /// # Errors
    /// As of [`Lock::acquire`].
    pub async fn acquire(&self, wait: Wait) -> Result<Option<MultiGuard>, Error> {
        let Some(first) = self.locks.first() else { return Err(Invalid::NoNames.into()) };
        let (kind, names) = (first.label(), self.locks.len());
        let span = tracing::debug_span!("acquire", lock = first.name(), kind = kind.as_str(), names);
        let waiting = metrics::Waiting::begin(kind);
        let outcome = round::acquire(&self.locks, wait).instrument(span).await;
        waiting.end(&outcome);
        outcome
    }

    fn keys(locks: &[Lock]) -> Vec<LockKeys> {
        locks.iter().map(|lock| LockKeys::clone(&lock.keys)).collect()
    }
}

/// A held lock over several names. Dropping it releases all of them in the background, as that of a [`Guard`] does.
///
/// Once one of its locks is lost, all are: the others are released.
#[derive(Debug)]
#[must_use = "the locks are released when their guard is dropped"]
pub struct MultiGuard {
    fence: u64,
    guards: Vec<Guard>,
}

impl MultiGuard {
    /// The guards of all names. From here on the loss of one is the loss of all.
    fn new(fence: u64, guards: Vec<Guard>) -> Self {
        let held: Vec<_> = guards.iter().map(|guard| Arc::clone(&guard.held)).collect();
        if let Some(first) = guards.first().filter(|_| guards.len() > 1) {
            first.held.runtime.spawn(async move {
                let (why, ..) = select_all(held.iter().map(|held| Box::pin(held.lost()))).await;
                // A release is of all of them already.
                if why != LossReason::Released {
                    for held in &held {
                        held.fall(why);
                    }
                }
            });
        }
        Self { fence, guards }
    }

    /// A number strictly larger than that of every earlier holder of each of these locks, alone or with others. Send it along with
    /// what they protect, and let the receiver refuse smaller ones.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// The names, without the prefix.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.guards.iter().map(Guard::name)
    }

    /// Adds `by` to the time that is left of each lock, as [`Guard::extend`] does.
    ///
    /// # Errors
    /// As of [`Guard::extend`]; if it fails, time may have been added to some.
    pub async fn extend(&self, by: Duration) -> Result<(), Error> {
        join_all(self.guards.iter().map(|guard| guard.extend(by))).await.into_iter().collect()
    }

    /// Resets the time that is left of each lock to a full lease, as [`Guard::renew`] does.
    ///
    /// # Errors
    /// As of [`Guard::renew`]; if it fails, some may have been renewed.
    pub async fn renew(&self) -> Result<(), Error> {
        join_all(self.guards.iter().map(Guard::renew)).await.into_iter().collect()
    }

    /// The time that is left by the store's clock, of the lock that has least; `None` without a lease.
    ///
    /// # Errors
    /// As of [`Guard::remaining`].
    pub async fn remaining(&self) -> Result<Option<Duration>, Error> {
        let left: Vec<_> = join_all(self.guards.iter().map(Guard::remaining)).await.into_iter().collect::<Result<_, _>>()?;
        Ok(left.into_iter().flatten().min())
    }

    /// Asks the store whether this guard still holds all of the locks.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn held(&self) -> Result<bool, Error> {
        let held: Vec<_> = join_all(self.guards.iter().map(Guard::held)).await.into_iter().collect::<Result<_, _>>()?;
        Ok(held.into_iter().all(|held| held))
    }

    /// Waits until one of the locks is known to be lost, and with it all, as [`Guard::lost`] does. Returns at once after
    /// [`MultiGuard::release`].
    pub async fn lost(&self) -> LossReason {
        select_all(self.guards.iter().map(|guard| Box::pin(guard.lost()))).await.0
    }

    /// Lets go of all locks, now. What fails because the store cannot be reached goes on in the background, as with
    /// [`Guard::release`].
    ///
    /// # Errors
    /// [`Error::NotHeld`] if one was lost, or they were let go before; [`Error::Unavailable`] if the store cannot be reached. Those
    /// that were held are let go of nevertheless.
    pub async fn release(&self) -> Result<(), Error> {
        join_all(self.guards.iter().map(Guard::release)).await.into_iter().collect()
    }
}
