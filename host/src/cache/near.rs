//! Copies of entries in this process, kept right by the store.
//!
//! A copy is served only while the store tells of every change. It was read after all changes that were heard before, and is dropped by
//! the next one, or by any doubt; and it is never older than a bound, whatever the store tells.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join;
use tokio::time::Instant;

use super::Cache;
use super::entries::Inner;
use super::herd::fresh_for;
use super::pledge::Read;
use crate::clock::after;
use crate::envelope::{StageId, is_tagged};
use crate::error::Error;
use crate::pause::random;
use crate::store::{Mirror, Store, Tracking, Ttl};

mod news;

use news::{Before, Copies, News, copies};

/// How much is copied at most, by all caches of a [`super::Caches`] together, and for how long.
///
/// # How old a value can be
/// After a write that another process was told is done, this one can still read the old value
/// - in the steady case, for as long as the store's news of it is on its way: about half a round trip, and longer only if this process
///   does not get to read it;
/// - when the connection for the news breaks, until this process notices: at once for one that is closed, within 1 s and
///   [`StoreOptions::response_timeout`](crate::store::StoreOptions::response_timeout) for one that went silent; and if the server steps down
///   as the primary, Sentinels or the other nodes of its cluster replace it, or its name leads to another, within about 1 s;
/// - in no case for longer than [`NearLimits::age`].
///
/// What is written by a [`super::Caches`] is read by it at once, whichever of its handles does either: also one without copies, one with
/// other stages, and one of [`super::Caches::with_prefix`]. Any other [`super::Caches`] in this process is as another process.
///
/// # How many caches have copies
/// At most 64 of a [`super::Caches`], all of its prefixes together: those that are read first, for as long as the process lives; a cache
/// that is opened with several serializers or compressors counts for each. Each further one reads the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NearLimits {
    /// Bytes of keys and values, with about 100 bytes more for each. Default: 64 MiB.
    pub bytes: u64,
    /// How long a copy is served at most, even if the store tells of no change. Default: 10 s.
    pub age: Duration,
}

impl Default for NearLimits {
    fn default() -> Self {
        Self { bytes: 64 << 20, age: Duration::from_secs(10) }
    }
}

/// How many caches can have copies. Each costs the server a look at every write.
const CACHES: usize = 64;

/// The copies of all caches. Cheap to clone.
#[derive(Clone)]
pub(super) struct Nears {
    copies: Copies,
    age: Duration,
    caches: Arc<Opened>,
}

/// The caches that have copies, in the order in which they were read first. None ever goes, so that who writes needs no lock to find them.
struct Opened {
    caches: [OnceLock<Arc<Near>>; CACHES],
    /// Whoever has it adds one.
    adding: Mutex<()>,
}

/// Whether there is an envelope, and the serializer and compressor.
pub(super) type Form = (bool, [StageId; 2]);

/// The copies of one cache whose entries are of one form.
pub(super) struct Near {
    /// What the keys of its entries begin with.
    entries: String,
    form: Form,
    news: Arc<News>,
    age: Duration,
    /// The store tells of changes for as long as this is there.
    tracking: Mutex<Option<Tracking>>,
}

/// Where a handle of a cache has its copies from: the store tracks nothing before something is read.
#[derive(Debug)]
pub(super) struct NearDoor {
    nears: Nears,
    /// Whether it is to have any.
    wanted: bool,
    near: OnceLock<Option<Arc<Near>>>,
}

impl Nears {
    /// No copies, and room for some.
    pub(super) fn new(limits: NearLimits) -> Self {
        let copies = copies(limits.bytes);
        let caches = Opened { caches: [const { OnceLock::new() }; CACHES], adding: Mutex::new(()) };
        Self { copies, age: limits.age, caches: Arc::new(caches) }
    }

