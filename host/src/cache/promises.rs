//! What a handle has said it would compute: when a herd cache answers that there is no value, the next set of it is the answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::standing::Premises;
use crate::clock::{after, millis};
use crate::envelope::{Claim, Tag};

/// The claims of a handle that nothing was set for yet, by the entry's key. Those that have ended, and those beyond [`MOST`], are
/// forgotten: a set is then as any other.
#[derive(Debug, Default)]
pub(super) struct Promises(Mutex<HashMap<String, (Promise, Instant)>>);

/// What a handle has said it would compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Promise {
    /// The claim that the entry has.
    pub(super) claim: Claim,
    /// When it was made.
    pub(super) made: Instant,
    /// The tags of the value that is to be computed anew.
    pub(super) tags: Vec<Tag>,
}

/// How many are remembered.
const MOST: usize = 4096;

impl Promises {
    /// Remembers a promise for so long.
    pub(super) fn make(&self, key: &str, promise: Promise, lasts: Duration, now: Instant) {
        let mut promises = self.open();
        if promises.len() >= MOST {
            promises.retain(|_, (_, ends)| *ends > now);
        }
        if promises.len() < MOST || promises.contains_key(key) {
            promises.insert(key.to_owned(), (promise, after(now, lasts)));
        }
    }

    /// The promise to compute an entry.
    pub(super) fn of(&self, key: &str, now: Instant) -> Option<Promise> {
        self.open().get(key).filter(|(_, ends)| *ends > now).map(|(promise, _)| promise.clone())
    }

    /// Forgets the promise of a claim, to which there was an answer.
    pub(super) fn settle(&self, key: &str, claim: Claim) {
        let mut promises = self.open();
        if promises.get(key).is_some_and(|(promise, _)| promise.claim == claim) {
            promises.remove(key);
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, (Promise, Instant)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Promise {
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

    #[test]
    fn a_promise_is_kept_once_and_in_time() {
        let (promises, now) = (Promises::default(), Instant::now());
        let promise = Promise { claim: Claim::random().unwrap(), made: now, tags: Vec::new() };
        promises.make("a", promise.clone(), 2 * SECOND, now);
        assert_eq!(promises.of("b", now), None);
        let kept = promises.of("a", now + SECOND).unwrap();
        assert_eq!((kept.took(now + SECOND), kept), (1000, promise.clone()));
        promises.settle("a", Claim::random().unwrap());
        assert_eq!(promises.of("a", now + SECOND), Some(promise.clone()), "that was the answer to another claim");
        promises.settle("a", promise.claim);
        assert_eq!(promises.of("a", now + SECOND), None);
        promises.make("a", promise, SECOND, now);
        assert_eq!(promises.of("a", now + SECOND), None);
    }

    #[test]
    fn promises_do_not_pile_up() {
        let (promises, now) = (Promises::default(), Instant::now());
        let promise = Promise { claim: Claim::random().unwrap(), made: now, tags: Vec::new() };
        for n in 0..MOST {
            promises.make(&n.to_string(), promise.clone(), SECOND, now);
        }
        promises.make("too many", promise.clone(), SECOND, now);
        assert_eq!(promises.of("too many", now), None);
        promises.make("later", promise, SECOND, now + SECOND);
        assert_eq!(promises.open().len(), 1);
    }
}
