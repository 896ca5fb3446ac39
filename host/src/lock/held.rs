//! What a guard and the watchdog share of one held lock.

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::class::Ending;
use super::confirm::{Subject, confirm, route};
use super::lease::Lease;
use super::quorum::{Quorum, limit};
use super::schedule::Slot;
use super::{Lock, Shared, metrics};
use crate::clock::{Wait, after};
use crate::error::{Error, LossReason, NotHeld, Outage, Unavailable};
use crate::names::LockKeys;
use crate::store::{Holding, Route, Token};

mod end;
mod upkeep;

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

    /// Takes note of what the store answered to a request of `sent`.
    pub(super) fn hear(self: &Arc<Self>, holding: Holding, sent: Instant) -> Result<(), Error> {
        self.take(|lease, now| lease.hear(holding, sent, now))
    }

    /// By which way a request goes that is sent now, if replicas are to be asked about it.
    pub(super) fn route(&self) -> Option<Route> {
        route(self.shared.lines.store(), &self.lock, self.quorum)
    }

    /// What of an answer to a request of `sent`, which was to add time, may be believed: of a lock of kind quorum only what enough
    /// replicas know of too. A primary that is cut off from them goes on to renew what its successor has given to somebody else.
    pub(super) async fn vouched(&self, holding: Holding, sent: Instant, route: Option<Route>) -> Result<Holding, Error> {
        let (Some(quorum), Holding::Left(left)) = (self.quorum, holding) else { return Ok(holding) };
        let (now, known) = (Instant::now(), self.lease()?.ends());
        let ends = Some(after(sent, left));
        if ends <= known {
            return Ok(holding);
        }
        let store = self.shared.lines.store();
        let subject = Subject { store, lock: &self.lock, quorum: Some(quorum), route };
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
            let why = end::cause(&state.lease, now);
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
            let now = Instant::now();
            state.lease.may_have_renewed(sent, now);
            self.tend(&mut state, now);
            self.changed.notify_waiters();
        }
    }

    pub(super) fn not_held(&self, why: LossReason) -> Error {
        NotHeld { lock: self.lock.name().to_owned(), why }.into()
    }

    fn open(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
