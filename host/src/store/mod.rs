//! Where locks and entries are kept.
//!
//! [`Store`] is one small trait of whole operations, not of Redis commands. Every store passes the same behaviour suite
//! (`tests/tests/store_suite/`), so the rules above it need not know which one they have.
//!
//! What all operations promise:
//! - They end within the store's own time-outs, with [`Error::Unavailable`] if the store did not answer. What was asked for
//!   may then have happened or not. Operations that can be repeated without harm are repeated once over a new connection first.
//! - They can be dropped at any await. What was asked for may then happen or not.
//! - Times to live run on the store's clock.
//!
//! Where a lock can be held by many ([`LockKeys::share`]), all that is said of who holds it is meant of this share: an attempt succeeds
//! when the share fits beside those who hold the lock ([`Share::fits`]), and it never passes others who wait. A release, also one
//! that only gives up a place, grants the lock to as many of those who wait as fit, strictly in their order, each with a fence of its
//! own; so does any attempt that finds that a lease has ended. Nobody is passed the lock before others.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use self::browse::{Browse, Told};
use crate::clock::Span;
use crate::envelope::{Claim, Tag};
use crate::error::Error;
use crate::glob::Glob;
#[cfg(doc)]
use crate::names::Share;
use crate::names::{LockKeys, Prefix};

pub mod address;
pub mod browse;
mod claims;
pub mod memory;
mod mirror;
mod open;
#[cfg(feature = "redis")]
pub mod redis;
mod replicas;
mod sighting;
mod tagging;
mod token;

pub use claims::{Bid, Filling, Prolonging, Stale, Standing};
pub use mirror::{Mirror, Tracking};
pub use open::{StoreOptions, open};
pub use replicas::{Copies, Replicas, Survey};
pub use sighting::{Broken, Fingerprint, MOST_SEEN, Part, SeenHolder, Sighting};
pub use tagging::{REMEMBERED, Tagged, Tagging};
pub use token::Token;

/// The answer of a store, to be awaited.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// A place that keeps locks and cache entries.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The store's address, without its password, as errors and logs show it.
    fn address(&self) -> &str;

    /// Asks the store whether it can be reached and takes writes.
    fn check(&self) -> Reply<'_, ()>;

    /// The replicas that copy what this store keeps, for locks of kind quorum. `None` for a store that can have none.
    fn replicas(&self) -> Option<&dyn Replicas> {
        None
    }

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
    /// while others wait for one that is free. Locks for which [`Store::same_step`] says no are refused.
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
    /// while they change. Whoever holds theirs all the while is found. A plain lock that only other programs have taken within the
    /// last day is not.
    fn sightings<'a>(&'a self, prefix: &'a Prefix) -> Reply<'a, Vec<Sighting>>;

    /// Takes the lock away from the holder that was seen, whatever share it has, if it still holds it: its token is not for use
    /// again, the fence rises above that holder's, and the lock goes to those who wait, as by a release. Repeating it is harmless and
    /// has the same answer, but for the fence, which may have risen, and whether it was handed on, as far as that can still be told.
    fn break_lock<'a>(&'a self, lock: &'a LockKeys, seen: &'a Fingerprint) -> Reply<'a, Broken>;

    /// Starts to watch for grants of the lock to waiters of this process. When the answer is there, no later one is missed without
    /// notice. All watches of one lock in a process share one subscription.
    fn watch<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, Watch>;

    /// What this process takes the store's clock for, in milliseconds since 1970.
    fn now(&self) -> u64;

    /// Has a mirror told of changes to the entries whose keys begin with `prefix`, whoever makes them, until the answer is dropped:
    /// soon after each, and with a doubt whenever some may have been missed. To be called within a runtime. `None` for a store from
    /// which copies would save nothing.
    fn track(&self, prefix: &str, mirror: Arc<dyn Mirror>) -> Option<Tracking> {
        let _ = (prefix, mirror);
        None
    }

    /// The bytes of an entry, or of a placeholder.
    fn get<'a>(&'a self, key: &'a str) -> Reply<'a, Option<Bytes>>;

    /// The bytes of many entries, in the order of the keys, in one round trip a node, nodes in parallel.
    fn get_many<'a>(&'a self, keys: &'a [String]) -> Reply<'a, Vec<Option<Bytes>>>;

    /// Stores the bytes of an entry; without `expire` it stays until it is deleted.
    fn set<'a>(&'a self, entry: &'a Entry, expire: Option<Span>) -> Reply<'a, ()>;

    /// Stores many entries, in one round trip a node, nodes in parallel. On an error some may have been stored.
    fn set_many<'a>(&'a self, entries: &'a [Entry], expire: Option<Span>) -> Reply<'a, ()>;

    /// Sees whether an entry is to be computed, and claims it for the bid if so and if nobody else computes it. Repeating it is
    /// harmless and has the same answer.
    fn claim<'a>(&'a self, key: &'a str, bid: &'a Bid) -> Reply<'a, Standing>;

    /// Stores values, each for itself, in one round trip a node, nodes in parallel, and tells those who wait for them. False for one
    /// whose entry does not have its claim any more: then nothing has changed. Repeating it is harmless and has the same answer.
    fn fill<'a>(&'a self, fillings: &'a [Filling]) -> BoxFuture<'a, Vec<Result<bool, Error>>>;

    /// Makes a claim last longer. False if the entry does not have it any more.
    fn prolong<'a>(&'a self, prolonging: Prolonging<'a>) -> Reply<'a, bool>;

    /// Gives a claim up, so that somebody else can compute the entry, and tells those who wait for it. With `rest`, a value that is
    /// there is given to who reads for that much longer before. False if the entry does not have the claim any more.
    fn abandon<'a>(&'a self, key: &'a str, claim: Claim, rest: Option<Span>) -> Reply<'a, bool>;

    /// Starts to watch an entry that is being computed. Whatever is heard means that its claim was filled, given up or deleted, or
    /// that this may have been missed. When the answer is there, nothing is missed from then on. All watches of one entry in a process
    /// share one subscription.
    fn watch_entry<'a>(&'a self, key: &'a str) -> Reply<'a, Watch>;

    /// How long an entry has to live, and the tags that it counts with. A placeholder or failure is none.
    fn left<'a>(&'a self, key: &'a str) -> Reply<'a, (Ttl, Vec<Tag>)>;

    /// How long an entry has to live, whatever has become of its tags.
    fn ttl<'a>(&'a self, key: &'a str) -> Reply<'a, Ttl> {
        Box::pin(async move { Ok(self.left(key).await?.0) })
    }

    /// Whether there is such an entry, whatever has become of its tags.
    fn exists<'a>(&'a self, key: &'a str) -> Reply<'a, bool> {
        Box::pin(async move { Ok(self.ttl(key).await? != Ttl::Absent) })
    }

    /// Deletes an entry if it is still the one that was seen, whatever claim it has by now, and tells those who wait for it. Nothing
    /// comes of it for one that nobody can claim. Repeating it is harmless.
    fn discard<'a>(&'a self, key: &'a str, seen: &'a Bytes) -> Reply<'a, ()>;

    /// How each tag stands, in one round trip a node, nodes in parallel; one that is of no generation gets a new one. Repeating it is
    /// harmless. What a tag's key holds is read by [`Store::get_many`]: a [`TagState`](crate::envelope::TagState).
    fn tag<'a>(&'a self, tags: &'a [Tagging]) -> Reply<'a, Vec<Tagged>>;

    /// Ends the generation that a tag is of, in one round trip, and remembers for [`REMEMBERED`] when that was. False if it was of none.
    /// `tag` is its key. Not repeated on a lost connection.
    fn invalidate<'a>(&'a self, tag: &'a str) -> Reply<'a, bool>;

    /// Deletes entries, in one round trip a node, nodes in parallel, and says how many there were. Placeholders and failures are deleted too,
    /// and do not count; those who wait for them are told. Not repeated on a lost connection.
    fn delete<'a>(&'a self, keys: &'a [String]) -> Reply<'a, u64>;

    /// Deletes, on every node and in bounded batches, the entries whose key begins with `prefix` (literally) and for which `chosen`
    /// says so of the rest of the key. Tags can be among them, and do not count ([`crate::names::is_tag`]). `hint` is a pattern that every such rest matches; it only saves work.
    fn delete_matching<'a>(
        &'a self,
        prefix: &'a str,
        hint: &'a Glob,
        chosen: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Reply<'a, u64>;

    /// Looks, on every node and in bounded batches, at the entries that are meant, in no particular order, and tells of each batch.
    /// Whoever is there all the while is met, more than once if others come and go; what another program keeps under such a key is
    /// left out where it is looked at.
    fn browse<'a>(&'a self, which: Browse<'a>, tell: Told<'a>) -> Reply<'a, ()>;
}

