//! Locks of any kind, behind one face.

use std::time::Duration;

use bellwether::Error;
use bellwether::clock::Wait;
use bellwether::error::LossReason;
use bellwether::lock::{Guard, Lock, Locks, MultiGuard, MultiLock, RwLock, Semaphore};
use futures_util::FutureExt;

use crate::history::Share;
use crate::kind::{Kind, PERMITS};

/// A lock that can be taken. A kind with an interface of its own gets a variant here.
#[derive(Debug, Clone)]
pub(super) enum Opened {
    /// One that a single holder has.
    Whole(Lock),
    /// One that many readers have, or one writer.
    Rw(RwLock),
    /// One that so many holders have.
    Semaphore(Semaphore),
    /// Several that a single holder has.
    Several(MultiLock),
}

/// A lock that was taken.
#[derive(Debug)]
pub(super) enum Taken {
    /// One name.
    One(Guard),
    /// Several names.
    All(MultiGuard),
}

impl Opened {
    /// Opens the lock of a kind with these names, of which only some kinds can have more than one.
    pub(super) fn open(kind: Kind, locks: &Locks, names: &[String], renew: bool) -> Result<Self, Error> {
        let name = names.first().map_or("", String::as_str);
        let options = kind.options(name, renew);
        Ok(match kind {
            Kind::Rw => Self::Rw(locks.open_rw(name, options)?),
            Kind::Semaphore => Self::Semaphore(locks.open_semaphore(name, PERMITS, options)?),
            Kind::Several if names.len() > 1 => Self::Several(locks.open_many(names, options)?),
            Kind::Simple | Kind::Fair | Kind::Quorum | Kind::Several => Self::Whole(locks.open(name, options)?),
        })
    }

    /// What a holder will have of it.
    pub(super) fn share(&self, random: &mut fastrand::Rng) -> Share {
        match self {
            Self::Rw(_) if random.u8(..3) > 0 => Share::Read,
            Self::Whole(_) | Self::Several(_) | Self::Rw(_) => Share::Whole,
            Self::Semaphore(_) => Share::Permit(PERMITS),
        }
    }

    /// Takes it.
    pub(super) async fn acquire(&self, share: Share, wait: Wait) -> Result<Option<Taken>, Error> {
        Ok(match self {
            Self::Whole(lock) => lock.acquire(wait).await?.map(Taken::One),
            Self::Rw(lock) if share == Share::Read => lock.read(wait).await?.map(Taken::One),
            Self::Rw(lock) => lock.write(wait).await?.map(Taken::One),
            Self::Semaphore(semaphore) => semaphore.acquire(wait).await?.map(Taken::One),
            Self::Several(locks) => locks.acquire(wait).await?.map(Taken::All),
        })
    }

    /// Takes over what was handed over.
    pub(super) async fn adopt(&self, token: &str) -> Result<Option<Taken>, Error> {
        match self {
            Self::Whole(lock) => lock.adopt(token).await.map(|guard| Some(Taken::One(guard))),
            // They have no such thing.
            Self::Rw(_) | Self::Semaphore(_) | Self::Several(_) => Ok(None),
        }
    }
}

/// Whether anybody holds any of a lock.
pub(crate) async fn is_held(kind: Kind, locks: &Locks, name: &str) -> Result<bool, Error> {
    let options = Kind::Simple.options(name, true);
    match kind {
        Kind::Rw => locks.open_rw(name, options)?.is_locked().await,
        Kind::Semaphore => Ok(locks.open_semaphore(name, PERMITS, options)?.available().await? < PERMITS),
        Kind::Simple | Kind::Fair | Kind::Quorum | Kind::Several => locks.open(name, options)?.is_locked().await,
    }
}

impl Taken {
    pub(super) fn fence(&self) -> u64 {
        match self {
            Self::One(guard) => guard.fence(),
            Self::All(guard) => guard.fence(),
        }
    }

    /// How it was lost, if that is known by now.
    pub(super) fn loss(&self) -> Option<LossReason> {
        match self {
            Self::One(guard) => guard.lost().now_or_never(),
            Self::All(guard) => guard.lost().now_or_never(),
        }
    }

    /// Adds to the time that is left.
    pub(super) async fn extend(&self, by: Duration) -> Result<(), Error> {
        match self {
            Self::One(guard) => guard.extend(by).await,
            Self::All(guard) => guard.extend(by).await,
        }
    }

    /// Resets the time that is left to a full lease.
    pub(super) async fn renew(&self) -> Result<(), Error> {
        match self {
            Self::One(guard) => guard.renew().await,
            Self::All(guard) => guard.renew().await,
        }
    }

    pub(super) async fn release(&self) -> Result<(), Error> {
        match self {
            Self::One(guard) => guard.release().await,
            Self::All(guard) => guard.release().await,
        }
    }

    /// Gives the token for [`Opened::adopt`] of what it was taken of, if that has such a thing.
    pub(super) async fn hand_over(&self, opened: &Opened) -> Result<Option<String>, Error> {
        match (self, opened) {
            (Self::One(guard), Opened::Whole(_)) => guard.hand_over().await.map(Some),
            _ => Ok(None),
        }
    }
}
