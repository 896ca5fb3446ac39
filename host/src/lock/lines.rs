//! The lines of all locks of one store in this process, and who serves them.
//!
//! A line is there while somebody holds, asks for or waits for its lock. Each with waiters has a task, so that no waiter depends on
//! another being polled. The task lingers for a while when nobody waits: who takes turns with others is back soon, and then a
//! grant is heard already.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::line::offer::Offer;
use super::line::{Line, Turn};
use super::options::Terms;
use super::server::{Ending, serve};
use super::waiter::{Arrival, Number};
use crate::error::Error;
use crate::names::LockKeys;
use crate::pause::random;
use crate::store::{Attempt, Queueing, Released, Store, Ticket, Token};

/// All lines, by the lock's key. Those who want different shares of one lock stand in one line. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    store: Arc<dyn Store>,
    open: Arc<Mutex<HashMap<Whole, Served>>>,
}

/// A lock, whichever share of it is meant: found by its key.
#[derive(Debug)]
struct Whole(LockKeys);

/// A line, and the task that serves it.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) line: Line<oneshot::Sender<Turn>>,
    /// Told when the line has changed; `None` without a task.
    pub(super) server: Option<Arc<Notify>>,
}

/// How somebody asks who is not in the line.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    lines: &'a Lines,
    lock: &'a LockKeys,
    token: Token,
    /// Whether it may take a place in the store's queue, as a grant would be heard.
    pub(super) joins: bool,
}

/// A place in a line. Dropping it leaves the line.
#[derive(Debug)]
pub(super) struct Seat {
    lines: Lines,
    lock: LockKeys,
    number: Number,
    turn: oneshot::Receiver<Turn>,
}

/// An offer under way. Dropped without a conclusion, nobody knows what became of it.
#[derive(Debug)]
pub(super) struct Passing<'a> {
    lines: &'a Lines,
    lock: &'a LockKeys,
    sent: Instant,
    pub(super) offer: Option<Offer>,
}

impl Lines {
    /// The lines of a store, where nobody waits yet.
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, open: Arc::default() }
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Asks the store without standing in the line; `None` if there is no use in that, because somebody of this process has the
    /// lock or asks for it already, and the line will be served by that. Where a lock can be held by many, that tells nothing, but
    /// there is no use in it for one who comes behind as many as may have `places`.
    pub(super) fn visit<'a>(&'a self, lock: &'a LockKeys, token: Token, places: usize, insists: bool) -> Option<Visit<'a>> {
        self.with(lock, |served| {
            let alone = lock.share().is_alone();
            if !insists && if alone { served.line.is_occupied() } else { served.line.is_crowded(places) } {
                return None;
            }
            let joins = (!alone || served.line.is_empty()) && served.line.is_listening() && served.server.is_some();
            served.line.visit(token.clone(), Instant::now());
            Some(Visit { lines: self, lock, token, joins })
        })
    }

    /// Takes a place in a line, behind all who came before, and has it served on `runtime`.
    pub(super) fn join(&self, lock: &LockKeys, ticket: Ticket, queueing: Queueing, terms: &Terms, runtime: &Handle) -> Seat {
        let (reply, turn) = oneshot::channel();
        let now = Instant::now();
        let Terms { places, pulse, .. } = *terms;
        let (fair, queued) = (queueing.fair, queueing.joins);
        let arrival = Arrival { lock: lock.clone(), ticket, fair, places, pulse, queued, reply };
        let (number, told, unserved) = self.with(lock, |served| {
            let (number, told) = served.line.join(arrival, now);
            let unserved = served.server.is_none();
            served.server.get_or_insert_default().notify_one();
            (number, told, unserved)
        });
        Served::tell(told);
        if unserved {
            // Not under the mutex: a runtime that has shut down drops the task at once, and that takes the mutex.
            runtime.spawn(serve(Ending::new(self.clone(), lock.clone())));
        }
        Seat { lines: self.clone(), lock: lock.clone(), number, turn }
    }

    /// Notes that this process holds the lock by this token.
    pub(super) fn hold(&self, lock: &LockKeys, token: &Token) {
        self.with(lock, |served| served.line.hold(token.clone()));
    }

    /// Notes that this process does not hold the lock by this token any more.
    pub(super) fn unhold(&self, lock: &LockKeys, token: &Token) {
        self.with(lock, |served| {
            if served.line.unhold(token, Instant::now()) {
                served.wake();
            }
        });
    }

    /// Whom to pass the lock to that is being released now.
    pub(super) fn pass<'a>(&'a self, lock: &'a LockKeys) -> Passing<'a> {
        let offer = self.with(lock, |served| served.line.offer());
        Passing { lines: self, lock, sent: Instant::now(), offer }
    }

    /// Does something with the line of a lock, and forgets it if it is idle then.
    pub(super) fn with<T>(&self, lock: &LockKeys, change: impl FnOnce(&mut Served) -> T) -> T {
        let mut open = self.open();
        if let Some(served) = open.get_mut(lock.key()) {
            let given = change(served);
            if served.server.is_none() && served.line.is_idle() {
                open.remove(lock.key());
            }
            return given;
        }
        let mut served = Served { line: Line::new(Instant::now()), server: None };
        let given = change(&mut served);
        if served.server.is_some() || !served.line.is_idle() {
            open.insert(Whole(lock.clone()), served);
        }
        given
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Whole, Served>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.open().len()
    }
}

