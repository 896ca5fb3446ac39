//! Who computes an entry: what stores are asked, and what they answer.

use std::time::Duration;

use bytes::Bytes;

use super::Entry;
use crate::clock::Span;
use crate::envelope::Claim;

/// One who would compute the value of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bid {
    /// What the entry will have in it while it is computed.
    pub claim: Claim,
    /// How long the claim lasts without a word from its holder.
    pub lease: Span,
    /// Whether an entry is claimed too that is not there. A placeholder then stands for it as long as the claim lasts, and the value
    /// of one that is there stays at least as long.
    pub cold: bool,
    /// How many milliseconds before its expiry the entry counts as due, if nobody computes it yet.
    pub early: u64,
    /// What was read of the entry before. It need not be sent again if it is still the same.
    pub seen: Option<Bytes>,
}

/// How an entry stands to one who would compute it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is no such entry, and it was not to be claimed.
    Absent,
    /// It has a value that is not due, or that somebody computes anew.
    Hit(Bytes),
    /// It is claimed.
    Yours {
        /// The value that is to be computed anew, if there is one.
        stale: Option<Stale>,
    },
    /// Somebody else computes it, and there is no value.
    Busy {
        /// How long their claim lasts without a word from them.
        lease_left: Duration,
    },
}

/// A value that is due to be computed anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// Envelope and payload.
    pub bytes: Bytes,
    /// For how much longer it may be given to who reads; `None`: until it is deleted.
    pub kept: Option<Duration>,
}

/// A value to be stored.
#[derive(Debug, Clone)]
pub struct Filling {
    /// Where, and envelope and payload.
    pub entry: Entry,
    /// What has to be there for it to be stored.
    pub replaces: Replaces,
    /// When it is due to be computed anew, from now, by the store's clock; the envelope says that it is due some time. `None`: when
    /// the envelope says.
    pub due: Option<Span>,
    /// How long the entry stays; `None`: until it is deleted.
    pub kept: Option<Span>,
}

/// What a value may replace. It is not stored where anything else is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// Whatever is there, also nothing.
    Anything,
    /// An entry that still has this claim, that of who computed the value.
    Claimed(Claim),
    /// The same, or nothing at all: a placeholder, a failure or a value of somebody else is something. For who computed it so long that
    /// the entry may have expired for good meanwhile.
    ClaimedOrNothing(Claim),
}

impl Replaces {
    /// Who computed the value, if that was claimed.
    #[must_use]
    pub fn claim(self) -> Option<Claim> {
        match self {
            Self::Anything => None,
            Self::Claimed(claim) | Self::ClaimedOrNothing(claim) => Some(claim),
        }
    }
}

/// A claim to be kept.
#[derive(Debug, Clone, Copy)]
pub struct Prolonging<'a> {
    /// The key of the entry.
    pub key: &'a str,
    /// Who computes it.
    pub claim: Claim,
    /// How long the claim lasts from now on.
    pub lease: Span,
    /// Whether a value that is computed anew may still be given to who reads. Otherwise a placeholder takes its place.
    pub serves: bool,
}

/// A claim that is given up.
#[derive(Debug, Clone, Copy)]
pub struct Abandoning<'a> {
    /// The key of the entry.
    pub key: &'a str,
    /// Who computed it.
    pub claim: Claim,
    /// For how much longer a value that is there is given to who reads, before somebody else is to compute it.
    pub rest: Option<Span>,
    /// How much of its time a value has left that was there when the entry was claimed ([`Stale::kept`]): where the claim had the entry
    /// stay for longer, it does so no more. `None` for a claim that did not, and for a value without end.
    pub left: Option<Duration>,
}

impl<'a> Abandoning<'a> {
    /// Gives a claim up, for somebody else to compute the entry at once.
    #[must_use]
    pub const fn of(key: &'a str, claim: Claim) -> Self {
        Self { key, claim, rest: None, left: None }
    }
}
