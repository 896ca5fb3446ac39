//! What can go wrong, all of it, as types.
//!
//! [`Error`] has the variants of the WIT contract's `error`, so nothing is lost between a guest and a native caller; each
//! variant carries a type of its own that says what, which, and what to do. Texts are lowercase fragments.

use thiserror::Error as ThisError;

mod corrupt;
mod invalid;
mod outage;
mod stage;

pub use corrupt::Corrupt;
pub use invalid::{CborFault, Invalid};
pub use outage::{Outage, Unavailable};
pub use stage::{StageError, StageFault, StageKind};

/// Why a call on a lock or a cache failed.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Error {
    /// The call can never work as it was made.
    #[error("invalid: {0}")]
    Invalid(#[from] Invalid),
    /// The call is outside what the platform granted.
    #[error("denied: {0}")]
    Denied(#[from] Denied),
    /// A quota or a size was exceeded.
    #[error("limit: {0}")]
    Limit(#[from] Limit),
    /// The store was not reached in time, or could not do what was asked.
    #[error("unavailable: {0}")]
    Unavailable(#[from] Unavailable),
    /// The guard does not hold its lock any more.
    #[error("not held: {0}")]
    NotHeld(#[from] NotHeld),
    /// A stage of a cache failed.
    #[error("stage: {0}")]
    Stage(#[from] StageError),
    /// Stored bytes cannot be read.
    #[error("corrupt: {0}")]
    Corrupt(#[from] Corrupt),
}

impl Error {
    /// Whether asking again in a while may go better.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(Unavailable { why, .. }) if why.is_passing())
    }

    /// Whether a request that failed so may have been done.
    pub(crate) fn may_have_happened(&self) -> bool {
        let Self::Unavailable(Unavailable { why, .. }) = self else { return false };
        // Behind an error that passes there may be an earlier request whose reply was lost.
        matches!(why, Outage::TimedOut(_) | Outage::Disconnected(_) | Outage::Passing(_))
    }
}

/// A call outside what the platform granted.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Denied {
    /// A part of the cache options that the platform pinned to something else.
    #[error("the platform pins {part} to {pinned}, so {wish} cannot be chosen: leave it at the default")]
    Pinned {
        /// Which part.
        part: &'static str,
        /// What it is pinned to.
        pinned: String,
        /// What was asked for.
        wish: String,
    },
    /// A lock that its class does not give.
    #[error("the class of the lock refuses it: {why}")]
    ByClass {
        /// What the class says.
        why: String,
    },
    /// Something that was not granted.
    #[error("{what} is not granted to this guest: ask the platform for it")]
    NotGranted {
        /// What was asked for.
        what: String,
    },
}

/// A quota or a size that was exceeded.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Limit {
    /// Something is larger than it may be.
    #[error("the {what} has {size} bytes, and at most {max} are allowed")]
    Size {
        /// What is too large.
        what: &'static str,
        /// Its size in bytes.
        size: u64,
        /// What is allowed.
        max: u64,
    },
    /// There are more of something than there may be.
    #[error("{what}: at most {max} are allowed at once")]
    Count {
        /// What there is too much of.
        what: &'static str,
        /// What is allowed.
        max: u64,
    },
    /// The store has no memory left for a write.
    #[error("the store {store} is out of memory ({why}): raise its maxmemory or let entries expire")]
    StoreFull {
        /// The store, without its password.
        store: String,
        /// What it said.
        why: String,
    },
}

/// A guard that does not hold its lock any more.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("the lock {lock:?} is not held by this guard: {why}")]
pub struct NotHeld {
    /// The lock's name.
    pub lock: String,
    /// How that came about.
    pub why: LossReason,
}

/// How a guard came to hold its lock no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum LossReason {
    /// It was released by this guard.
    #[error("it was released")]
    Released,
    /// It was handed over by this guard.
    #[error("it was handed over")]
    HandedOver,
    /// The lease ended before it was extended.
    #[error("its lease ended")]
    Expired,
    /// The store no longer has this guard's token: broken, evicted or lost in a failover.
    #[error("the store has it no more")]
    Gone,
}