impl Served {
    /// Tells the task that the line has changed.
    pub(super) fn wake(&self) {
        if let Some(server) = &self.server {
            server.notify_one();
        }
    }

    /// Tells a waiter. One that is gone has settled with the store, or is about to.
    pub(super) fn tell(told: Option<(oneshot::Sender<Turn>, Turn)>) {
        if let Some((reply, turn)) = told {
            let _ = reply.send(turn);
        }
    }
}

impl Visit<'_> {
    /// Takes note of what the store answered to a request of `sent`.
    pub(super) fn heard(&self, answer: &Attempt, token: &Token, sent: Instant) {
        self.lines.with(self.lock, |served| match answer {
            Attempt::Acquired { .. } => served.line.hold(token.clone()),
            Attempt::Busy { lease_left, fence } => {
                served.line.visitor_heard_busy(token, *lease_left, *fence, sent, Instant::now());
            }
        });
    }

    /// Takes note that a request failed in a way that may pass.
    pub(super) fn stumbled(&self, error: &Error) {
        self.lines.with(self.lock, |served| served.line.stumbled(error.clone(), Instant::now(), random()));
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.lines.with(self.lock, |served| {
            served.line.visited(&self.token);
            // Those who relied on its answer have to ask by themselves if it brought nothing.
            served.wake();
        });
    }
}

impl Seat {
    /// Waits for the turn. Can be dropped and called again.
    pub(super) async fn turn(&mut self) -> Turn {
        (&mut self.turn).await.unwrap_or(Turn::Unsure)
    }

    /// The turn, if it has come.
    pub(super) fn turned(&mut self) -> Option<Turn> {
        self.turn.try_recv().ok()
    }

    /// Leaves the line. Gives whether the store may know of the waiter.
    pub(super) fn leave(&self) -> bool {
        self.lines.with(&self.lock, |served| {
            let touched = served.line.leave(self.number, Instant::now());
            served.wake();
            touched.unwrap_or(true)
        })
    }

    /// The last error, if the store has not answered since.
    pub(super) fn trouble(&self) -> Option<Error> {
        self.lines.with(&self.lock, |served| served.line.trouble().cloned())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Passing<'_> {
    /// Takes note of what became of the release, and tells the next if it is its turn.
    pub(super) fn conclude(mut self, outcome: Option<Released>) {
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Option<Released>) {
        let Some(offer) = self.offer.take() else { return };
        let told = self.lines.with(self.lock, |served| {
            let told = served.line.offered(&offer, outcome, self.sent, Instant::now());
            served.wake();
            told
        });
        Served::tell(told);
    }
}

impl Drop for Passing<'_> {
    fn drop(&mut self) {
        self.finish(None);
    }
}

impl Borrow<str> for Whole {
    fn borrow(&self) -> &str {
        self.0.key()
    }
}

impl PartialEq for Whole {
    fn eq(&self, other: &Self) -> bool {
        self.0.key() == other.0.key()
    }
}

impl Eq for Whole {}

impl Hash for Whole {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.key().hash(state);
    }
}
