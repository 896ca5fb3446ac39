//! Attempts to take locks: what stores are asked, and what they answer.

use std::time::Duration;

use super::Token;
use crate::clock::Span;
use crate::error::{Error, Outage, Unavailable};

/// One who wants a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// What the lock's key will hold.
    pub token: Token,
    /// How long the lock is held once it was taken; `None` until it is released.
    pub lease: Option<Span>,
    /// How long a place in the queue lasts without a word from its process, and a grant until it is confirmed by a renewal: so
    /// long at most can one who died while waiting keep the lock from the others.
    pub kept: Span,
}

impl Ticket {
    /// How long the lock is held that was taken by an attempt.
    #[must_use]
    pub fn taken(&self, queueing: Queueing) -> Option<Span> {
        if queueing.brief { Some(self.granted()) } else { self.lease }
    }

    /// How long the lock is held that was granted to it, until that is confirmed.
    #[must_use]
    pub fn granted(&self) -> Span {
        self.lease.map_or(self.kept, |lease| lease.min(self.kept))
    }
}

/// Where an attempt stands to others who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queueing {
    /// Whether it takes a place in the queue if it fails, or keeps the one that it has.
    pub joins: bool,
    /// Whether it fails while others are before it, even if the lock is free.
    pub fair: bool,
    /// Whether it takes the lock for no longer than its place is kept, until that is confirmed: for who cannot be sure that anybody
    /// still waits for the answer.
    pub brief: bool,
}

impl Queueing {
    /// One attempt that takes the lock if it is free.
    pub const NONE: Self = Self { joins: false, fair: false, brief: false };
}

/// What an attempt to acquire gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The lock is held by the token now.
    Acquired {
        /// Larger than that of every earlier holder.
        fence: u64,
    },
    /// Somebody else holds it, or is before this one.
    Busy {
        /// How long their lease still runs; `None` if it has none.
        lease_left: Option<Duration>,
        /// The last fence that was given when the attempt came: a grant with a larger one was made after that.
        fence: u64,
    },
}

/// What an attempt to acquire many locks at once gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptAll {
    /// All are held by the token now.
    Acquired {
        /// The one fence of all of them.
        fence: u64,
    },
    /// One is held by somebody else, or others wait for it; nothing has changed.
    Busy {
        /// Which one, the first in the order in which they were given.
        first: usize,
        /// How long the lease on it still runs; `None` if it has none.
        lease_left: Option<Duration>,
    },
}

/// The answer to an attempt whose token was released before it came.
pub(super) fn given_up(store: &str) -> Error {
    let why = "this token has released the lock already: acquire it with a new one";
    Unavailable { store: store.to_owned(), why: Outage::Failed(why.into()) }.into()
}
