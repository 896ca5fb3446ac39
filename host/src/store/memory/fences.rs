//! What the embedded store remembers of locks that may be free: their last fences, and who released them.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::expiring::Expiring;
use crate::clock::after;
use crate::names::LockKeys;
use crate::store::{Fingerprint, Token};

/// Remembered fences and releases.
#[derive(Debug, Default)]
pub(super) struct Fences(Expiring<Fence>);

/// What is remembered of one lock.
#[derive(Debug, Default)]
struct Fence {
    last: u64,
    /// The tokens that were released last, newest first.
    notes: VecDeque<Note>,
    /// The holder from whom the lock was taken away last.
    broken: Option<Fingerprint>,
}

/// That a token is not for use again.
#[derive(Debug)]
struct Note {
    token: Token,
    /// Whether the token held the lock when it was released.
    held: bool,
}

/// How long a fence is kept. The wall clock has passed it by then.
pub(super) const FENCE_KEPT: Duration = Duration::from_hours(24);

/// How many tokens are remembered: they are for requests that were lost or late, not for ever.
const NOTES: usize = 8;

impl Fences {
    /// The last fence; 0 if it is not known.
    pub(super) fn last(&self, lock: &LockKeys, now: Instant) -> u64 {
        self.0.get(lock.fence(), now).map_or(0, |slot| slot.value.last)
    }

    /// A fence larger than any before: also than one that was forgotten, because the wall clock goes on.
    pub(super) fn next(&mut self, lock: &LockKeys, now: Instant) -> u64 {
        let next = self.last(lock, now).saturating_add(1).max(wall_micros());
        self.set(lock, next, now);
        next
    }

    /// One fence for many locks, larger than any before of each.
    pub(super) fn next_of_all(&mut self, locks: &[LockKeys], now: Instant) -> u64 {
        let last = locks.iter().map(|lock| self.last(lock, now)).max().unwrap_or_default();
        let next = last.saturating_add(1).max(wall_micros());
        for lock in locks {
            self.set(lock, next, now);
        }
        next
    }

    fn set(&mut self, lock: &LockKeys, last: u64, now: Instant) {
        let before = self.0.remove(lock.fence(), now).unwrap_or_default();
        self.remember(lock, Fence { last, ..before }, now);
    }

    /// Whether a token held the lock when it was released; `None` if it was not released lately.
    pub(super) fn noted(&self, lock: &LockKeys, token: &Token, now: Instant) -> Option<bool> {
        let fence = self.0.get(lock.fence(), now)?;
        fence.value.notes.iter().find(|note| note.token == *token).map(|note| note.held)
    }

    /// Notes that a token was released, and whether it held the lock.
    pub(super) fn note(&mut self, lock: &LockKeys, token: &Token, held: bool, now: Instant) {
        let mut fence = self.0.remove(lock.fence(), now).unwrap_or_default();
        fence.notes.retain(|old| old.token != *token);
        fence.notes.push_front(Note { token: token.clone(), held });
        fence.notes.truncate(NOTES);
        self.remember(lock, fence, now);
    }

    /// Notes that the lock was taken away from this holder.
    pub(super) fn note_broken(&mut self, lock: &LockKeys, holder: &Fingerprint, now: Instant) {
        let before = self.0.remove(lock.fence(), now).unwrap_or_default();
        self.remember(lock, Fence { broken: Some(holder.clone()), ..before }, now);
    }

    /// Whether this holder is the last from whom the lock was taken away.
    pub(super) fn was_broken(&self, lock: &LockKeys, holder: &Fingerprint, now: Instant) -> bool {
        self.0.get(lock.fence(), now).is_some_and(|slot| slot.value.broken.as_ref() == Some(holder))
    }

    fn remember(&mut self, lock: &LockKeys, fence: Fence, now: Instant) {
        self.0.insert(lock.fence(), fence, Some(after(now, FENCE_KEPT)), now);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn wall_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
