//! What the watchdog does with a held lock, and when.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Held, State};
use crate::clock::Span;
use crate::error::{Error, LossReason};
use crate::lock::lease::Upkeep;
use crate::names::LockKeys;
use crate::store::Renewal;

impl Held {
    /// What the watchdog has to do for a lock that became due; `None` if nothing now.
    pub(in crate::lock) fn due(self: &Arc<Self>, now: Instant) -> Option<Renewal> {
        let mut state = self.open();
        state.slot = None;
        if state.lost.is_some() {
            return None;
        }
        match state.lease.upkeep(now) {
            Upkeep::Never => None,
            Upkeep::At(_) => {
                self.tend(&mut state, now);
                None
            }
            Upkeep::Due(lease) => Some(self.renewal(lease)),
            Upkeep::Ended => {
                self.lose(&mut state, LossReason::Expired);
                None
            }
        }
    }

    /// What resets the lock's lease.
    pub(in crate::lock) fn renewal(&self, lease: Option<Span>) -> Renewal {
        Renewal { lock: LockKeys::clone(&self.lock), token: self.token.clone(), lease }
    }

    /// Takes note that the watchdog could not renew the lock by its request of `sent`, or does not know whether it did.
    pub(in crate::lock) fn renewal_failed(self: &Arc<Self>, error: &Error, sent: Instant) {
        let now = Instant::now();
        let mut state = self.open();
        if state.lost.is_some() {
            return;
        }
        tracing::debug!(parent: &self.span, lock = self.lock.name(), %error, "not renewed yet");
        state.lease.may_have_renewed(sent, now);
        self.changed.notify_waiters();
        let retry = state.lease.retry_at(now);
        state.slot = Some(self.shared.watchdog.add(self, retry, state.lease, state.slot));
    }

    /// Takes note that the watchdog ended before it knew the answer to a renewal of `sent`; none if it did not send it.
    pub(in crate::lock) fn unanswered(self: &Arc<Self>, sent: Option<Instant>) {
        let mut state = self.open();
        if state.lost.is_none() {
            let now = Instant::now();
            if let Some(sent) = sent {
                state.lease.may_have_renewed(sent, now);
                self.changed.notify_waiters();
            }
            self.tend(&mut state, now);
        }
    }

    /// Tells the watchdog when it is needed next.
    pub(super) fn tend(self: &Arc<Self>, state: &mut State, now: Instant) {
        if !self.renew && state.lease.is_confirmed() {
            self.untend(state);
            return;
        }
        let due = match state.lease.upkeep(now) {
            Upkeep::Never => {
                self.untend(state);
                return;
            }
            Upkeep::At(due) => due,
            Upkeep::Due(_) | Upkeep::Ended => now,
        };
        state.slot = Some(self.shared.watchdog.add(self, due, state.lease, state.slot));
    }

    pub(super) fn untend(&self, state: &mut State) {
        if let Some(slot) = state.slot.take() {
            self.shared.watchdog.remove(slot);
        }
    }
}
