//! What outlives whoever wanted it: releases of guards that were dropped and of acquires that were given up, and what a class does
//! at the end of a hold.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::TaskTracker;

use super::line::offer::Offer;
use super::lines::Lines;
use super::metrics;
use crate::clock::{Span, after};
use crate::error::{Error, Outage};
use crate::names::LockKeys;
use crate::pause::{back_off, random};
use crate::store::{Released, Ticket, Token};

/// What is under way.
#[derive(Debug)]
pub(super) struct Background {
    lines: Lines,
    tasks: TaskTracker,
}

/// A token to be released.
#[derive(Debug)]
pub(super) struct Surrender {
    pub(super) lock: Arc<LockKeys>,
    pub(super) token: Token,
    /// The place in the queue that is given up with it.
    pub(super) withdraws: Option<Ticket>,
    /// When the store lets go of it by itself.
    pub(super) until: Instant,
    /// Whether a request that sets the token may still be on its way.
    pub(super) straggler: bool,
}

/// How long a request that was given up may still be on its way, on a connection other than the one that releases.
const STRAGGLER: Duration = Duration::from_millis(100);

/// How long a release is tried if the lock has no lease, and a place to be given up that nobody asks for any more.
const WITHOUT_LEASE: Duration = Duration::from_mins(10);

impl Background {
    pub(super) fn new(lines: Lines) -> Self {
        let tasks = TaskTracker::new();
        // Closed only means that waiting for them ends when there are none; more can still be added.
        tasks.close();
        Self { lines, tasks }
    }

    /// Releases a token, however long that takes within its lease. If the runtime has shut down, the lease is what ends it.
    pub(super) fn release(&self, surrender: Surrender, runtime: &Handle) {
        self.tasks.spawn_on(settle(self.lines.clone(), surrender), runtime);
    }

    /// Does something else that is to be done before it is settled.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static, runtime: &Handle) {
        self.tasks.spawn_on(task, runtime);
    }

    /// Waits until nothing is under way.
    pub(super) async fn settled(&self) {
        self.tasks.wait().await;
    }
}

impl Surrender {
    /// The latest end of a lease that may have been set or renewed until `now`, and that ends at `ends` as far as is known.
    pub(super) fn until(lease: Option<Span>, ends: Option<Instant>, now: Instant) -> Instant {
        let latest = after(now, lease.map_or(WITHOUT_LEASE, Span::duration));
        ends.map_or(latest, |end| end.max(latest))
    }
}

async fn settle(lines: Lines, surrender: Surrender) {
    let lock = surrender.lock.name();
    let released = match persist(&lines, &surrender, surrender.until).await {
        // A full store may have failed only to note the token.
        first @ (Ok(_) | Err(Error::Limit(_))) if surrender.straggler => {
            sleep(STRAGGLER).await;
            let second = persist(&lines, &surrender, surrender.until).await;
            if matches!(first, Ok(Released::Now | Released::Passed { .. } | Released::Before)) { first } else { second }
        }
        outcome => outcome,
    };
    lines.unhold(&surrender.lock, &surrender.token);
    match released {
        Ok(released) => tracing::debug!(lock, ?released, "released in the background"),
        Err(error) => {
            tracing::warn!(lock, %error, "not released: its lease ends it");
            if surrender.withdraws.is_some() && may_change(&error) {
                // Others of this process keep the place, and the lock would be given to it. Nobody has to wait for this: it ends with the
                // process, as the place does.
                tokio::spawn(async move {
                    let outcome = persist(&lines, &surrender, after(Instant::now(), WITHOUT_LEASE)).await;
                    tracing::debug!(lock = surrender.lock.name(), ?outcome, "tried to give up a place");
                });
            }
        }
    }
}

/// Releases a token, and passes the lock to the next who waits in this process.
pub(super) async fn let_go(lines: &Lines, lock: &LockKeys, token: &Token, withdraws: Option<&Ticket>) -> Result<Released, Error> {
    let passing = lines.pass(lock);
    let offer = passing.offer.clone();
    let answer = lines.store().release(lock, Offer::release(offer.as_ref(), token, withdraws)).await;
    passing.conclude(answer.as_ref().ok().copied());
    if matches!(answer, Ok(Released::Passed { .. })) {
        metrics::passed_on();
    }
    answer
}

/// Tries until there is an answer, at most until the time is up.
async fn persist(lines: &Lines, surrender: &Surrender, until: Instant) -> Result<Released, Error> {
    let mut failures = 0;
    loop {
        // One that gave up seldom has the lock, so nothing is passed on: whoever is offered it has to settle that as well, and when
        // all of a line give up at once, each would do so for the next.
        let released = if surrender.straggler {
            let release = Offer::release(None, &surrender.token, surrender.withdraws.as_ref());
            lines.store().release(&surrender.lock, release).await
        } else {
            let_go(lines, &surrender.lock, &surrender.token, surrender.withdraws.as_ref()).await
        };
        match released {
            Err(error) if may_change(&error) => {
                failures += 1;
                let next = after(Instant::now(), back_off(failures, random()));
                if next >= until {
                    return Err(error);
                }
                sleep_until(next).await;
            }
            outcome => return outcome,
        }
    }
}

/// Whether another attempt may end otherwise: which server takes it can change, and a command that a server does not know stays unknown.
fn may_change(error: &Error) -> bool {
    matches!(error, Error::Unavailable(why) if !matches!(why.why, Outage::Failed(_) | Outage::Forbidden(_)))
}
