//! Passes a lock from hand to hand within the process.

use tokio::time::Instant;

use super::{Line, Turn};
use crate::lock::waiter::{Number, Standing};
use crate::store::{Release, Released, Ticket, Token};

/// How often in a row a lock goes from hand to hand within a process while others wait.
pub(super) const TURNS: u32 = 16;

/// Whom a release is to pass the lock to.
#[derive(Debug, Clone)]
pub(in crate::lock) struct Offer {
    number: Number,
    pub(in crate::lock) ticket: Ticket,
    pub(in crate::lock) yields: bool,
}

impl Offer {
    /// How `token` is released with this offer, if there is one.
    pub(in crate::lock) fn release<'a>(offer: Option<&'a Self>, token: &'a Token, withdraws: Option<&'a Ticket>) -> Release<'a> {
        let (next, yields) = (offer.map(|offer| &offer.ticket), offer.is_some_and(|offer| offer.yields));
        Release { token, withdraws, next, yields }
    }
}

impl<R> Line<R> {
    /// Whom a holder of this process passes the lock to when it releases it.
    pub(in crate::lock) fn offer(&mut self) -> Option<Offer> {
        let yields = self.turns >= TURNS;
        let first = self.waiters.front_mut().filter(|first| !first.fair && !first.offered)?;
        first.offered = true;
        if first.standing == Standing::Unknown {
            first.standing = Standing::Heard;
        }
        Some(Offer { number: first.number, ticket: first.ticket.clone(), yields })
    }

    /// Takes what became of a release of `sent` with an offer; `None` if that is not known. Gives whom to tell what.
    pub(in crate::lock) fn offered(
        &mut self,
        offer: &Offer,
        outcome: Option<Released>,
        sent: Instant,
        now: Instant,
    ) -> Option<(R, Turn)> {
        let at = self.at(offer.number);
        match outcome {
            Some(Released::Passed { fence }) => {
                // While nobody else waits, nobody is passed over.
                self.turns = if offer.yields { 0 } else { self.turns + 1 };
                let waiter = self.take(offer.number, now)?;
                return Some(self.granted(waiter, fence, sent));
            }
            Some(Released::Now) if offer.yields => self.turns = 0,
            _ => self.pace.hurry(now),
        }
        let waiter = at.and_then(|at| self.waiters.get_mut(at))?;
        waiter.offered = false;
        if offer.yields {
            waiter.standing = Standing::Queued;
        }
        None
    }
}
