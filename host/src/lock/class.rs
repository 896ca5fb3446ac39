//! Classes of locks: what an embedder has done around an ordinary lock, by name.
//!
//! A class decides when an acquire goes ahead and is told when a hold begins and ends. It cannot change what a lock is: tokens,
//! fences and leases are made below it, a guard comes from an ordinary acquire only, and a lock is released with its guard even
//! if the class is asleep.

use std::collections::BTreeMap;
use std::fmt;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

pub use futures_util::future::BoxFuture;
use tokio::time::timeout;

use super::{Guard, Lock};
use crate::clock::Wait;
use crate::error::{Error, Invalid, Limit, LossReason};
use crate::names::check_name;

/// The longest note of a lock of a class, in bytes.
pub const MAX_NOTE: usize = 1024;

/// How long a class may take over the end of a hold.
const FAREWELL: Duration = Duration::from_secs(10);

/// What locks of one class do more than ordinary ones. Every method does the ordinary thing unless it is overridden.
///
/// ```
/// use std::sync::Arc;
///
/// use bellwether::error::{Denied, Error};
/// use bellwether::lock::{BoxFuture, Guard, LockClass, LockOptions, Locks, Request};
/// use bellwether::store::memory::MemoryStore;
///
/// /// Locks that nobody gets without saying what for.
/// #[derive(Debug)]
/// struct Explained;
///
/// impl LockClass for Explained {
///     fn acquire<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Option<Guard>, Error>> {
///         Box::pin(async move {
///             if request.note.is_none() {
///                 return Err(Denied::ByClass { why: "say what the lock is for".to_owned() }.into());
///             }
///             request.lock.acquire(request.wait).await
///         })
///     }
/// }
///
/// # fn main() -> Result<(), Error> {
/// let locks = Locks::new(Arc::new(MemoryStore::new())).with_class("explained", Arc::new(Explained))?;
/// let lock = locks.open_as("explained", "nightly-report", Some("the monthly closing"), LockOptions::default())?;
/// # Ok(())
/// # }
/// ```
pub trait LockClass: fmt::Debug + Send + Sync + 'static {
    /// Takes a lock: acquires `request.lock` and gives its guard, before or after whatever else there is to do. `None` when the
    /// wait is over, which is for the class to keep to. It is dropped at any await when whoever asked goes away.
    ///
    /// # Errors
    /// Those of an acquire, or [`crate::error::Denied::ByClass`] to refuse.
    fn acquire<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Option<Guard>, Error>> {
        Box::pin(request.lock.acquire(request.wait))
    }

    /// Is told that a lock is held, acquired or adopted, before its guard is given to whoever asked. The lock is let go if this
    /// fails, or is dropped because they went away.
    ///
    /// # Errors
    /// What whoever asked for the lock gets in place of its guard.
    fn acquired<'a>(&'a self, hold: &'a Hold) -> BoxFuture<'a, Result<(), Error>> {
        let _ = hold;
        Box::pin(ready(Ok(())))
    }

    /// Is told, once for each hold that [`LockClass::acquired`] was told of, that its guard holds the lock no more: it let go, was
    /// dropped, as by a guest that trapped, or lost the lock. This runs in the background, for at most 10 s, and
    /// [`super::Locks::settled`] waits for it.
    ///
    /// `why` is what the guard knew: one that lets go of a lock that it has lost unawares has released it. The lock may have its next
    /// holder by now; what is kept of a hold is told from that of the next by the fence.
    fn ended<'a>(&'a self, hold: &'a Hold, why: LossReason) -> BoxFuture<'a, ()> {
        let _ = (hold, why);
        Box::pin(ready(()))
    }
}

/// Somebody asks for a lock of a class.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Request<'a> {
    /// The ordinary lock.
    pub lock: &'a Lock,
    /// How long they wait for it.
    pub wait: Wait,
    /// Why they want it, as they said when they opened it.
    pub note: Option<&'a str>,
}

/// A lock of a class that is or was held.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hold {
    /// The lock's name, without the prefix.
    pub lock: String,
    /// The fence of its guard.
    pub fence: u64,
    /// Why it was wanted.
    pub note: Option<String>,
}

/// The classes there are, by name. Clones are cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Classes(Arc<BTreeMap<String, Arc<dyn LockClass>>>);

impl Classes {
    /// The same with one more.
    pub(super) fn with(&self, name: &str, class: Arc<dyn LockClass>) -> Result<Self, Error> {
        check_name(CLASS_NAME, name)?;
        let mut classes = BTreeMap::clone(&self.0);
        match classes.insert(name.to_owned(), class) {
            None => Ok(Self(Arc::new(classes))),
            Some(_) => Err(Invalid::ClassTaken { name: name.to_owned() }.into()),
        }
    }

    /// What makes a lock one of this class.
    pub(super) fn member(&self, name: &str, note: Option<&str>) -> Result<Member, Error> {
        check_name(CLASS_NAME, name)?;
        if let Some(size) = note.map(str::len).filter(|size| *size > MAX_NOTE) {
            return Err(Limit::Size { what: "note", size: size as u64, max: MAX_NOTE as u64 }.into());
        }
        match self.0.get_key_value(name) {
            Some((name, class)) => Ok(Member { name: name.as_str().into(), class: Arc::clone(class), note: note.map(Arc::from) }),
            None => Err(Invalid::UnknownClass { name: name.to_owned(), known: self.known() }.into()),
        }
    }

    fn known(&self) -> String {
        let names: Vec<_> = self.0.keys().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { "there are none".to_owned() } else { format!("known are {}", names.join(", ")) }
    }
}

/// What names of classes are called in errors.
const CLASS_NAME: &str = "lock class name";

/// What makes a lock one of a class.
#[derive(Debug, Clone)]
pub(super) struct Member {
    name: Arc<str>,
    class: Arc<dyn LockClass>,
    note: Option<Arc<str>>,
}

impl Member {
    /// Takes the lock as its class does.
    pub(super) async fn acquire(&self, lock: &Lock, wait: Wait) -> Result<Option<Guard>, Error> {
        let ordinary = Lock { member: None, ..lock.clone() };
        let request = Request { lock: &ordinary, wait, note: self.note.as_deref() };
        let Some(guard) = self.class.acquire(request).await? else { return Ok(None) };
        if !guard.held.is_of(lock) {
            let (class, given, lock) = (self.name.to_string(), guard.name().to_owned(), lock.name().to_owned());
            return Err(Invalid::ForeignGuard { class, given, lock }.into());
        }
        self.begin(guard).await.map(Some)
    }

    /// Begins a hold. From here on the class will be told of its end, whatever that is.
    pub(super) async fn begin(&self, guard: Guard) -> Result<Guard, Error> {
        let note = self.note.as_deref().map(str::to_owned);
        let hold = Arc::new(Hold { lock: guard.name().to_owned(), fence: guard.fence(), note });
        guard.held.tell_at_end(Ending { class: Arc::clone(&self.class), hold: Arc::clone(&hold) });
        self.class.acquired(&hold).await?;
        Ok(guard)
    }
}

/// A class that is to be told of the end of a hold.
#[derive(Debug)]
pub(super) struct Ending {
    class: Arc<dyn LockClass>,
    hold: Arc<Hold>,
}

impl Ending {
    pub(super) async fn tell(self, why: LossReason) {
        if timeout(FAREWELL, self.class.ended(&self.hold, why)).await.is_err() {
            let Hold { lock, fence, .. } = &*self.hold;
            tracing::warn!(lock, fence, class = ?self.class, "the class took too long over the end of a hold");
        }
    }
}
