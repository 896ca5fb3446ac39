//! What a guard and the watchdog share of one held lock.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::background::Surrender;
use super::class::Ending;
use super::confirm::{Subject, confirm};
use super::lease::{Lease, Upkeep};
use super::quorum::{Quorum, limit};
use super::schedule::Slot;
use super::{Lock, Shared, metrics};
use crate::clock::{Span, Wait, after};
use crate::error::{Error, LossReason, NotHeld, Outage, Unavailable};
use crate::names::LockKeys;
use crate::store::{Holding, Renewal, Token};

/// A lock that is or was held.
pub(super) struct Held {
    pub(super) shared: Arc<Shared>,
    pub(super) lock: Arc<LockKeys>,
    pub(super) token: Token,
    pub(super) fence: u64,
    pub(super) runtime: Handle,
    /// Told when the lock is lost or its end moves.
    pub(super) changed: Notify,
    /// In which what happens to the lock is told.
    pub(super) span: tracing::Span,
    kind: metrics::Label,
    quorum: Option<Quorum>,
    since: Instant,
    renew: bool,
    state: Mutex<State>,
}

struct State {
    lease: Lease,
    lost: Option<LossReason>,
    /// The token was released, or given to the background to be released.
    surrendered: bool,
    /// Where the watchdog has it.
    slot: Option<Slot>,
    /// Who is to be told that the lock is lost.
    endings: Vec<Ending>,
}

impl Held {
    /// A lock that was just acquired; the watchdog confirms it if it was granted, and tends it if the lock's terms say so.
    pub(super) fn new(lock: &Lock, token: Token, fence: u64, lease: Lease, runtime: Handle) -> Arc<Self> {
        let now = Instant::now();
        let held = Arc::new(Self {
            shared: Arc::clone(&lock.shared),
            lock: Arc::clone(&lock.keys),
            token,
            fence,
            runtime,
            changed: Notify::new(),
            span: tracing::debug_span!("hold", lock = lock.name(), kind = lock.label().as_str(), fence),
            kind: lock.label(),
            quorum: lock.terms.quorum,
            since: now,
            renew: lock.terms.renew,
            state: Mutex::new(State { lease, lost: None, surrendered: false, slot: None, endings: Vec::new() }),
        });
        held.tend(&mut held.open(), now);
        held
    }

    /// The lease, if the lock is not known to be lost.
    pub(super) fn lease(&self) -> Result<Lease, Error> {
        let state = self.open();
        state.lost.map_or(Ok(state.lease), |why| Err(self.not_held(why)))
    }

    /// Why the lock was lost, or how long it is held at `now`. A lease that ended makes it lost from here on.
    pub(super) fn verdict(&self, now: Instant) -> Result<Lease, LossReason> {
        let mut state = self.open();
        if state.lost.is_none() && state.lease.is_over(now) {
            self.lose(&mut state, LossReason::Expired);
        }
        state.lost.map_or(Ok(state.lease), Err)
    }

    /// Waits until the lock is known to be lost.
    pub(super) async fn lost(&self) -> LossReason {
        loop {
            // Listens before it looks, so no change is missed.
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            match self.verdict(Instant::now()).map(|lease| lease.ends()) {
                Err(why) => return why,
                Ok(None) => changed.await,
                Ok(Some(end)) => _ = timeout_at(end, changed).await,
            }
        }
    }

    /// Whether it is a hold of this lock.
    pub(super) fn is_of(&self, lock: &Lock) -> bool {
        self.lock == lock.keys && Arc::ptr_eq(&self.shared, &lock.shared)
    }

    /// Has a class told when the lock is lost, and notices the end of the lease even if nobody else looks.
    pub(super) fn tell_at_end(self: &Arc<Self>, ending: Ending) {
        let mut state = self.open();
        if let Some(why) = state.lost {
            self.shared.background.spawn(ending.tell(why), &self.runtime);
            return;
        }
        state.endings.push(ending);
        let held = Arc::clone(self);
        self.runtime.spawn(async move { held.lost().await });
    }

    /// Takes note of what the store answered to a request of `sent`.
    pub(super) fn hear(self: &Arc<Self>, holding: Holding, sent: Instant) -> Result<(), Error> {
        self.take(|lease, now| lease.hear(holding, sent, now))
    }

    /// What of an answer to a request of `sent`, which was to add time, may be believed: of a lock of kind quorum only what enough
    /// replicas know of too. A primary that is cut off from them goes on to renew what its successor has given to somebody else.
    pub(super) async fn vouched(&self, holding: Holding, sent: Instant) -> Result<Holding, Error> {
        let (Some(quorum), Holding::Left(left)) = (self.quorum, holding) else { return Ok(holding) };
        let (now, known) = (Instant::now(), self.lease()?.ends());
        let ends = Some(after(sent, left));
        if ends <= known {
            return Ok(holding);
        }
        let store = self.shared.lines.store();
        let subject = Subject { store, lock: &self.lock, quorum: Some(quorum) };
        if confirm(subject, &self.token, ends, limit(Wait::None, None, known, now)).await? {
            return Ok(holding);
        }
        Err(Unavailable { store: store.address().to_owned(), why: Outage::NoQuorum }.into())
    }

