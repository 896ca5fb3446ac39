//! Takes a lock: asks the store once, and stands in line if that does not help.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::background::{Surrender, let_go};
use super::confirm::{Subject, confirm, route};
use super::guard::Guard;
use super::held::Held;
use super::lease::Lease;
use super::line::Turn;
use super::lines::{Seat, Visit};
use super::quorum::limit;
use super::{Lock, metrics, runtime};
use crate::clock::{Span, Wait, after};
use crate::error::{Error, LossReason, NotHeld, Outage, Unavailable};
use crate::pause::{back_off, random};
use crate::store::{Attempt, Queueing, Route, Ticket, Token};

/// Takes the lock, as [`Lock::acquire`] says.
pub(super) async fn acquire(lock: &Lock, wait: Wait) -> Result<Option<Guard>, Error> {
    let deadline = wait.deadline(Instant::now());
    let mut failures = 0;
    loop {
        let mut claim = Claim::new(lock, Token::of(&lock.holder)?)?;
        let Some((fence, lease)) = claim.obtain(wait, deadline).await? else { return Ok(None) };
        let confirmed = claim.confirm(wait, deadline, &lease).await;
        if matches!(confirmed, Ok(true)) {
            return Ok(claim.granted(fence, lease));
        }
        // Not in the background, as after an error this process may be about to end.
        claim.let_go().await;
        confirmed?;
        if is_over(wait, deadline) {
            return Ok(None);
        }
        failures += 1;
        let pause = after(Instant::now(), back_off(failures, random()));
        sleep_until(deadline.map_or(pause, |deadline| deadline.min(pause))).await;
    }
}

pub(super) fn is_over(wait: Wait, deadline: Option<Instant>) -> bool {
    wait == Wait::None || deadline.is_some_and(|deadline| deadline <= Instant::now())
}

/// Takes over the lock that `old` holds, as [`Lock::adopt`] says.
pub(super) async fn adopt(lock: &Lock, old: &Token) -> Result<Guard, Error> {
    let mut claim = Claim::new(lock, Token::of(&lock.holder)?)?;
    claim.open = true;
    claim.sends();
    let new = claim.token()?;
    let answer = lock.shared.lines.store().adopt(&lock.keys, old, &new).await;
    claim.open = answer.as_ref().map_or_else(Error::may_have_happened, Option::is_some);
    let Some(adopted) = answer? else { return Err(gone(lock)) };
    lock.shared.lines.hold(&lock.keys, &new);
    let lease = Lease::new(lock.terms.lease, adopted.lease_left, claim.sent, Instant::now());
    let confirmed = claim.confirm(Wait::None, None, &lease).await;
    if !matches!(confirmed, Ok(true)) {
        claim.let_go().await;
        confirmed?;
        return Err(Unavailable { store: lock.shared.lines.store().address().to_owned(), why: Outage::NoQuorum }.into());
    }
    claim.granted(adopted.fence, lease).ok_or_else(|| gone(lock))
}

fn gone(lock: &Lock) -> Error {
    NotHeld { lock: lock.name().to_owned(), why: LossReason::Gone }.into()
}

/// A token on its way to the store. Dropping it releases the token if it may have got there.
pub(super) struct Claim<'a> {
    lock: &'a Lock,
    /// Until a guard has it.
    ticket: Option<Ticket>,
    runtime: Handle,
    /// When the last attempt was sent, and by which way, if replicas are to be asked about it.
    sent: Instant,
    route: Option<Route>,
    /// Whether a request was sent of which the outcome is not known.
    pub(super) open: bool,
    /// Whether it ever stood in line.
    stood: bool,
    seat: Option<Seat>,
}

impl<'a> Claim<'a> {
    pub(super) fn new(lock: &'a Lock, token: Token) -> Result<Self, Error> {
        let ticket = Some(Ticket { token, lease: lock.terms.lease, kept: lock.terms.kept });
        Ok(Self { lock, ticket, runtime: runtime()?, sent: Instant::now(), route: None, open: false, stood: false, seat: None })
    }

    /// Takes note that a request is about to be sent.
    fn sends(&mut self) {
        self.sent = Instant::now();
        self.route = route(self.lock.shared.lines.store(), &self.lock.keys, self.lock.terms.quorum);
    }

    fn token(&self) -> Result<Token, Error> {
        self.ticket.as_ref().map(|ticket| ticket.token.clone()).ok_or_else(|| gone(self.lock))
    }

    /// Takes the lock at the store; `None` if the time is up before.
    pub(super) async fn obtain(&mut self, wait: Wait, deadline: Option<Instant>) -> Result<Option<(u64, Lease)>, Error> {
        let lock = self.lock;
        // The lock may be this token's already.
        let mut insists = wait == Wait::None || self.open;
        loop {
            let mut queueing = Queueing { joins: false, fair: lock.terms.fair, brief: false };
            let visit = lock.shared.lines.visit(&lock.keys, self.token()?, lock.terms.places, insists);
            if let Some(visit) = &visit {
                queueing.joins = visit.joins && wait != Wait::None;
                match self.attempt(visit, queueing).await {
                    Ok(Attempt::Acquired { fence }) => return Ok(Some((fence, self.full_lease(Instant::now())))),
                    Ok(Attempt::Busy { .. }) if is_over(wait, deadline) => return Ok(None),
                    Ok(Attempt::Busy { .. }) => {}
                    Err(error) if error.is_passing() && !is_over(wait, deadline) => visit.stumbled(&error),
                    Err(error) => return Err(error),
                }
            }
            match self.turn(visit, queueing, deadline).await {
                Some(Turn::Granted { fence, sent, left }) => {
                    let now = Instant::now();
                    let lease = Lease::granted(lock.terms.lease, left, sent, now);
                    // A quorum is asked about a full lease: a replica that has heard of the grant alone would end the lock too soon.
                    if !lease.is_over(now) && lock.terms.quorum.is_none() {
                        return Ok(Some((fence, lease)));
                    }
                }
                Some(Turn::Unsure) => {}
                Some(Turn::Failed(error)) => return Err(error),
                None => return self.trouble().map_or(Ok(None), Err),
            }
            // The lock may be this token's, and only the store knows.
            insists = true;
        }
    }

