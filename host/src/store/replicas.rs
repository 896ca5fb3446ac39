//! Whether a lock has arrived at the replicas of the server that has it.
//!
//! A store that has replicas says so by [`super::Store::replicas`]. How many of them have to hold a lock, and how long they are
//! asked, is the business of whoever asks.

use tokio::time::Instant;

use super::{Reply, Token};
use crate::names::LockKeys;

/// The replicas of a store's servers.
pub trait Replicas: Send + Sync {
    /// Which way a request about the lock goes that is sent now. It is to be asked for before the request is sent whose outcome the
    /// replicas are asked about: by the time of its answer, another server may be the primary, whose replicas tell nothing about it.
    fn route(&self, lock: &LockKeys) -> Route;

    /// Begins to ask the replicas of the server that a request went to by this route whether they hold the lock for `token`, and for
    /// about as long as its holder believes, until `ends`. Nothing is sent before the first [`Survey::ask`].
    fn survey<'a>(&'a self, lock: &'a LockKeys, token: &'a Token, ends: Option<Instant>, route: Route) -> Box<dyn Survey + 'a>;
}

/// The way of a request to a server, by a number that no other way ever has. Another connection is another way, as nobody knows what it
/// leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route(pub u64);

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
    /// The server that the request went to may be the primary no more, so nothing that was seen counts.
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