    /// The copies of the cache whose entries' keys begin with `entries` and are of this form, to be called within a runtime.
    /// `None` if the store keeps its entries in this process, or if too many caches have copies already.
    pub(super) fn of(&self, entries: &str, form: Form, store: &dyn Store) -> Option<Arc<Near>> {
        let _adding = self.caches.adding.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(near) = self.all().find(|near| near.entries == entries && near.form == form) {
            return Some(near.clone());
        }
        let number = self.all().count();
        let Some(place) = self.caches.caches.get(number) else {
            tracing::warn!(entries, "so many caches have copies in this process already that this one has none");
            return None;
        };
        let news = Arc::new(News::new(self.copies.clone(), number as u64));
        let tracking = store.track(entries, news.clone())?;
        let (entries, tracking) = (entries.to_owned(), Mutex::new(Some(tracking)));
        let near = Arc::new(Near { entries, form, news, age: self.age, tracking });
        Some(place.get_or_init(|| near).clone())
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Near>> {
        self.caches.caches.iter().map_while(OnceLock::get)
    }

    /// See [`Cache::forgetting`].
    fn forgetting<'a, 'k>(&'a self, entries: &'a str, keys: impl Iterator<Item = &'k str>) -> Forgetting<'a> {
        let keys = self.with(entries).next().map(|_| keys.map(str::to_owned).collect());
        let forgetting = Forgetting { nears: self, entries, keys };
        forgetting.now();
        forgetting
    }

    /// All copies of entries whose keys begin so, of any form.
    fn with(&self, entries: &str) -> impl Iterator<Item = &Near> {
        self.all().filter(move |near| near.entries == entries).map(|near| &**near)
    }
}

impl NearDoor {
    pub(super) fn new(nears: Nears, wanted: bool) -> Self {
        Self { nears, wanted, near: OnceLock::new() }
    }

    /// The copies, to be called within a runtime.
    fn open(&self, cache: &Cache) -> Option<&Near> {
        let Inner { pipeline, store, .. } = &*cache.0;
        if !self.wanted {
            return None;
        }
        self.near.get_or_init(|| self.nears.of(&pipeline.entries, pipeline.form(), &**store)).as_deref()
    }
}

impl Cache {
    /// The copies that this process has of its entries, if any.
    pub(super) fn near(&self) -> Option<&Near> {
        self.0.near.open(self)
    }

    /// The value of an entry that is not copied, of which a copy is kept.
    pub(super) async fn read_near(&self, near: &Near, key: &str) -> Result<Read, Error> {
        let Some(before) = near.before(key) else {
            near.track_again(&self.0.pipeline.entries, &*self.0.store);
            return self.read_far(key, self.0.store.get(key).await?).await;
        };
        let (stored, ttl) = try_join(self.0.store.get(key), self.0.store.ttl(key)).await?;
        let early = |took| self.0.expiry.rules.early(took, random());
        let lasts = stored.as_deref().and_then(|stored| fresh_for(stored, self.0.store.now(), early));
        // Whether a tag was invalidated is not told of by the entry's key.
        let tagged = stored.as_deref().is_some_and(is_tagged);
        let (value, pledge) = self.read_far(key, stored).await?;
        let lasts = match ttl {
            _ if tagged => None,
            Ttl::Absent => None,
            Ttl::Persistent => lasts,
            Ttl::Remaining(left) => lasts.map(|lasts| lasts.min(left)),
        };
        if let (Some(value), Some(lasts)) = (&value, lasts) {
            near.keep(key, value, before, lasts);
        }
        Ok((value, pledge))
    }

    /// Forgets copies of entries that are about to be written, whichever handle has them, now and when the answer is dropped.
    pub(super) fn forgetting<'k>(&self, keys: impl Iterator<Item = &'k str>) -> Forgetting<'_> {
        self.0.near.nears.forgetting(&self.0.pipeline.entries, keys)
    }

    /// Forgets copies of all entries, whichever handle has them.
    pub(super) fn forget_all(&self) {
        self.0.near.nears.with(&self.0.pipeline.entries).for_each(Near::forget_all);
    }
}

/// Copies that are to be forgotten: before the store is told to write, so that nobody here reads the old value after the new one is
/// there, and after, so that no read of before is kept.
pub(super) struct Forgetting<'a> {
    nears: &'a Nears,
    entries: &'a str,
    /// `None` if nobody had copies before: who has some after has them of few.
    keys: Option<Vec<String>>,
}

impl Forgetting<'_> {
    fn now(&self) {
        for near in self.nears.with(self.entries) {
            match &self.keys {
                Some(keys) => keys.iter().for_each(|key| near.news.changed(key)),
                None => near.forget_all(),
            }
        }
    }
}

impl Drop for Forgetting<'_> {
    fn drop(&mut self) {
        self.now();
    }
}

impl Near {
    /// The copy of an entry's value, if there is one to be trusted.
    pub(super) fn get(&self, key: &str) -> Option<Bytes> {
        self.news.get(key, Instant::now())
    }

    /// To be called before an entry is read from the store; `None` if nothing can be copied at the moment.
    fn before(&self, key: &str) -> Option<Before> {
        self.news.before(key, Instant::now())
    }

    /// Copies what was read, for as long as that lasts from when the read began.
    fn keep(&self, key: &str, value: &Bytes, before: Before, lasts: Duration) {
        self.news.keep(key, value, before, after(before.sent, lasts.min(self.age)));
    }

    /// Has the store tell of changes in this runtime, if the one has ended where it did.
    fn track_again(&self, entries: &str, store: &dyn Store) {
        if self.news.ended.swap(false, Ordering::SeqCst) {
            let tracking = store.track(entries, self.news.clone());
            *self.tracking.lock().unwrap_or_else(PoisonError::into_inner) = tracking;
        }
    }

    /// Forgets all.
    fn forget_all(&self) {
        self.news.renew();
    }
}

impl fmt::Debug for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Near").field("age", &self.age).finish_non_exhaustive()
    }
}

impl fmt::Debug for Nears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nears").field("age", &self.age).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
