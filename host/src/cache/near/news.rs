//! What is known of changes to entries, and which copies are worth something by that.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use tokio::time::Instant;

use crate::store::Mirror;

/// What a copy takes besides its key and value, about, in bytes.
const OVERHEAD: usize = 100;

/// Copies by the keys of their entries, of all caches.
pub(super) type Copies = moka::sync::Cache<String, Copied>;

/// A copy of a value.
#[derive(Clone)]
pub(super) struct Copied {
    value: Bytes,
    until: Instant,
    era: u64,
    /// Whose it is: what has passed through some stages is no value for who has others.
    owner: u64,
}

/// No copies, and room for so many bytes of them.
pub(super) fn copies(bytes: u64) -> Copies {
    let weight = |key: &String, copied: &Copied| u32::try_from(key.len() + copied.value.len() + OVERHEAD).unwrap_or(u32::MAX);
    moka::sync::Cache::builder().max_capacity(bytes).weigher(weight).build()
}

/// What is known of changes.
pub(super) struct News {
    copies: Copies,
    number: u64,
    /// Odd while the store tells of every change. Copies of an earlier era are worth nothing.
    era: AtomicU64,
    /// Nobody tells of changes any more, until that is asked for anew.
    pub(super) ended: AtomicBool,
    /// How often an entry with this hash has changed.
    changes: [AtomicU64; 256],
    hasher: RandomState,
}

/// What was known when a read began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Before {
    era: u64,
    changes: u64,
    pub(super) sent: Instant,
}

impl News {
    pub(super) fn new(copies: Copies, number: u64) -> Self {
        let changes = std::array::from_fn(|_| AtomicU64::new(0));
        Self { copies, number, era: AtomicU64::new(0), ended: AtomicBool::new(false), changes, hasher: RandomState::new() }
    }

    #[cfg(test)]
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    fn changes(&self, key: &str) -> &AtomicU64 {
        // The last byte of the hash is always within the 256.
        let [place, ..] = self.hasher.hash_one(key).to_le_bytes();
        self.changes.get(usize::from(place)).unwrap_or(&self.era)
    }

    fn trusted(&self) -> Option<u64> {
        Some(self.era.load(Ordering::SeqCst)).filter(|era| era % 2 == 1)
    }

    pub(super) fn get(&self, key: &str, now: Instant) -> Option<Bytes> {
        let era = self.trusted()?;
        let Copied { value, until, era: of, owner } = self.copies.get(key)?;
        (owner == self.number && of == era && now < until).then_some(value)
    }

    pub(super) fn before(&self, key: &str, sent: Instant) -> Option<Before> {
        let era = self.trusted()?;
        Some(Before { era, changes: self.changes(key).load(Ordering::SeqCst), sent })
    }

    pub(super) fn keep(&self, key: &str, value: &Bytes, before: Before, until: Instant) {
        let unchanged = || self.trusted() == Some(before.era) && self.changes(key).load(Ordering::SeqCst) == before.changes;
        if !unchanged() {
            return;
        }
        let copied = Copied { value: value.clone(), until, era: before.era, owner: self.number };
        self.copies.insert(key.to_owned(), copied);
        // A change that was heard in between has found nothing to drop. One that is heard from here on will.
        if !unchanged() {
            self.copies.invalidate(key);
        }
    }

    /// What was copied so far is not served any more.
    pub(super) fn renew(&self) {
        // From trust to trust, or from doubt to doubt.
        self.era.fetch_add(2, Ordering::SeqCst);
    }
}

impl Mirror for News {
    fn trust(&self) {
        _ = self.era.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |era| Some(era + 1 + era % 2));
    }

    fn changed(&self, key: &str) {
        // In this order: a reader who has not seen the first keeps nothing that the second would miss.
        self.changes(key).fetch_add(1, Ordering::SeqCst);
        self.copies.invalidate(key);
    }

    fn doubt(&self) {
        _ = self.era.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |era| (era % 2 == 1).then_some(era + 1));
    }

    fn all_changed(&self) {
        self.renew();
    }

    fn ended(&self) {
        self.ended.store(true, Ordering::SeqCst);
    }
}

impl fmt::Debug for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("News").field("era", &self.era).finish_non_exhaustive()
    }
}
