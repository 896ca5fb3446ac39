//! Whether a lock has arrived at the replicas of the server that has it.
//!
//! A store that has replicas says so by [`super::Store::replicas`]. How many of them have to hold a lock, and how long they are
//! asked, is the business of whoever asks.

use tokio::time::Instant;

use super::{Reply, Token};
use crate::names::LockKeys;

/// The replicas of a store's servers.
pub trait Replicas: Send + Sync {
    /// Begins to ask the replicas of the server that has the lock whether they hold it for `token`, and for about as long as its
    /// holder believes, until `ends`. Nothing is sent before the first [`Survey::ask`].
    fn survey<'a>(&'a self, lock: &'a LockKeys, token: &'a Token, ends: Option<Instant>) -> Box<dyn Survey + 'a>;
}

/// Replicas that are asked for one token, again and again, until enough of them were seen to have it. Each is asked for itself, so
/// a slow one holds up none of the others.
pub trait Survey: Send {
    /// Asks, all at once, the replicas that have not shown the token and owe no answer. `doubtful` has the servers say anew which
    /// replicas there are. Does not wait for anything: what comes of it is told by [`Survey::news`].
    fn ask(&mut self, doubtful: bool);

    /// Waits until a replica has answered, or another one is known. Can be dropped and called again without missing anything.
    ///
    /// An error is one that asking again does not change: who uses the store may not know its replicas, for example.
    fn news(&mut self) -> Reply<'_, Copies>;
}

/// Where copies of a lock were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copies {
    /// It is not known yet who the replicas are.
    Unknown,
    /// The server that had the lock when the survey began may be the primary no more, so nothing that was seen counts.
    Moved,
    /// The replicas are known.
    Counted {
        /// How many replicas are in service, as the servers have it.
        replicas: usize,
        /// How many of those have shown the token.
        holding: usize,
        /// The most replicas that were ever known to be in service there.
        most: usize,
        /// Whether the servers named them after the survey began.
        fresh: bool,
    },
}
