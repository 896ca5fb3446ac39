//! Where locks and entries are kept.
//!
//! [`Store`] is one small interface of whole operations, not of Redis commands: those on locks ([`LockStore`]) and those on entries
//! ([`EntryStore`]). Every store passes the same behaviour suite (`tests/tests/store_suite/`), so the rules above it need not know
//! which one they have.
//!
//! What all operations promise:
//! - They end within the store's own time-outs, with [`Error::Unavailable`] if the store did not answer. What was asked for
//!   may then have happened or not. Operations that can be repeated without harm are repeated once over a new connection first.
//! - They can be dropped at any await. What was asked for may then happen or not.
//! - Times to live run on the store's clock.

use std::fmt;

use futures_util::future::BoxFuture;

use crate::error::Error;

pub mod address;
mod attempt;
pub mod browse;
mod claims;
mod entries;
#[cfg(test)]
pub(crate) mod faulty;
mod locks;
pub mod memory;
mod mirror;
mod open;
#[cfg(feature = "redis")]
pub mod redis;
mod replicas;
mod sighting;
mod tagging;
mod token;
mod watch;

use attempt::given_up;
pub use attempt::{Attempt, AttemptAll, Queueing, Ticket};
pub use claims::{Abandoning, Bid, Filling, Prolonging, Replaces, Stale, Standing};
pub use entries::{Entry, EntryStore, Ttl};
pub(crate) use locks::not_adoptable;
pub use locks::{Adopted, Holding, LockStore, Release, Released, Renewal};
pub use mirror::{Mirror, Tracking};
pub use open::{StoreOptions, open};
pub use replicas::{Copies, Replicas, Route, Survey};
pub use sighting::{Broken, Fingerprint, MOST_SEEN, Part, SeenHolder, Sighting};
pub use tagging::{REMEMBERED, Tagged, Tagging};
pub use token::Token;
pub use watch::{Watch, Word};

/// The answer of a store, to be awaited.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// A place that keeps locks and cache entries.
pub trait Store: LockStore + EntryStore + fmt::Debug + 'static {
    /// The store's address, without its password, as errors and logs show it.
    fn address(&self) -> &str;

    /// Asks the store whether it can be reached and takes writes.
    fn check(&self) -> Reply<'_, ()>;

    /// The replicas that copy what this store keeps, for locks of kind quorum. `None` for a store that can have none.
    fn replicas(&self) -> Option<&dyn Replicas> {
        None
    }

    /// What this process takes the store's clock for, in milliseconds since 1970.
    fn now(&self) -> u64;
}
