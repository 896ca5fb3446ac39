//! What happened, as those it happened to have written it down. A pure record: the checker needs nothing else.

use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// Something that happened to a client process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// When, in nanoseconds of the clock that all processes share.
    pub(crate) at: u64,
    /// Which process; a process that was started again has a new number.
    pub(crate) process: u32,
    /// Which of its attempts to get a lock it belongs to.
    pub(crate) attempt: u64,
    /// The lock's name.
    pub(crate) lock: String,
    /// What it was.
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What happened to a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum What {
    /// It begins to wait for the lock.
    Asked {
        /// How long it is ready to wait, in ms; for ever if nothing is said.
        wait: Option<u64>,
        /// How long the store keeps the lock for it without a word from it, in ms.
        lease: u64,
        /// Whether it has that lease renewed for as long as it holds.
        renews: bool,
        /// What it wants of the lock.
        share: Share,
        /// Whether it takes over what was handed over.
        adopts: bool,
    },
    /// It has the lock.
    Acquired {
        /// Its fence.
        fence: u64,
    },
    /// It did not get the lock in its time.
    Refused,
    /// It went away while it waited.
    Cancelled,
    /// It failed.
    Failed {
        /// Whether the store was not there, or is full: what a fault can bring about, and what goes better later.
        passing: bool,
        /// The error's text.
        why: String,
    },
    /// It asked for more time.
    Extended {
        /// Whether it has it, as far as is known.
        ok: Option<bool>,
        /// The text of an error that no fault can bring about.
        wrong: Option<String>,
    },
    /// Its guard, asked after this moment, said that it was not lost.
    Held,
    /// Its guard said that it was lost.
    Lost {
        /// Whether the store said so before the lease was over.
        gone: bool,
    },
    /// It begins to let go.
    Releasing,
    /// Its release was answered.
    Released {
        /// Whether the store had the lock for it until then, as far as is known.
        ok: Option<bool>,
    },
    /// It dropped the guard.
    LetGo,
    /// It let go of the guard and not of the lock.
    HandedOver,
}

/// What a holder wants of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Share {
    /// Nobody else may have it.
    Whole,
    /// Others may read too.
    Read,
    /// So many others may have a part too, less one.
    Permit(u32),
}

/// A write to the register, in the order in which they came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Write {
    /// Who wrote.
    pub(crate) process: u32,
    /// As the holder of which attempt.
    pub(crate) attempt: u64,
    /// Under which lock.
    pub(crate) lock: String,
    /// With which fence.
    pub(crate) fence: u64,
    /// Whether the register took it.
    pub(crate) accepted: bool,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    /// Its beginning.
    pub(crate) from: u64,
    /// Its end.
    pub(crate) to: u64,
}

impl Span {
    /// How long both last at once.
    pub(crate) fn overlap(self, other: Self) -> u64 {
        self.to.min(other.to).saturating_sub(self.from.max(other.from))
    }

    /// What both have in common.
    pub(crate) fn cut(self, by: Self) -> Option<Self> {
        let span = Self { from: self.from.max(by.from), to: self.to.min(by.to) };
        (span.from < span.to).then_some(span)
    }

    /// Whether the other is a part of it.
    pub(crate) fn covers(self, other: Self) -> bool {
        self.from <= other.from && other.to <= self.to
    }
}

/// A fault of servers or of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outage {
    /// Its name.
    pub(crate) fault: String,
    /// From its beginning until all were well again.
    #[serde(flatten)]
    pub(crate) span: Span,
}

/// A time in which a replica took the place of its primary, or may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failover {
    /// How the names of the locks end that the primary had.
    pub(crate) tag: String,
    /// From before it until after it.
    #[serde(flatten)]
    pub(crate) span: Span,
}

/// Everything that is known of one run.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct History {
    /// The kinds of locks that were used.
    pub(crate) kinds: Vec<Kind>,
    /// What the clients have written down.
    pub(crate) events: Vec<Event>,
    /// What the register has been told.
    pub(crate) writes: Vec<Write>,
    /// When servers or the network were not well.
    pub(crate) outages: Vec<Outage>,
    /// When primaries changed.
    pub(crate) failovers: Vec<Failover>,
    /// When clients were stopped.
    pub(crate) stops: Vec<(u32, Span)>,
    /// When clients were told to come to an end.
    pub(crate) until: Option<u64>,
    /// Clients that were killed.
    pub(crate) killed: Vec<u32>,
    /// Clients that came to an end by themselves.
    pub(crate) crashed: Vec<u32>,
    /// Clients that did not end when they were told to.
    pub(crate) stuck: Vec<u32>,
    /// Locks that were still held long after everybody had ended.
    pub(crate) left_over: Vec<String>,
    /// Why it ended early, if it did.
    pub(crate) ended: Option<String>,
}
