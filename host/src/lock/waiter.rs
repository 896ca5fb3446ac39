//! Those who wait for a lock in this process.

use crate::clock::Span;
use crate::names::LockKeys;
use crate::store::Ticket;

/// How many waiters of a line have places in the store's queue at a time, of a lock that many can hold and that is not asked to be fair
/// to each: enough for those who are let in at once to be followed at once.
pub(super) const PLACES: usize = 16;

/// One who stands in the line. `R` is where it is told of its turn.
#[derive(Debug)]
pub(super) struct Waiter<R> {
    pub(super) number: Number,
    /// The lock, and the share of it that it wants.
    pub(super) lock: LockKeys,
    pub(super) ticket: Ticket,
    /// It has a place of its own in the store's queue.
    pub(super) fair: bool,
    /// While it is among this many that came first.
    pub(super) places: usize,
    pub(super) pulse: Span,
    pub(super) standing: Standing,
    /// A release that passes the lock to it is under way.
    pub(super) offered: bool,
    pub(super) reply: R,
}

/// How a waiter stands with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The store has never heard of it.
    Unknown,
    /// A request that may give it the lock or a place in the queue was sent; it may have neither.
    Heard,
    /// It has a place in the store's queue, as far as is known.
    Queued,
}

/// Which waiter of a line, in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(pub(super) u64);

/// Who comes to stand in the line.
#[derive(Debug)]
pub(super) struct Arrival<R> {
    pub(super) lock: LockKeys,
    pub(super) ticket: Ticket,
    pub(super) fair: bool,
    pub(super) places: usize,
    /// The longest pause between two requests.
    pub(super) pulse: Span,
    /// It took a place in the store's queue already.
    pub(super) queued: bool,
    pub(super) reply: R,
}

impl<R> Waiter<R> {
    pub(super) fn new(number: Number, arrival: Arrival<R>) -> Self {
        let Arrival { lock, ticket, fair, places, pulse, queued, reply } = arrival;
        let standing = if queued { Standing::Queued } else { Standing::Unknown };
        Self { number, lock, ticket, fair, places, pulse, standing, offered: false, reply }
    }

    pub(super) fn is_queued(&self) -> bool {
        self.standing == Standing::Queued
    }

    /// Whether it is to have a place of its own, with so many before it.
    pub(super) fn may_have_place(&self, before: usize) -> bool {
        self.fair && before < self.places
    }
}
