//! Locks of any kind, behind one face.

use std::time::Duration;

use bellwether::Error;
use bellwether::clock::Wait;
use bellwether::error::LossReason;
use bellwether::lock::{Guard, Lock, Locks};
use futures_util::FutureExt;

use crate::history::Share;
use crate::kind::Kind;

/// A lock that can be taken. A kind with an interface of its own gets a variant here.
#[derive(Debug, Clone)]
pub(super) enum Opened {
    /// One that a single holder has.
    Whole(Lock),
}

/// A lock that was taken.
#[derive(Debug)]
pub(super) enum Taken {
    /// One name.
    One(Guard),
}

impl Opened {
    /// Opens the lock of a kind with these names, of which only some kinds can have more than one.
    pub(super) fn open(kind: Kind, locks: &Locks, names: &[String], renew: bool) -> Result<Self, Error> {
        let name = names.first().map_or("", String::as_str);
        let options = kind.options(name, renew);
        Ok(match kind {
            Kind::Simple | Kind::Fair | Kind::Quorum => Self::Whole(locks.open(name, options)?),
        })
    }

    /// What a holder will have of it.
    pub(super) fn share(&self, _random: &mut fastrand::Rng) -> Share {
        match self {
            Self::Whole(_) => Share::Whole,
        }
    }

    /// Takes it.
    pub(super) async fn acquire(&self, _share: Share, wait: Duration) -> Result<Option<Taken>, Error> {
        let wait = if wait.is_zero() { Wait::None } else { Wait::UpTo(wait) };
        match self {
            Self::Whole(lock) => Ok(lock.acquire(wait).await?.map(Taken::One)),
        }
    }

    /// Takes over what was handed over.
    pub(super) async fn adopt(&self, token: &str) -> Result<Option<Taken>, Error> {
        match self {
            Self::Whole(lock) => lock.adopt(token).await.map(|guard| Some(Taken::One(guard))),
        }
    }
}

/// Whether anybody holds any of a lock.
pub(crate) async fn is_held(kind: Kind, locks: &Locks, name: &str) -> Result<bool, Error> {
    match kind {
        Kind::Simple | Kind::Fair | Kind::Quorum => locks.open(name, Kind::Simple.options(name, true))?.is_locked().await,
    }
}

impl Taken {
    pub(super) fn fence(&self) -> u64 {
        match self {
            Self::One(guard) => guard.fence(),
        }
    }

    /// How it was lost, if that is known by now.
    pub(super) fn loss(&self) -> Option<LossReason> {
        match self {
            Self::One(guard) => guard.lost().now_or_never(),
        }
    }

    pub(super) async fn release(&self) -> Result<(), Error> {
        match self {
            Self::One(guard) => guard.release().await,
        }
    }

    /// Gives the token for [`Opened::adopt`], if the kind has such a thing.
    pub(super) async fn hand_over(&self) -> Result<Option<String>, Error> {
        match self {
            Self::One(guard) => guard.hand_over().await.map(Some),
        }
    }
}
