//! What a store does with locks.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Attempt, AttemptAll, Broken, Fingerprint, Queueing, Reply, Sighting, Ticket, Token, Watch};
use crate::clock::Span;
use crate::error::{Error, Invalid};
#[cfg(doc)]
use crate::names::Share;
use crate::names::{LockKeys, Prefix};

/// The operations on locks.
///
/// Where a lock can be held by many ([`LockKeys::share`]), all that is said of who holds it is meant of this share: an attempt succeeds
/// when the share fits beside those who hold the lock ([`Share::fits`]), and it never passes others who wait. A release, also one
/// that only gives up a place, grants the lock to as many of those who wait as fit, strictly in their order, each with a fence of its
/// own; so does any attempt that finds that a lease has ended. Nobody is passed the lock before others.
pub trait LockStore: Send + Sync {
    /// Tries once to set the lock's key to the ticket's token. If the key already has this token (a reply was lost, or a grant is
    /// confirmed), that is a success too, and the lease starts anew. A success comes with a fence larger than that of every
    /// earlier holder. A token that was released lately, held or not, is refused with [`Error::Unavailable`]: its attempt comes
    /// too late.
    ///
    /// One that fails can take a place in the lock's queue, or keep the one it has; see [`Queueing`]. Whoever has a place and a
    /// [`Watch`] is granted the lock in its turn.
    fn attempt<'a>(&'a self, lock: &'a LockKeys, ticket: &'a Ticket, queueing: Queueing) -> Reply<'a, Attempt>;

    /// Tries once to take many plain locks by one token: all of them, if each is free or has this token already, and none otherwise.
    /// They get one fence, larger than that of every earlier holder of each, and the lease starts anew. With `fair`, it fails also
    /// while others wait for one that is free. Locks for which [`LockStore::same_step`] says no are refused.
    fn attempt_all<'a>(&'a self, locks: &'a [LockKeys], ticket: &'a Ticket, fair: bool) -> Reply<'a, AttemptAll>;

    /// Whether both locks can be taken in one step. Asks nobody.
    fn same_step(&self, one: &LockKeys, other: &LockKeys) -> bool;

    /// Takes over a lock that is held by `old`: from then on `new` holds it, with a larger fence and the lease as it is, and `old`
    /// is not for use again. Repeating it is harmless and has the same fence. `None` if neither token holds the lock, or if `new`
    /// was released once. [`Error::Invalid`] for a lock that many can hold.
    fn adopt<'a>(&'a self, lock: &'a LockKeys, old: &'a Token, new: &'a Token) -> Reply<'a, Option<Adopted>>;

    /// Lets go of the lock if it is held by this token, remembers that this token released it, and gives it to the next who waits:
    /// all in one step. Repeating it is harmless and has the same answer. The last eight tokens that were released are remembered
    /// for a day.
    ///
    /// That nobody can be told, as by a user who has lost the right to look for those who wait, is no error of who lets go: the lock is
    /// free then, the store logs why, and those who wait ask by themselves. The same holds for [`LockStore::break_lock`].
    fn release<'a>(&'a self, lock: &'a LockKeys, release: Release<'a>) -> Reply<'a, Released>;

    /// Adds `by` to the time that is left, if the lock is held by `token`. Not repeated on a lost connection.
    fn extend<'a>(&'a self, lock: &'a LockKeys, token: &'a Token, by: Span) -> Reply<'a, Holding>;

    /// Resets the time that is left of many locks, or takes away their end, in one round trip a node. One answer for each, in the
    /// same order.
    fn renew<'a>(&'a self, renewals: &'a [Renewal]) -> BoxFuture<'a, Vec<Result<Holding, Error>>>;

    /// Whether the lock is held by `token`, and for how long still.
    fn holding<'a>(&'a self, lock: &'a LockKeys, token: &'a Token) -> Reply<'a, Holding>;

    /// Whether anybody holds the lock, ours or foreign.
    fn is_locked<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, bool>;

    /// How many hold the lock at the moment.
    fn holders<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, u64>;

    /// Looks at who holds the lock, any share of it, ours or foreign. `None` if nobody does.
    fn sight<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, Option<Sighting>>;

    /// Looks at all locks of every form under a prefix that are held, in no particular order: on every node, in bounded batches,
    /// while they change. Whoever holds theirs all the while is found, once, also where another server takes the place of a node, or keys
    /// go from one node to another. A plain lock that only other programs have taken within the last day is not.
    fn sightings<'a>(&'a self, prefix: &'a Prefix) -> Reply<'a, Vec<Sighting>>;

    /// Takes the lock away from the holder that was seen, whatever share it has, if it still holds it: its token is not for use
    /// again, the fence rises above that holder's, and the lock goes to those who wait, as by a release. Repeating it is harmless and
    /// has the same answer, but for the fence, which may have risen, and whether it was handed on, as far as that can still be told.
    fn break_lock<'a>(&'a self, lock: &'a LockKeys, seen: &'a Fingerprint) -> Reply<'a, Broken>;

    /// Starts to watch for grants of the lock to waiters of this process. When the answer is there, no later one is missed without
    /// notice. All watches of one lock in a process share one subscription.
    fn watch<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, Watch>;
}

/// How a lock is let go of.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// Who holds the lock, or may.
    pub token: &'a Token,
    /// The place in the queue that is given up with it, held or not.
    pub withdraws: Option<&'a Ticket>,
    /// Who gets the lock, before all others.
    pub next: Option<&'a Ticket>,
    /// Whether `next` only takes the last place in the queue instead.
    pub yields: bool,
}

impl<'a> Release<'a> {
    /// Lets go of the lock to whoever is next in the queue.
    #[must_use]
    pub const fn of(token: &'a Token) -> Self {
        Self { token, withdraws: None, next: None, yields: false }
    }
}

/// A lock that was taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adopted {
    /// Larger than that of every earlier holder.
    pub fence: u64,
    /// How long the lease still runs; `None` if it has none.
    pub lease_left: Option<Duration>,
}

/// What a release found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// The lock was held by the token and is free now, or another process's.
    Now,
    /// The lock was held by the token, and the ticket that was to be next has it now, for as long as its place is kept.
    Passed {
        /// Larger than that of every earlier holder.
        fence: u64,
    },
    /// The same token released it before (a reply was lost).
    Before,
    /// The token does not hold the lock.
    NotHeld,
}

/// Whether a token holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// It does not.
    No,
    /// It does, until it is released.
    Unlimited,
    /// It does, for this much longer.
    Left(Duration),
}

/// One lease to be reset.
#[derive(Debug, Clone)]
pub struct Renewal {
    /// The lock.
    pub lock: LockKeys,
    /// Its holder.
    pub token: Token,
    /// The time that is left afterwards; `None` for no end.
    pub lease: Option<Span>,
}

/// The answer to an adoption of a lock that many can hold.
pub(crate) fn not_adoptable(lock: &LockKeys) -> Result<(), Error> {
    if lock.share().is_alone() {
        return Ok(());
    }
    let what = "handing over a read-write lock or a permit";
    Err(Invalid::NotYet { what, instead: "release it, and have it acquired anew" }.into())
}
