//! Renews the leases of all guards that want it, and confirms those that were granted, many in one request.
//!
//! One task for all locks of a store, started with the first such guard and ended when it finds none. When its runtime ends before,
//! it goes on in that of another guard. A request that hangs delays only the guards in it: others that become due meanwhile go with
//! one of their own.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tracing::Instrument;

use super::held::Held;
use super::lease::Lease;
use super::schedule::{Schedule, Slot};
use super::{Shared, metrics};
use crate::clock::Span;
use crate::errand::{self, Errand};
use crate::error::{Error, Outage, Unavailable};
use crate::store::{Holding, Route};

/// The guards to be renewed.
#[derive(Debug)]
pub(super) struct Watchdog {
    state: Mutex<State>,
    /// Something is due sooner than the task thinks.
    sooner: Notify,
}

#[derive(Debug)]
struct State {
    schedule: Schedule<Arc<Held>>,
    /// Until when the task sleeps, if it runs.
    task: Option<Instant>,
}

/// The most that a renewal is put off to go together with others. A sixtieth of the lease where that is less.
const SLACK: Duration = Duration::from_millis(50);

/// How long the task lasts without guards; starting it for every one would cost them.
const IDLE: Duration = Duration::from_secs(10);

impl Watchdog {
    /// Puts a guard on the schedule, in place of `before`.
    pub(super) fn add(&self, held: &Arc<Held>, due: Instant, lease: Lease, before: Option<Slot>) -> Slot {
        let length = lease.length().filter(|_| lease.is_confirmed()).map_or(Duration::ZERO, Span::duration);
        let (slot, starts) = {
            let mut state = self.open();
            if let Some(before) = before {
                state.schedule.remove(before);
            }
            let slot = state.schedule.add(due, SLACK.min(length / 60), Arc::clone(held));
            let starts = state.task.is_none();
            let sleeps = state.task.get_or_insert(slot.due());
            if slot.due() < *sleeps {
                *sleeps = slot.due();
                self.sooner.notify_one();
            }
            (slot, starts)
        };
        if starts {
            errand::start(&Rounds(Arc::clone(&held.shared)), held.runtime.clone());
        }
        slot
    }

    pub(super) fn remove(&self, slot: Slot) {
        self.open().schedule.remove(slot);
    }

    /// What is due, or until when there is nothing to do; `None` ends the task.
    fn next(&self, now: Instant, busy: bool) -> Option<Result<Vec<Arc<Held>>, Instant>> {
        let mut state = self.open();
        match state.schedule.first_due() {
            None if !busy => {
                state.task = None;
                None
            }
            Some(first) if first <= now => Some(Ok(state.schedule.take_due(now))),
            first => {
                let idle = now + IDLE;
                let until = first.map_or(idle, |first| first.min(idle));
                state.task = Some(until);
                Some(Err(until))
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Watchdog {
    fn default() -> Self {
        let state = State { schedule: Schedule::new(Instant::now()), task: None };
        Self { state: Mutex::new(state), sooner: Notify::new() }
    }
}

/// What the task does.
#[derive(Clone)]
struct Rounds(Arc<Shared>);

impl Errand for Rounds {
    fn run(self) -> impl Future<Output = ()> + Send + 'static {
        run(self.0)
    }

    fn another(&self, ended: &[Id]) -> Option<Handle> {
        let mut state = self.0.watchdog.open();
        let another = state.schedule.items().map(|held| &held.runtime).find(|runtime| !ended.contains(&runtime.id())).cloned();
        if another.is_none() {
            // Leases end the guards that are left.
            state.task = None;
        }
        another
    }
}

async fn run(shared: Arc<Shared>) {
    let mut renewals = FuturesUnordered::new();
    while let Some(next) = shared.watchdog.next(Instant::now(), !renewals.is_empty()) {
        match next {
            Ok(due) => renewals.push(renew(&shared, Due { guards: due, sent: None })),
            Err(until) => tokio::select! {
                () = shared.watchdog.sooner.notified() => {}
                Some(()) = renewals.next() => {}
                () = sleep_until(until) => {}
            },
        }
    }
}

/// Guards that are being renewed. Should the task be dropped meanwhile, they go back on the schedule.
struct Due {
    guards: Vec<Arc<Held>>,
    /// When the request was sent.
    sent: Option<Instant>,
}

impl Drop for Due {
    fn drop(&mut self) {
        self.guards.iter().for_each(|held| held.unanswered(self.sent));
    }
}

/// Renews what is due in one request, and puts it back on the schedule.
async fn renew(shared: &Shared, mut due: Due) {
    let sent = Instant::now();
    let mut renewals = Vec::with_capacity(due.guards.len());
    due.guards.retain(|held| {
        let renewal = held.due(sent);
        let is_due = renewal.is_some();
        renewals.extend(renewal);
        is_due
    });
    if renewals.is_empty() {
        return;
    }
    due.sent = Some(sent);
    let routes: Vec<_> = due.guards.iter().map(|held| held.route()).collect();
    let span = tracing::debug_span!("renew", guards = renewals.len());
    let answers = shared.lines.store().renew(&renewals).instrument(span).await;
    // A store that answers less than it was asked has not answered.
    let missing = || {
        let why = Outage::Failed("no answer to a renewal".to_owned());
        Err(Error::from(Unavailable { store: shared.lines.store().address().to_owned(), why }))
    };
    // Side by side, as replicas may have to be asked about some, who are slow to answer.
    join_all(
        due.guards
            .iter()
            .zip(routes)
            .zip(answers.into_iter().chain(std::iter::repeat_with(missing)))
            .map(|((held, route), answer)| take(held, answer, sent, route)),
    )
    .await;
    due.guards.clear();
}

async fn take(held: &Arc<Held>, answer: Result<Holding, Error>, sent: Instant, route: Option<Route>) {
    let vouched = match answer {
        Ok(holding) => held.vouched(holding, sent, route).await,
        Err(error) => Err(error),
    };
    match vouched {
        Ok(holding) => {
            metrics::renewed(Some(holding != Holding::No));
            // A loss is told by the guard.
            let _ = held.renewed(holding, sent);
        }
        Err(error) => {
            metrics::renewed(None);
            held.renewal_failed(&error, sent);
        }
    }
}
