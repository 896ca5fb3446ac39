//! What a handle has said it would compute: when a herd cache answers that there is no value, the next set of it is the answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{after, millis};
use crate::envelope::Claim;

/// The claims of a handle that nothing was set for yet, by the entry's key. Those that have ended, and those beyond [`MOST`], are
/// forgotten: a set is then as any other.
#[derive(Debug, Default)]
pub(super) struct Promises(Mutex<HashMap<String, Promise>>);

#[derive(Debug, Clone, Copy)]
struct Promise {
    claim: Claim,
    made: Instant,
    ends: Instant,
}

/// How many are remembered.
const MOST: usize = 4096;

impl Promises {
    /// Remembers a claim for so long.
    pub(super) fn make(&self, key: &str, claim: Claim, lasts: Duration, now: Instant) {
        let mut promises = self.open();
        if promises.len() >= MOST {
            promises.retain(|_, promise| promise.ends > now);
        }
        if promises.len() < MOST || promises.contains_key(key) {
            promises.insert(key.to_owned(), Promise { claim, made: now, ends: after(now, lasts) });
        }
    }

    /// The claim of an entry, and for how many milliseconds it has been computed.
    pub(super) fn keep(&self, key: &str, now: Instant) -> Option<(Claim, u32)> {
        let promise = self.open().remove(key).filter(|promise| promise.ends > now)?;
        let took = millis(now.saturating_duration_since(promise.made));
        Some((promise.claim, u32::try_from(took).unwrap_or(u32::MAX)))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Promise>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        let claim = Claim::random().unwrap();
        promises.make("a", claim, 2 * SECOND, now);
        assert_eq!(promises.keep("b", now), None);
        assert_eq!(promises.keep("a", now + SECOND), Some((claim, 1000)));
        assert_eq!(promises.keep("a", now + SECOND), None);
        promises.make("a", claim, SECOND, now);
        assert_eq!(promises.keep("a", now + SECOND), None);
    }

    #[test]
    fn promises_do_not_pile_up() {
        let (promises, now) = (Promises::default(), Instant::now());
        let claim = Claim::random().unwrap();
        for n in 0..MOST {
            promises.make(&n.to_string(), claim, SECOND, now);
        }
        promises.make("too many", claim, SECOND, now);
        assert_eq!(promises.keep("too many", now), None);
        promises.make("later", claim, SECOND, now + SECOND);
        assert_eq!(promises.open().len(), 1);
    }
}
