//! What a handle has said it would compute: when a herd cache answers that there is no value, the next set of it is the answer.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::standing::Premises;
use crate::clock::{after, millis};
use crate::envelope::{Claim, Tag};
use crate::store::Replaces;

/// The claims of a handle that nothing was set for yet, by the entry's key: the last so many. Those before are forgotten: a set is then
/// as any other.
#[derive(Debug)]
pub(super) struct Promises {
    most: usize,
    made: Mutex<Made>,
}

/// What a handle has said it would compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    /// The claim that the entry has.
    pub(super) claim: Claim,
    /// When it was made.
    pub(super) made: Instant,
    /// From when on the entry may have expired for good. If there is none, that need not mean that somebody wanted it so.
    pub(super) late: Instant,
    /// The tags of the value that is to be computed anew.
    pub(super) tags: Vec<Tag>,
}

#[derive(Debug, Default)]
struct Made {
    /// Each with its number.
    promises: HashMap<Arc<str>, (u64, Promise)>,
    /// The keys, in the order in which the promises were made. Who is late longest is first.
    order: BTreeMap<u64, Arc<str>>,
    /// The number of the next.
    next: u64,
}

/// How many are remembered at least.
const LEAST: usize = 4096;

/// How late an answer may be. Who was to compute a value and gave up without a word sets it for another reason some day.
const LATE: Duration = Duration::from_hours(1);

impl Promises {
    /// None made yet. All that one call can make are remembered, of which each has up to `batch` entries.
    pub(super) fn new(batch: usize) -> Self {
        Self { most: batch.max(LEAST), made: Mutex::default() }
    }

    /// Remembers a promise, in place of the oldest where there are too many.
    pub(super) fn make(&self, key: &str, promise: Promise) {
        let mut made = self.open();
        made.forget(key);
        if made.promises.len() >= self.most
            && let Some((_, oldest)) = made.order.pop_first()
        {
            made.promises.remove(&oldest);
        }
        let (key, number) = (Arc::<str>::from(key), made.next);
        made.next = number.wrapping_add(1);
        made.order.insert(number, key.clone());
        made.promises.insert(key, (number, promise));
    }

    /// The promise to compute an entry, if it is not so late that nobody can still be at it.
    pub(super) fn of(&self, key: &str, now: Instant) -> Option<Promise> {
        self.open().promises.get(key).filter(|(_, promise)| now < after(promise.late, LATE)).map(|(_, promise)| promise.clone())
    }

    /// Forgets the promise of a claim, to which there was an answer.
    pub(super) fn settle(&self, key: &str, claim: Claim) {
        let mut made = self.open();
        if made.promises.get(key).is_some_and(|(_, promise)| promise.claim == claim) {
            made.forget(key);
        }
    }

    fn open(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn forget(&mut self, key: &str) {
        if let Some((number, _)) = self.promises.remove(key) {
            self.order.remove(&number);
        }
    }
}

impl Promise {
    /// What the value may replace that was promised.
    pub(super) fn replaces(&self, now: Instant) -> Replaces {
        if now < self.late { Replaces::Claimed(self.claim) } else { Replaces::ClaimedOrNothing(self.claim) }
    }

    /// For how many milliseconds it has been computed.
    pub(super) fn took(&self, now: Instant) -> u32 {
        u32::try_from(millis(now.saturating_duration_since(self.made))).unwrap_or(u32::MAX)
    }
}

impl From<&Promise> for Premises {
    fn from(promise: &Promise) -> Self {
        Self { began: Some(promise.made), known: promise.tags.clone() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn promise(now: Instant) -> Promise {
        Promise { claim: Claim::random().unwrap(), made: now, late: now + 2 * SECOND, tags: Vec::new() }
    }

    #[test]
    fn a_promise_is_kept_once() {
        let (promises, now) = (Promises::new(0), Instant::now());
        let promise = promise(now);
        promises.make("a", promise.clone());
        assert_eq!(promises.of("b", now), None);
        let kept = promises.of("a", now).unwrap();
        assert_eq!((kept.took(now + SECOND), kept), (1000, promise.clone()));
        promises.settle("a", Claim::random().unwrap());
        assert_eq!(promises.of("a", now), Some(promise.clone()), "that was the answer to another claim");
        promises.settle("a", promise.claim);
        assert_eq!(promises.of("a", now), None);
    }

    #[test]
    fn a_promise_that_is_late_can_be_kept_where_nothing_is() {
        let now = Instant::now();
        let promise = promise(now);
        assert_eq!(promise.replaces(now + SECOND), Replaces::Claimed(promise.claim));
        assert_eq!(promise.replaces(now + 2 * SECOND), Replaces::ClaimedOrNothing(promise.claim));
        let promises = Promises::new(0);
        promises.make("a", promise.clone());
        assert_eq!(promises.of("a", now + SECOND + LATE), Some(promise));
        assert_eq!(promises.of("a", now + 2 * SECOND + LATE), None, "nobody is still at it");
    }

    #[test]
    fn promises_do_not_pile_up() {
        let most = LEAST + 1;
        let (promises, now) = (Promises::new(most), Instant::now());
        let promise = promise(now);
        for n in 0..most {
            promises.make(&n.to_string(), promise.clone());
        }
        promises.settle("0", promise.claim);
        promises.make("1", promise.clone());
        promises.make("one more", promise.clone());
        assert!(promises.of("2", now).is_some(), "there is room for what takes the place of another");
        promises.make("too many", promise.clone());
        let (one, oldest) = (promises.of("1", now).is_some(), promises.of("2", now));
        assert_eq!((one, oldest), (true, None), "what was made anew is not the oldest");
        let made = promises.open();
        assert_eq!((made.promises.len(), made.order.len()), (most, most));
    }
}