    /// An answer of the store to a question of `sent`, without time that nobody vouches for.
    pub(super) fn cautious(&self, holding: Holding, sent: Instant) -> Result<Holding, Error> {
        Ok(match (self.quorum, holding, self.lease()?.ends()) {
            (Some(_), Holding::Left(left), Some(end)) => Holding::Left(left.min(end.saturating_duration_since(sent))),
            _ => holding,
        })
    }

    /// Takes note of what the store answered to a renewal of `sent`.
    pub(super) fn renewed(self: &Arc<Self>, holding: Holding, sent: Instant) -> Result<(), Error> {
        self.take(|lease, now| lease.renewed(holding, sent, now))
    }

    fn take(self: &Arc<Self>, hear: impl FnOnce(&mut Lease, Instant) -> bool) -> Result<(), Error> {
        let now = Instant::now();
        let mut state = self.open();
        if let Some(why) = state.lost {
            return Err(self.not_held(why));
        }
        if !hear(&mut state.lease, now) {
            let why = loss(&state.lease, now);
            self.lose(&mut state, why);
            return Err(self.not_held(why));
        }
        self.tend(&mut state, now);
        self.changed.notify_waiters();
        Ok(())
    }

    /// Takes note that a renewal of `sent` may or may not have happened.
    pub(super) fn may_have_renewed(self: &Arc<Self>, sent: Instant) {
        let mut state = self.open();
        if state.lost.is_none() {
            state.lease.may_have_renewed(sent);
            self.tend(&mut state, Instant::now());
            self.changed.notify_waiters();
        }
    }

    /// Takes note that the user gives the lock up.
    pub(super) fn give_up(&self, why: LossReason) -> Result<(), Error> {
        let mut state = self.open();
        if let Some(why) = state.lost {
            return Err(self.not_held(why));
        }
        self.lose(&mut state, why);
        Ok(())
    }

    /// Takes note that the store did not have the token any more when it was to be released, and says so.
    pub(super) fn was_gone(&self) -> Error {
        let mut state = self.open();
        let why = loss(&state.lease, Instant::now());
        // Let go before, it was not counted as lost.
        metrics::lost(why);
        state.lost = Some(why);
        state.surrendered = true;
        drop(state);
        self.shared.lines.unhold(&self.lock, &self.token);
        self.not_held(why)
    }

    /// Takes note that the token was released.
    pub(super) fn was_released(&self) {
        self.open().surrendered = true;
        self.shared.lines.unhold(&self.lock, &self.token);
    }

    /// Has the token released in the background, unless that was done or it is somebody else's to do.
    pub(super) fn surrender(&self) {
        let now = Instant::now();
        let mut state = self.open();
        // What ended by the local clock may live on in the store: the answer to a renewal may have been lost.
        if state.surrendered || matches!(state.lost, Some(LossReason::HandedOver | LossReason::Gone)) {
            return;
        }
        self.release(&mut state, now);
    }

    /// Leaves the token, held or not, to another guard that has it too.
    pub(super) fn cede(&self) {
        let mut state = self.open();
        state.surrendered = true;
        if state.lost.is_none() {
            self.lose(&mut state, LossReason::HandedOver);
        }
    }

    /// Takes note that the lock is of no use any more, as one that it belongs to was lost, and has the token released.
    pub(super) fn fall(&self, why: LossReason) {
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

    /// What the watchdog has to do for a lock that became due; `None` if nothing now.
    pub(super) fn due(self: &Arc<Self>, now: Instant) -> Option<Renewal> {
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
    pub(super) fn renewal(&self, lease: Option<Span>) -> Renewal {
        Renewal { lock: LockKeys::clone(&self.lock), token: self.token.clone(), lease }
    }

    /// Takes note that the watchdog could not renew the lock.
    pub(super) fn renewal_failed(self: &Arc<Self>, error: &Error) {
        let now = Instant::now();
        let mut state = self.open();
        if state.lost.is_some() {
            return;
        }
        tracing::debug!(parent: &self.span, lock = self.lock.name(), %error, "not renewed yet");
        let retry = state.lease.retry_at(now);
        state.slot = Some(self.shared.watchdog.add(self, retry, state.lease, state.slot));
    }

    /// Takes note that the watchdog ended before it knew the answer to a renewal.
    pub(super) fn unanswered(self: &Arc<Self>) {
        let mut state = self.open();
        if state.lost.is_none() {
            self.tend(&mut state, Instant::now());
        }
    }

    pub(super) fn not_held(&self, why: LossReason) -> Error {
        NotHeld { lock: self.lock.name().to_owned(), why }.into()
    }

    /// Tells the watchdog when it is needed next.
    fn tend(self: &Arc<Self>, state: &mut State, now: Instant) {
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

    fn untend(&self, state: &mut State) {
        if let Some(slot) = state.slot.take() {
            self.shared.watchdog.remove(slot);
        }
    }

    fn lose(&self, state: &mut State, why: LossReason) {
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

    fn open(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the store does not have a token any more.
fn loss(lease: &Lease, now: Instant) -> LossReason {
    if lease.is_over(now) { LossReason::Expired } else { LossReason::Gone }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lost = self.open().lost;
        f.debug_struct("Held")
            .field("lock", &self.lock.name())
            .field("fence", &self.fence)
            .field("lost", &lost)
            .finish_non_exhaustive()
    }
}
