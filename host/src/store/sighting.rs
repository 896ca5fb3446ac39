//! Locks as they are seen by who does not hold them.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::Token;
use crate::names::{Holder, LockKeys};

/// One that holds a lock, as the store tells of it: without the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The lock.
    pub lock: LockKeys,
    /// Who holds it. Those who are not ours, and ours from before holders had labels, have none.
    pub holder: Option<Holder>,
    /// What tells this holder from all others.
    pub fingerprint: Fingerprint,
    /// The last fence that was given; that of the holder, if it is one of ours. `None` if none is known.
    pub fence: Option<u64>,
    /// How long the lease still runs; `None` if it has none.
    pub lease_left: Option<Duration>,
    /// How many places in its queue are taken. Waiters of one process share one, unless the lock is fair.
    pub waiters: u64,
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
        /// Larger than the holder's, and that of nobody: all up to it are stale.
        fence: u64,
        /// Whether the next who waited has the lock now.
        handed_on: bool,
    },
    /// Nobody held it any more, and nothing was done.
    Free,
    /// Somebody else holds it by now, and nothing was done.
    ChangedHands,
}
