//! Takes many locks: in one step if all are free, and else one after the other.

use std::collections::VecDeque;

use tokio::runtime::Handle;
use tokio::time::{Instant, sleep_until};

use super::{MultiGuard, MultiLock};
use crate::clock::{Span, Wait, after};
use crate::error::{Error, Invalid};
use crate::lock::acquire::{Claim, is_over};
use crate::lock::held::Held;
use crate::lock::lease::Lease;
use crate::lock::{Guard, Lock, runtime};
use crate::names::LockKeys;
use crate::pause::{back_off, random};
use crate::store::{AttemptAll, Ticket, Token};

/// Takes all locks, as [`MultiLock::acquire`] says.
pub(super) async fn acquire(locks: &[Lock], wait: Wait) -> Result<Option<MultiGuard>, Error> {
    let deadline = wait.deadline(Instant::now());
    // What it has while it waits for the others must not end.
    let renewed: Vec<_> = locks.iter().map(renewed).collect();
    loop {
        let mut round = Round::new(locks, &renewed)?;
        match round.take_all().await {
            Ok(Some((fence, lease))) => return Ok(Some(round.won(fence, lease))),
            Ok(None) if is_over(wait, deadline) => return Ok(None),
            Err(error) if !error.is_passing() || is_over(wait, deadline) => return Err(error),
            Ok(None) | Err(_) => {}
        }
        if !round.gather(wait, deadline).await? {
            return Ok(None);
        }
        let mut failures = 0;
        loop {
            match round.take_all().await {
                Ok(Some((fence, lease))) => return Ok(Some(round.won(fence, lease))),
                Ok(None) if is_over(wait, deadline) => return Ok(None),
                // One was lost meanwhile, so all of it again, with a token that was not released yet.
                Ok(None) => break,
                Err(error) if is_over(wait, deadline) => return Err(error),
                // Whose lock was broken has a token that is not for use again.
                Err(error) if !error.is_passing() => {
                    if !round.has_lost_one().await {
                        return Err(error);
                    }
                    break;
                }
                Err(_) => {
                    failures += 1;
                    let next = after(Instant::now(), back_off(failures, random()));
                    sleep_until(deadline.map_or(next, |deadline| deadline.min(next))).await;
                }
            }
        }
    }
}

/// The lock with a lease that is renewed, if it has one.
fn renewed(lock: &Lock) -> Lock {
    let mut lock = lock.clone();
    lock.terms.renew = lock.terms.lease.is_some();
    lock
}

/// One token on its way to hold all locks. Dropping it releases what it may have.
struct Round<'a> {
    locks: &'a [Lock],
    keys: Vec<LockKeys>,
    ticket: Ticket,
    fair: bool,
    runtime: Handle,
    /// Of those it has, one after the other.
    held: Vec<Guard>,
    /// Of the others.
    claims: VecDeque<Claim<'a>>,
}

impl<'a> Round<'a> {
    /// `renewed` are the locks as they are held while it waits for more of them.
    fn new(locks: &'a [Lock], renewed: &'a [Lock]) -> Result<Self, Error> {
        let first = locks.first().ok_or(Invalid::NoNames)?;
        let token = Token::of(&first.holder)?;
        let first = first.terms;
        let claims = renewed.iter().map(|lock| Claim::new(lock, token.clone())).collect::<Result<_, _>>()?;
        let ticket = Ticket { token, lease: first.lease, kept: first.kept };
        let (keys, runtime) = (MultiLock::keys(locks), runtime()?);
        Ok(Self { locks, keys, ticket, fair: first.fair, runtime, held: Vec::new(), claims })
    }

    /// Takes all locks in one step; `None` if others are in the way.
    async fn take_all(&mut self) -> Result<Option<(u64, Lease)>, Error> {
        let Some(store) = self.locks.first().map(|lock| lock.shared.lines.store()) else { return Ok(None) };
        let sent = Instant::now();
        let before: Vec<_> = self.claims.iter_mut().map(|claim| std::mem::replace(&mut claim.open, true)).collect();
        let answer = store.attempt_all(&self.keys, &self.ticket, self.fair).await;
        let changed =
            answer.as_ref().map_or_else(Error::may_have_happened, |answer| matches!(answer, AttemptAll::Acquired { .. }));
        if !changed {
            self.claims.iter_mut().zip(before).for_each(|(claim, open)| claim.open = open);
        }
        let AttemptAll::Acquired { fence } = answer? else { return Ok(None) };
        let (length, now) = (self.ticket.lease, Instant::now());
        let lease = Lease::new(length, length.map(Span::duration), sent, now);
        // A lease that ended on the way here is none.
        Ok((!lease.is_over(now)).then_some((fence, lease)))
    }

    /// Takes one lock after the other, and waits for each. False if the time is up before it has all.
    async fn gather(&mut self, wait: Wait, deadline: Option<Instant>) -> Result<bool, Error> {
        while let Some(claim) = self.claims.front_mut() {
            let Some((fence, lease)) = claim.obtain(wait, deadline).await? else { return Ok(false) };
            self.held.extend(self.claims.pop_front().and_then(|claim| claim.granted(fence, lease)));
        }
        Ok(true)
    }

    /// Whether one of those that it has taken is not its any more.
    async fn has_lost_one(&self) -> bool {
        for guard in &self.held {
            if matches!(guard.held().await, Ok(false)) {
                return true;
            }
        }
        false
    }

    /// All locks are held by the token, from one request on.
    fn won(self, fence: u64, lease: Lease) -> MultiGuard {
        self.held.iter().for_each(|guard| guard.held.cede());
        self.claims.into_iter().for_each(Claim::cede);
        let guard = |lock: &Lock| {
            lock.shared.lines.hold(&lock.keys, &self.ticket.token);
            Guard::new(Held::new(lock, self.ticket.token.clone(), fence, lease, self.runtime.clone()))
        };
        tracing::debug!(names = self.locks.len(), fence, "acquired");
        MultiGuard::new(fence, self.locks.iter().map(guard).collect())
    }
}
