//! Who is next among the waiters of one lock in this process.
//!
//! A release wakes one waiter of each process, not all: the rest would only be told that the lock is busy. They are not cut off
//! from it either, should the one that is next not be polled: their pauses end too.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use crate::names::LockKeys;
use crate::store::Watch;

/// The queues of all locks that somebody waits for.
#[derive(Debug, Default, Clone)]
pub(super) struct Queues(Arc<Mutex<HashMap<String, Queue>>>);

#[derive(Debug)]
struct Queue {
    /// Its one permit is the turn.
    turn: Arc<Semaphore>,
    waiters: u32,
}

/// A waiter's place in its queue, and its watch on the lock.
pub(super) struct Place {
    watch: Watch,
    turn: Turn,
    seat: Seat,
}

enum Turn {
    Later(BoxFuture<'static, Result<OwnedSemaphorePermit, AcquireError>>),
    Now { _permit: OwnedSemaphorePermit },
}

/// Keeps the queue there.
struct Seat {
    queues: Queues,
    key: String,
}

impl Queues {
    /// Takes the last place.
    pub(super) fn join(&self, lock: &LockKeys, watch: Watch) -> Place {
        let mut queues = self.open();
        let queue =
            queues.entry(lock.key().to_owned()).or_insert_with(|| Queue { turn: Arc::new(Semaphore::new(1)), waiters: 0 });
        queue.waiters += 1;
        // Never overtakes: while anybody queues, the permit is passed on and never free.
        let turn = match Arc::clone(&queue.turn).try_acquire_owned() {
            Ok(permit) => Turn::Now { _permit: permit },
            Err(_) => Turn::Later(Box::pin(Arc::clone(&queue.turn).acquire_owned())),
        };
        Place { watch, turn, seat: Seat { queues: self.clone(), key: lock.key().to_owned() } }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits for a release while it is this waiter's turn, and for the turn before. Can be dropped and called again.
    pub(super) async fn woken(&mut self) {
        match &mut self.turn {
            Turn::Now { .. } => self.watch.woken().await,
            Turn::Later(turn) => {
                if let Ok(permit) = turn.await {
                    self.turn = Turn::Now { _permit: permit };
                }
            }
        }
    }

    /// How many share the attempts that end a pause: none with the one that is next, all with each other behind it.
    pub(super) fn sharers(&self) -> u32 {
        match self.turn {
            Turn::Now { .. } => 1,
            Turn::Later(_) => self.seat.queues.open().get(&self.seat.key).map_or(1, |queue| queue.waiters),
        }
    }

    /// Forgets the releases so far: the attempt that follows sees what they left.
    pub(super) fn catch_up(&mut self) {
        use futures_util::FutureExt;
        while self.watch.woken().now_or_never().is_some() {}
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("is_next", &matches!(self.turn, Turn::Now { .. })).finish_non_exhaustive()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut queues = self.queues.open();
        if let Some(queue) = queues.get_mut(&self.key) {
            queue.waiters = queue.waiters.saturating_sub(1);
            if queue.waiters == 0 {
                queues.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use futures_util::FutureExt;
    use tokio::sync::watch;

    use super::*;
    use crate::names::Prefix;

    fn wakes(place: &mut Place) -> bool {
        place.woken().now_or_never().is_some()
    }

    #[test]
    fn a_release_wakes_the_next_and_leaving_passes_the_turn_on() {
        let queues = Queues::default();
        let lock = LockKeys::new(&Prefix::default(), "lock").unwrap();
        let releases = watch::Sender::new(0);
        let join = || queues.join(&lock, Watch::new(releases.subscribe(), Box::new(())));
        let (mut first, mut second, mut third) = (join(), join(), join());
        for place in [&mut first, &mut second, &mut third] {
            assert!(!wakes(place));
        }
        releases.send_modify(|n| *n += 1);
        assert!(wakes(&mut first) && !wakes(&mut second) && !wakes(&mut third));
        drop(first);
        assert!(!wakes(&mut third), "in the order in which they came");
        assert_eq!((second.sharers(), third.sharers()), (2, 2));
        assert!(wakes(&mut second), "it is its turn");
        assert_eq!((second.sharers(), third.sharers()), (1, 2));
        second.catch_up();
        assert!(!wakes(&mut second), "the release was before its turn");
        drop(second);
        drop(third);
        assert!(queues.open().is_empty());
    }
}
