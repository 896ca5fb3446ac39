//! Those who wait for a lock in this process.

use crate::clock::Span;
use crate::store::Ticket;

/// One who stands in the line. `R` is where it is told of its turn.
#[derive(Debug)]
pub(super) struct Waiter<R> {
    pub(super) number: Number,
    pub(super) ticket: Ticket,
    pub(super) fair: bool,
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
    pub(super) ticket: Ticket,
    pub(super) fair: bool,
    /// The longest pause between two requests.
    pub(super) pulse: Span,
    /// It took a place in the store's queue already.
    pub(super) queued: bool,
    pub(super) reply: R,
}

impl<R> Waiter<R> {
    pub(super) fn new(number: Number, arrival: Arrival<R>) -> Self {
        let Arrival { ticket, fair, pulse, queued, reply } = arrival;
        let standing = if queued { Standing::Queued } else { Standing::Unknown };
        Self { number, ticket, fair, pulse, standing, offered: false, reply }
    }

    pub(super) fn is_queued(&self) -> bool {
        self.standing == Standing::Queued
    }
}
