//! Locks as they are seen by who does not hold them.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Token;
use crate::names::{Holder, LockKeys, Share};

/// A lock that is held, as the store tells of it: without the tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The lock; of which share these are the keys is all the same.
    pub lock: LockKeys,
    /// Who holds it: one of a plain lock, at most [`MOST_SEEN`] of others, those whose leases end first.
    pub holders: Vec<SeenHolder>,
    /// How many hold it.
    pub count: u64,
    /// The last fence that was given. `None` if none is known.
    pub fence: Option<u64>,
    /// How many places in its queue are taken. Waiters of one process share one, unless the lock is fair.
    pub waiters: u64,
}

/// One that holds a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenHolder {
    /// Who it is. Those who are not ours, and ours from before holders had labels, have none.
    pub label: Option<Holder>,
    /// What tells this holder from all others.
    pub fingerprint: Fingerprint,
    /// What it may do.
    pub part: Part,
    /// Its fence, or the last one that was given where the lock has no fence of its own for each, as a plain one. `None` if none is
    /// known.
    pub fence: Option<u64>,
    /// How long its lease still runs; `None` if it has none.
    pub lease_left: Option<Duration>,
}

impl SeenHolder {
    /// The holder that has this token, as it is seen.
    #[must_use]
    pub fn new(token: &Token, share: Share, fence: Option<u64>, lease_left: Option<Duration>) -> Self {
        Self { label: token.holder(), fingerprint: Fingerprint::of(token), part: share.into(), fence, lease_left }
    }
}

/// How many holders of one lock are seen at most.
pub const MOST_SEEN: usize = 1000;

/// What a holder has of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    /// All of a plain lock.
    All,
    /// It may read.
    Reads,
    /// It may write.
    Writes,
    /// One permit.
    Permit,
}

impl Part {
    /// One word for it: `all`, `reads`, `writes`, `permit`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Reads => "reads",
            Self::Writes => "writes",
            Self::Permit => "permit",
        }
    }

    /// Whether nobody else can hold the lock beside it.
    #[must_use]
    pub const fn is_alone(self) -> bool {
        matches!(self, Self::All | Self::Writes)
    }
}

impl From<Share> for Part {
    fn from(share: Share) -> Self {
        match share {
            Share::Alone => Self::All,
            Share::Reader => Self::Reads,
            Share::Writer => Self::Writes,
            Share::Permit { .. } => Self::Permit,
        }
    }
}

/// A digest of a holder's token: it tells one from another, and gives nothing away. Stores of different kinds have different ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The digest of a token, for stores that have no other.
    #[must_use]
    pub fn of(token: &Token) -> Self {
        use std::fmt::Write;
        let digest = Sha256::digest(token.as_str());
        Self(digest.iter().fold(String::new(), |mut digits, byte| {
            // Writing to a string cannot fail.
            let _ = write!(digits, "{byte:02x}");
            digits
        }))
    }

    /// A digest that a store made: at least eight hexadecimal digits.
    #[must_use]
    pub fn parse(digits: &str) -> Option<Self> {
        let fits = digits.len() >= SHORT && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        fits.then(|| Self(digits.to_owned()))
    }

    /// All of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, for people to compare.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..SHORT).unwrap_or(&self.0)
    }
}

/// How many digits people are shown.
const SHORT: usize = 8;

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// What breaking a lock came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The holder that was seen holds it no more.
    Yes {
        /// Larger than every fence that was given by then, and that of nobody: who gets the lock from here on has a larger one. All
        /// up to it are stale, but for those of others who hold the same lock beside it.
        fence: u64,
        /// Whether somebody who waited has the lock by now.
        handed_on: bool,
    },
    /// Nobody held it any more, and nothing was done.
    Free,
    /// Only others hold it by now, and nothing was done.
    ChangedHands,
}