/// The answer to an attempt whose token was released before it came.
fn given_up(store: &str) -> Error {
    let why = "this token has released the lock already: acquire it with a new one";
    crate::error::Unavailable { store: store.to_owned(), why: crate::error::Outage::Failed(why.into()) }.into()
}

/// The answer to an adoption of a lock that many can hold.
pub(crate) fn not_adoptable(lock: &LockKeys) -> Result<(), Error> {
    if lock.share().is_alone() {
        return Ok(());
    }
    let what = "handing over a read-write lock or a permit";
    Err(crate::error::Invalid::NotYet { what, instead: "release it, and have it acquired anew" }.into())
}

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

/// An entry's key in the store and its bytes.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The whole key, prefix and cache name included.
    pub key: String,
    /// Envelope and payload.
    pub bytes: Bytes,
}

/// How long an entry has to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// There is no such entry.
    Absent,
    /// It stays until it is deleted.
    Persistent,
    /// It lives for this much longer.
    Remaining(Duration),
}

/// What a watch hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The lock is held by this token now, for as long as its place is kept.
    Granted {
        /// Of a ticket that this process put into the queue.
        token: Token,
        /// Larger than that of every earlier holder.
        fence: u64,
    },
    /// Grants may have been missed.
    Doubt,
}

/// A watch on one lock. It ends when dropped.
pub struct Watch {
    words: tokio::sync::mpsc::UnboundedReceiver<Word>,
    over: bool,
    _subscription: Box<dyn Send + Sync>,
}

impl Watch {
    /// A watch that hears `words`. `subscription` is dropped with the watch.
    #[must_use]
    pub fn new(words: tokio::sync::mpsc::UnboundedReceiver<Word>, subscription: Box<dyn Send + Sync>) -> Self {
        Self { words, over: false, _subscription: subscription }
    }

    /// Waits for the next word since the watch began or since the last call. Can be dropped and called again without missing one.
    pub async fn heard(&mut self) -> Word {
        match self.words.recv().await {
            Some(word) => word,
            None if !std::mem::replace(&mut self.over, true) => Word::Doubt,
            // Whoever waits has a retry pause and a deadline besides.
            None => std::future::pending().await,
        }
    }

    /// Whether nothing will be heard any more: the store is gone, or the runtime where the watch began has ended. The last word is
    /// [`Word::Doubt`].
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
