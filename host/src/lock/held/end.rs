//! How a held lock ends: it is given up, lost, or left to somebody else.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Held, State};
use crate::error::{Error, LossReason};
use crate::lock::background::Surrender;
use crate::lock::class::Ending;
use crate::lock::lease::Lease;
use crate::lock::metrics;

impl Held {
    /// Has a class told when the lock is lost, and notices the end of the lease even if nobody else looks.
    pub(in crate::lock) fn tell_at_end(self: &Arc<Self>, ending: Ending) {
        let mut state = self.open();
        if let Some(why) = state.lost {
            self.shared.background.spawn(ending.tell(why), &self.runtime);
            return;
        }
        state.endings.push(ending);
        let held = Arc::clone(self);
        self.runtime.spawn(async move { held.lost().await });
    }

    /// Takes note that the user gives the lock up.
    pub(in crate::lock) fn give_up(&self, why: LossReason) -> Result<(), Error> {
        let mut state = self.open();
        if let Some(why) = state.lost {
            return Err(self.not_held(why));
        }
        self.lose(&mut state, why);
        Ok(())
    }

    /// Takes note that the store did not have the token any more when it was to be released, and says so.
    pub(in crate::lock) fn was_gone(&self) -> Error {
        let mut state = self.open();
        let why = cause(&state.lease, Instant::now());
        // Let go before, it was not counted as lost.
        metrics::lost(why);
        state.lost = Some(why);
        state.surrendered = true;
        drop(state);
        self.shared.lines.unhold(&self.lock, &self.token);
        self.not_held(why)
    }

    /// Takes note that the token was released.
    pub(in crate::lock) fn was_released(&self) {
        self.open().surrendered = true;
        self.shared.lines.unhold(&self.lock, &self.token);
    }

    /// Has the token released in the background, unless that was done or it is somebody else's to do.
    pub(in crate::lock) fn surrender(&self) {
        let now = Instant::now();
        let mut state = self.open();
        // What ended by the local clock may live on in the store: the answer to a renewal may have been lost.
        if state.surrendered || matches!(state.lost, Some(LossReason::HandedOver | LossReason::Gone)) {
            return;
        }
        self.release(&mut state, now);
    }

    /// Leaves the token, held or not, to another guard that has it too.
    pub(in crate::lock) fn cede(&self) {
        let mut state = self.open();
        state.surrendered = true;
        if state.lost.is_none() {
            self.lose(&mut state, LossReason::HandedOver);
        }
    }

    /// Takes note that the lock is of no use any more, as one that it belongs to was lost, and has the token released.
    pub(in crate::lock) fn fall(&self, why: LossReason) {
        let mut state = self.open();
        if state.lost.is_none() {
            self.lose(&mut state, why);
            self.release(&mut state, Instant::now());
        }
    }

    fn release(&self, state: &mut State, now: Instant) {
        state.surrendered = true;
        let until = Surrender::until(state.lease.length(), state.lease.ends(), now);
        let (lock, token) = (Arc::clone(&self.lock), self.token.clone());
        let surrender = Surrender { lock, token, withdraws: None, until, straggler: false };
        self.shared.background.release(surrender, &self.runtime);
    }

    pub(super) fn lose(&self, state: &mut State, why: LossReason) {
        state.lost = Some(why);
        self.untend(state);
        self.changed.notify_waiters();
        // One that is released is passed on by the release.
        if why != LossReason::Released {
            self.shared.lines.unhold(&self.lock, &self.token);
        }
        metrics::held(self.kind, self.since.elapsed());
        metrics::lost(why);
        for ending in state.endings.drain(..) {
            self.shared.background.spawn(ending.tell(why), &self.runtime);
        }
        let (lock, fence) = (self.lock.name(), self.fence);
        match why {
            LossReason::Released | LossReason::HandedOver => tracing::debug!(parent: &self.span, lock, fence, %why, "let go"),
            _ => tracing::warn!(parent: &self.span, lock, fence, %why, "lost"),
        }
    }
}

/// Why the store does not have a token any more.
pub(super) fn cause(lease: &Lease, now: Instant) -> LossReason {
    if lease.is_over(now) { LossReason::Expired } else { LossReason::Gone }
}
