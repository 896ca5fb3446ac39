//! Locks that exclude each other across processes, machines and languages.
//!
//! A lock is one key of the store that holds a secret token, so any locker of that key excludes ours and the other way round.
//! Decisions (how an acquire waits, what a lease is worth, when it is renewed) are pure functions of what happened and when; the
//! rest of this module performs them.
//!
//! ```
//! use std::sync::Arc;
//!
//! use bellwether::clock::Wait;
//! use bellwether::lock::{LockOptions, Locks};
//! use bellwether::store::memory::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), bellwether::Error> {
//! let locks = Locks::new(Arc::new(MemoryStore::new()));
//! let lock = locks.open("nightly-report", LockOptions::default())?;
//! if let Some(guard) = lock.acquire(Wait::None).await? {
//!     println!("one at a time, and fence {} goes along with every write", guard.fence());
//!     guard.release().await?;
//! }
//! # Ok(())
//! # }
//! ```

use std::num::NonZeroU32;
use std::sync::Arc;

use tokio::runtime::Handle;
use tracing::Instrument;

use self::background::Background;
use self::class::{Classes, Member};
use self::lines::Lines;
use self::options::Terms;
use self::watchdog::Watchdog;
use crate::clock::Wait;
use crate::error::{Error, Invalid, Outage, Unavailable};
use crate::names::{Holder, LockKeys, Prefix, Share};
use crate::store::{Store, Token};

pub use crate::names::Form;
pub use crate::store::{Broken, Fingerprint, Part, SeenHolder};

mod acquire;
mod background;
mod class;
mod confirm;
mod grants;
mod guard;
mod held;
mod lease;
mod line;
mod lines;
mod many;
pub mod metrics;
mod options;
mod pace;
mod quorum;
mod rw;
mod schedule;
mod semaphore;
mod server;
mod sightings;
#[cfg(test)]
mod tests;
mod visitors;
mod waiter;
mod watchdog;

pub use class::{BoxFuture, Hold, LockClass, MAX_NOTE, Request};
pub use guard::Guard;
pub use many::{MultiGuard, MultiLock};
pub use options::{Kind, LockOptions};
pub use quorum::Quorum;
pub use rw::RwLock;
pub use semaphore::Semaphore;
pub use sightings::HeldLock;

/// The locks of one store. Clones are cheap and share what runs in the background.
#[derive(Debug, Clone)]
pub struct Locks {
    shared: Arc<Shared>,
    prefix: Arc<Prefix>,
    quorum: Quorum,
    holder: Holder,
    classes: Classes,
}

/// What all locks of one store share.
#[derive(Debug)]
struct Shared {
    lines: Lines,
    background: Background,
    watchdog: Watchdog,
}

impl Locks {
    /// The locks of `store`, without a prefix.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        metrics::describe();
        let lines = Lines::new(store);
        let shared = Shared { background: Background::new(lines.clone()), lines, watchdog: Watchdog::default() };
        Self {
            shared: Arc::new(shared),
            prefix: Arc::default(),
            quorum: Quorum::default(),
            holder: Holder::default(),
            classes: Classes::default(),
        }
    }

    /// The same store's locks with names under `prefix`, which takes the place of the one there was.
    #[must_use]
    pub fn with_prefix(&self, prefix: Prefix) -> Self {
        Self { prefix: Arc::new(prefix), ..self.clone() }
    }

    /// The same locks, and those of [`Kind::Quorum`] need this many replicas. A majority if nothing is said.
    #[must_use]
    pub fn with_quorum(&self, quorum: Quorum) -> Self {
        Self { quorum, ..self.clone() }
    }

    /// The same locks, with another label of who holds them. It is seen by whoever looks at held locks; by default it is
    /// `<hostname>:<pid>`.
    #[must_use]
    pub fn with_holder(&self, holder: Holder) -> Self {
        Self { holder, ..self.clone() }
    }

    /// The same locks with one more class to choose from, for [`Locks::open_as`].
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is taken or cannot be one.
    pub fn with_class(&self, name: &str, class: Arc<dyn LockClass>) -> Result<Self, Error> {
        Ok(Self { classes: self.classes.with(name, class)?, ..self.clone() })
    }

    /// A named lock. Checks the name and the options, and touches no store.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name or options that cannot work, [`Error::Limit`] for a name that is too long.
    pub fn open(&self, name: &str, options: LockOptions) -> Result<Lock, Error> {
        let terms = Terms::parse(options, self.quorum)?;
        if terms.quorum.is_some() && self.shared.lines.store().replicas().is_none() {
            return Err(Invalid::NoReplicas { store: self.shared.lines.store().address().to_owned() }.into());
        }
        self.lock(name, Share::Alone, terms)
    }

    /// The same for a lock of a class that [`Locks::with_class`] registered. `note` says why the lock is wanted, for the class to
    /// make use of, in at most [`MAX_NOTE`] bytes.
    ///
    /// # Errors
    /// As [`Locks::open`]; [`Error::Invalid`] for a class that there is not, [`Error::Limit`] for a note that is too long.
    pub fn open_as(&self, class: &str, name: &str, note: Option<&str>, options: LockOptions) -> Result<Lock, Error> {
        let member = Some(self.classes.member(class, note)?);
        Ok(Lock { member, ..self.open(name, options)? })
    }

    /// A named read-write lock. Checks the name and the options, and touches no store.
    ///
    /// It is always fair; [`LockOptions::fair`] says what more there is to that where many wait in one process. It has nothing to do with
    /// the lock of the same name, nor with the semaphore.
    ///
    /// # Errors
    /// As of [`Locks::open`]; [`Error::Invalid`] also for kind quorum.
    pub fn open_rw(&self, name: &str, options: LockOptions) -> Result<RwLock, Error> {
        let terms = Terms::shared(options)?;
        Ok(RwLock { reader: self.lock(name, Share::Reader, terms)?, writer: self.lock(name, Share::Writer, terms)? })
    }

    /// A named semaphore of so many permits. Checks the name and the options, and touches no store.
    ///
    /// It is always fair, as a read-write lock is. It has nothing to do with the lock of the same name, nor with the read-write lock.
    /// Everybody should open it with the same number of permits; see [`Semaphore::acquire`] for what is if not.
    ///
    /// # Errors
    /// As of [`Locks::open`]; [`Error::Invalid`] also for 0 permits, and for kind quorum.
    pub fn open_semaphore(&self, name: &str, permits: u32, options: LockOptions) -> Result<Semaphore, Error> {
        let of = NonZeroU32::new(permits).ok_or(Invalid::NoPermits)?;
        Ok(Semaphore { permits: of, lock: self.lock(name, Share::Permit { of }, Terms::shared(options)?)? })
    }

    /// One lock over the plain locks of several names, at least one and at most 100. Checks the names and the options, and touches no
    /// store. A name that is given twice counts once, and their order does not matter.
    ///
    /// In a Redis Cluster all names have to be in one slot, as those with the same hash tag are: `{order-7}:stock`, `{order-7}:till`.
    ///
    /// # Errors
    /// As of [`Locks::open`]; [`Error::Invalid`] also for no names at all, for names that are in different slots of a cluster, and for
    /// kind quorum; [`Error::Limit`] for too many.
    pub fn open_many(&self, names: impl IntoIterator<Item = impl AsRef<str>>, options: LockOptions) -> Result<MultiLock, Error> {
        MultiLock::open(self, names, options)
    }

    fn lock(&self, name: &str, share: Share, terms: Terms) -> Result<Lock, Error> {
        let keys = Arc::new(LockKeys::shared(&self.prefix, name, share)?);
        Ok(Lock { shared: Arc::clone(&self.shared), keys, terms, holder: self.holder.clone(), member: None })
    }

    /// Waits until no release is under way in the background: of guards that were dropped, of acquires that were cancelled; and until
    /// no class is being told of the end of a hold.
    ///
    /// Await it before the runtime shuts down; a lock whose release had no time is only freed by its lease.
    pub async fn settled(&self) {
        self.shared.background.settled().await;
    }
}