    async fn attempt(&mut self, visit: &Visit<'_>, queueing: Queueing) -> Result<Attempt, Error> {
        self.sends();
        let Some(ticket) = &self.ticket else { return Err(gone(self.lock)) };
        let lock = self.lock;
        self.stood |= queueing.joins;
        // Once the outcome of one attempt is unknown, the answer to a later one does not tell where the earlier went.
        let was_open = std::mem::replace(&mut self.open, true);
        let answer = lock.shared.lines.store().attempt(&lock.keys, ticket, queueing).await;
        let now = Instant::now();
        let ticket = ticket.clone();
        match &answer {
            // A lease that ended on the way here is no lock. The attempt can be repeated with the same token.
            Ok(Attempt::Acquired { fence }) if self.full_lease(now).is_over(now) => {
                return Ok(Attempt::Busy { lease_left: None, fence: *fence });
            }
            Ok(answer) => {
                visit.heard(answer, &ticket.token, self.sent);
                // A place in the queue is as open as an answer that is missing.
                self.open = was_open || queueing.joins || matches!(answer, Attempt::Acquired { .. });
            }
            Err(error) if !error.may_have_happened() => self.open = was_open,
            Err(_) => {}
        }
        answer
    }

    /// Stands in line until it is this one's turn; `None` if the time is up before.
    async fn turn(&mut self, visit: Option<Visit<'_>>, queueing: Queueing, deadline: Option<Instant>) -> Option<Turn> {
        let ticket = self.ticket.clone()?;
        let Lock { shared, keys, terms, .. } = self.lock;
        let seat = self.seat.insert(shared.lines.join(keys, ticket, queueing, terms, &self.runtime));
        self.stood = true;
        // Not sooner: a grant for the place that was asked for may be here already.
        drop(visit);
        let turn = match deadline {
            None => Some(seat.turn().await),
            Some(deadline) => match timeout_at(deadline, seat.turn()).await {
                Ok(turn) => Some(turn),
                Err(_) => seat.turned(),
            },
        };
        // Whoever is told a turn has left the line, but not the queue: also of a turn that failed there can be a place in the store.
        if turn.is_some() {
            self.seat = None;
            self.open = true;
        }
        turn
    }

    /// What stands in the way, if the store has not answered lately.
    fn trouble(&self) -> Option<Error> {
        self.seat.as_ref().and_then(Seat::trouble)
    }

    fn full_lease(&self, now: Instant) -> Lease {
        let length = self.lock.terms.lease;
        Lease::new(length, length.map(Span::duration), self.sent, now)
    }

    /// Whether enough replicas hold the lock in time, if it is of that kind.
    async fn confirm(&self, wait: Wait, deadline: Option<Instant>, lease: &Lease) -> Result<bool, Error> {
        let limit = limit(wait, deadline, lease.ends(), Instant::now());
        let Lock { shared, keys, terms, .. } = self.lock;
        let subject = Subject { store: shared.lines.store(), lock: keys, quorum: terms.quorum, route: self.route };
        let confirmed = confirm(subject, &self.token()?, lease.ends(), limit).await;
        if matches!(confirmed, Ok(false)) {
            metrics::no_quorum();
        }
        confirmed
    }

    /// Lets go of the lock, now. What is not settled then is left to the background.
    async fn let_go(mut self) {
        let Some(ticket) = &self.ticket else { return };
        let Lock { shared, keys, .. } = self.lock;
        let withdraws = self.stood.then_some(ticket);
        if let_go(&shared.lines, keys, &ticket.token, withdraws).await.is_ok() {
            shared.lines.unhold(keys, &ticket.token);
            self.open = false;
        }
    }

    /// Leaves the token to whoever has it otherwise.
    pub(super) fn cede(mut self) {
        self.ticket = None;
    }

    /// The guard of what was obtained.
    pub(super) fn granted(mut self, fence: u64, lease: Lease) -> Option<Guard> {
        tracing::debug!(lock = self.lock.name(), fence, "acquired");
        let token = self.ticket.take()?.token;
        Some(Guard::new(Held::new(self.lock, token, fence, lease, self.runtime.clone())))
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Some(seat) = self.seat.take() {
            self.open |= seat.leave();
        }
        let Some(ticket) = self.ticket.take_if(|_| self.open) else { return };
        let until = Surrender::until(ticket.lease, None, Instant::now());
        let (token, withdraws) = (ticket.token.clone(), self.stood.then_some(ticket));
        let surrender = Surrender { lock: Arc::clone(&self.lock.keys), token, withdraws, until, straggler: true };
        self.lock.shared.background.release(surrender, &self.runtime);
    }
}
