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

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::clock::Span;
use crate::error::Error;
use crate::glob::Glob;
use crate::names::LockKeys;

pub mod address;
pub mod memory;
mod open;
#[cfg(feature = "redis")]
pub mod redis;

pub use open::{StoreOptions, open};

/// The answer of a store, to be awaited.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// A place that keeps locks and cache entries.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The store's address, without its password, as errors and logs show it.
    fn address(&self) -> &str;

    /// Asks the store whether it can be reached and takes writes.
    fn check(&self) -> Reply<'_, ()>;

    /// Tries once to set the lock's key to `token`. If the key already has this token (a reply was lost), that is a success too,
    /// and the lease starts anew. A success comes with a fence larger than that of every earlier holder. A token that was released
    /// lately, held or not, is refused with [`Error::Unavailable`]: its attempt comes too late.
    fn acquire<'a>(&'a self, lock: &'a LockKeys, token: &'a Token, lease: Option<Span>) -> Reply<'a, Attempt>;

    /// Takes over a lock that is held by `old`: from then on `new` holds it, with a larger fence and the lease as it is, and `old`
    /// is not for use again. Repeating it is harmless and has the same fence. `None` if neither token holds the lock, or if `new`
    /// was released once.
    fn adopt<'a>(&'a self, lock: &'a LockKeys, old: &'a Token, new: &'a Token) -> Reply<'a, Option<Adopted>>;

    /// Deletes the lock's key if it has this token, remembers that this token released it, and wakes who waits. Repeating it is
    /// harmless and has the same answer. The last eight tokens that were released are remembered for a day.
    fn release<'a>(&'a self, lock: &'a LockKeys, token: &'a Token) -> Reply<'a, Released>;

    /// Adds `by` to the time that is left, if the lock is held by `token`. Not repeated on a lost connection.
    fn extend<'a>(&'a self, lock: &'a LockKeys, token: &'a Token, by: Span) -> Reply<'a, Holding>;

    /// Resets the time that is left of many locks, in one round trip a node. One answer for each, in the same order.
    fn renew<'a>(&'a self, renewals: &'a [Renewal]) -> BoxFuture<'a, Vec<Result<Holding, Error>>>;

    /// Whether the lock is held by `token`, and for how long still.
    fn holding<'a>(&'a self, lock: &'a LockKeys, token: &'a Token) -> Reply<'a, Holding>;

    /// Whether anybody holds the lock, ours or foreign.
    fn is_locked<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, bool>;

    /// Starts to watch for releases of the lock. When the answer is there, no later release is missed. All watches of one lock
    /// in a process share one subscription.
    fn watch<'a>(&'a self, lock: &'a LockKeys) -> Reply<'a, Watch>;

    /// The bytes of an entry.
    fn get<'a>(&'a self, key: &'a str) -> Reply<'a, Option<Bytes>>;

    /// The bytes of many entries, in the order of the keys, in one round trip a node, nodes in parallel.
    fn get_many<'a>(&'a self, keys: &'a [String]) -> Reply<'a, Vec<Option<Bytes>>>;

    /// Stores the bytes of an entry; without `expire` it stays until it is deleted.
    fn set<'a>(&'a self, entry: &'a Entry, expire: Option<Span>) -> Reply<'a, ()>;

    /// Stores many entries, in one round trip a node, nodes in parallel. On an error some may have been stored.
    fn set_many<'a>(&'a self, entries: &'a [Entry], expire: Option<Span>) -> Reply<'a, ()>;

    /// Whether there is such an entry.
    fn exists<'a>(&'a self, key: &'a str) -> Reply<'a, bool>;

    /// How long an entry has to live.
    fn ttl<'a>(&'a self, key: &'a str) -> Reply<'a, Ttl>;

    /// Deletes entries, in one round trip a node, nodes in parallel, and says how many there were. Not repeated on a lost
    /// connection.
    fn delete<'a>(&'a self, keys: &'a [String]) -> Reply<'a, u64>;

    /// Deletes, on every node and in bounded batches, the entries whose key begins with `prefix` (literally) and for which `chosen`
    /// says so of the rest of the key. `hint` is a pattern that every such rest matches; it only saves work.
    fn delete_matching<'a>(
        &'a self,
        prefix: &'a str,
        hint: &'a Glob,
        chosen: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Reply<'a, u64>;
}

/// The secret that a lock's key holds: who has it holds the lock.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token(String);

impl Token {
    /// A new one: 128 random bits in 32 hexadecimal digits.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the operating system gives no random bits.
    pub fn random() -> Result<Self, Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(|why| crate::error::Unavailable {
            store: "random bits of the operating system".into(),
            why: crate::error::Outage::Failed(why.to_string()),
        })?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bits))))
    }

    /// A token that another guard handed over. Foreign lockers have tokens of other forms, so any printable text of 8 to 256
    /// bytes may be one.
    ///
    /// # Errors
    /// [`crate::error::Invalid::Token`] for anything else.
    pub fn parse(text: &str) -> Result<Self, crate::error::Invalid> {
        let fits = (8..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(crate::error::Invalid::Token) }
    }

    /// The token's text, a secret.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// The answer to an attempt whose token was released before it came.
fn given_up(store: &str) -> Error {
    let why = "this token has released the lock already: acquire it with a new one";
    crate::error::Unavailable { store: store.to_owned(), why: crate::error::Outage::Failed(why.into()) }.into()
}

/// What an attempt to acquire gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The lock is held by the token now.
    Acquired {
        /// Larger than that of every earlier holder.
        fence: u64,
    },
    /// Somebody else holds it.
    Busy {
        /// How long their lease still runs; `None` if it has none.
        lease_left: Option<Duration>,
    },
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
    /// The lock was held by the token and is free now.
    Now,
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
    /// The time that is left afterwards.
    pub lease: Span,
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

/// A watch on one lock: [`Watch::woken`] returns after every release, and whenever a release may have been missed. It ends when dropped.
pub struct Watch {
    wakes: tokio::sync::watch::Receiver<u64>,
    _subscription: Box<dyn Send + Sync>,
}

impl Watch {
    /// A watch that wakes when `wakes` changes. `subscription` is dropped with the watch.
    #[must_use]
    pub fn new(wakes: tokio::sync::watch::Receiver<u64>, subscription: Box<dyn Send + Sync>) -> Self {
        Self { wakes, _subscription: subscription }
    }

    /// Waits for the next release since the watch began or since the last call. Can be dropped and called again without
    /// missing one.
    pub async fn woken(&mut self) {
        if self.wakes.changed().await.is_err() {
            // The store is gone; whoever waits has a retry pause and a deadline besides.
            std::future::pending::<()>().await;
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}
