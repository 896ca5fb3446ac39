//! The class `recorded`.

use std::time::{Duration, SystemTime};

use bellwether::cache::{Cache, Caches, Key};
use bellwether::error::{Error, LossReason};
use bellwether::lock::{BoxFuture, Hold, LockClass};
use serde::{Deserialize, Serialize};

/// The cache that has the record.
pub(crate) const CACHE: &str = "holders";

/// How long the record of a holder stays that was killed.
const EXPIRE: Duration = Duration::from_hours(24);

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) who: String,
    pub(crate) why: String,
    /// In seconds of Unix time.
    pub(crate) since: u64,
}

/// The record of who holds what. Each lock has the fence of its last holder, and each hold an entry of its own with its fence as
/// the content, so that the end of one never strikes out the next.
#[derive(Debug, Clone)]
pub(crate) struct Record(Cache);

impl Record {
    /// The record in these caches.
    ///
    /// # Errors
    /// When the platform does not allow the cache.
    pub(crate) fn open(caches: &Caches) -> Result<Self, Error> {
        Ok(Self(caches.open(CACHE, None)?))
    }

    /// Who holds a lock; `None` if nobody does, or it is not recorded.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub(crate) async fn holder(&self, lock: &str) -> Result<Option<Holder>, Error> {
        match self.0.get::<u64>(lock).await? {
            Some(fence) => self.0.get(Key::with_content(lock, &fence)?).await,
            None => Ok(None),
        }
    }

    async fn begin(&self, hold: &Hold, holder: &Holder) -> Result<(), Error> {
        self.0.set(Key::with_content(&hold.lock, &hold.fence)?, holder, Some(EXPIRE)).await?;
        self.0.set(hold.lock.as_str(), &hold.fence, Some(EXPIRE)).await
    }

    async fn end(&self, hold: &Hold) -> Result<(), Error> {
        self.0.delete(Key::with_content(&hold.lock, &hold.fence)?).await?;
        Ok(())
    }
}

/// Locks that have it written down who holds them.
#[derive(Debug)]
pub(crate) struct Recorded {
    record: Record,
    who: String,
}

impl Recorded {
    /// The class, for locks that are held by `who`.
    pub(crate) fn new(record: Record, who: &str) -> Self {
        Self { record, who: who.to_owned() }
    }
}

impl LockClass for Recorded {
    // A lock that cannot be recorded is not held: an error here lets it go.
    fn acquired<'a>(&'a self, hold: &'a Hold) -> BoxFuture<'a, Result<(), Error>> {
        let why = hold.note.clone().unwrap_or_else(|| "something unsaid".to_owned());
        let since = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
        let holder = Holder { who: self.who.clone(), why, since };
        Box::pin(async move { self.record.begin(hold, &holder).await })
    }

    fn ended<'a>(&'a self, hold: &'a Hold, why: LossReason) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.record.end(hold).await {
                eprintln!("the record of {} stays for a while, though {why}: {error}", hold.lock);
            }
        })
    }
}