/// A named lock, not (yet) held. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Lock {
    shared: Arc<Shared>,
    keys: Arc<LockKeys>,
    terms: Terms,
    holder: Holder,
    member: Option<Member>,
}

impl Lock {
    /// The lock's name, without the prefix.
    #[must_use]
    pub fn name(&self) -> &str {
        self.keys.name()
    }

    /// Takes the lock. `None` when `wait` is over and somebody else still holds it.
    ///
    /// It can be dropped at any await; a lock that it may have taken by then is released in the background. While the store
    /// cannot be reached it tries again as long as `wait` lasts. A first attempt that is under way when `wait` is over is waited
    /// for, at most as long as the store's time-outs.
    ///
    /// A lock of [`Kind::Quorum`] is let go of and tried for again while too few replicas hold it, and is `None` if they do not by
    /// the end of `wait` either. Without a wait they have up to a second, and at most half of the lease, to get it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached by the end of `wait`, or if this is no tokio runtime;
    /// [`Error::Limit`] if the store is full; [`Error::Invalid`] if the lock's key holds something that is no lock, or if it is to
    /// have a quorum of replicas that the store does not have.
    pub async fn acquire(&self, wait: Wait) -> Result<Option<Guard>, Error> {
        if let Some(member) = &self.member {
            return member.acquire(self, wait).await;
        }
        let kind = self.label();
        let span = tracing::debug_span!("acquire", lock = self.name(), kind = kind.as_str());
        let waiting = metrics::Waiting::begin(kind);
        let outcome = acquire::acquire(self, wait).instrument(span).await;
        waiting.end(&outcome);
        outcome
    }

    /// What metrics and spans call it.
    fn label(&self) -> metrics::Label {
        metrics::Label::of(self.keys.share(), &self.terms)
    }

    /// Whether anybody holds the lock at the moment.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the store cannot be reached.
    pub async fn is_locked(&self) -> Result<bool, Error> {
        self.shared.lines.store().is_locked(&self.keys).await
    }

    /// Takes over the lock that [`Guard::hand_over`] let go of, with the token that it gave. The lease goes on as it is, and is
    /// renewed from here on if the options say so; the fence is a new and larger one.
    ///
    /// From then on the token is dead: of many who adopt with the same one, one has the lock. Dropped at its await, or failed
    /// without an answer, it leaves the lock with the token if the store had not heard of it, and lets go of the lock in the
    /// background if it had.
    ///
    /// A lock of [`Kind::Quorum`] is let go of if the replicas have not heard of the new holder after a second, or half of the time
    /// that is left.
    ///
    /// # Errors
    /// [`Error::NotHeld`] if the token does not hold this lock (any more); [`Error::Invalid`] if it cannot be a token;
    /// [`Error::Unavailable`] if the store or a quorum of its replicas cannot be reached, or if this is no tokio runtime.
    pub async fn adopt(&self, token: &str) -> Result<Guard, Error> {
        let guard = acquire::adopt(self, &Token::parse(token)?).await?;
        match &self.member {
            None => Ok(guard),
            Some(member) => member.begin(guard).await,
        }
    }
}

/// The runtime on which a guard that is dropped elsewhere is released.
fn runtime() -> Result<Handle, Error> {
    Handle::try_current().map_err(|why| {
        let why = Outage::Failed(format!("{why}; locks must be acquired within a tokio runtime"));
        Unavailable { store: "of this call".to_owned(), why }.into()
    })
}
