//! How one comes to stand in a line, who may ask the store first.

use std::time::Duration;

use tokio::time::Instant;

use super::{Line, Turn};
use crate::clock::after;
use crate::lock::waiter::{Arrival, Number, Waiter};
use crate::store::{Token, Word};

impl<R> Line<R> {
    /// Somebody asks the store without standing in the line.
    pub(in crate::lock) fn visit(&mut self, token: Token, now: Instant) {
        let number = self.number();
        self.visitors.enter(token, number, now);
    }

    /// Somebody has asked.
    pub(in crate::lock) fn visited(&mut self, token: &Token) {
        self.visitors.depart(token);
    }

    /// Takes a place in the line, behind all who came before: a visitor came when it began to ask. Gives whom to tell what, if a
    /// grant was here before.
    pub(in crate::lock) fn join(&mut self, mut arrival: Arrival<R>, now: Instant) -> (Number, Option<(R, Turn)>) {
        let visited = self.visitors.take(&arrival.ticket.token);
        let number = visited.map_or_else(|| self.number(), |visited| visited.number);
        if self.waiters.is_empty() {
            self.pace.begin(arrival.pulse, now);
        }
        let (token, kept) = (arrival.ticket.token.clone(), arrival.ticket.kept);
        let since = visited.and_then(|visited| visited.sure_since).filter(|_| arrival.queued);
        arrival.queued = since.is_some();
        let at = self.waiters.partition_point(|waiter| waiter.number < number);
        self.waiters.insert(at, Waiter::new(number, arrival));
        if let Some(since) = since {
            self.keeps_places(number, since, kept.duration(), now);
        }
        let early = visited.and_then(|visited| visited.granted);
        (number, early.and_then(|fence| self.heard(Word::Granted { token, fence }, now)))
    }

    /// Notes such an answer to one who does not stand in the line.
    pub(in crate::lock) fn visitor_heard_busy(
        &mut self,
        token: &Token,
        lease_left: Option<Duration>,
        fence: u64,
        sent: Instant,
        now: Instant,
    ) {
        self.visitors.answered(token);
        self.heard_busy(lease_left, fence, sent, now);
    }

    /// Until when a waiter does not ask for its place, as somebody who came before it is asking already: not for longer than a pause,
    /// as nobody may be polling that one.
    pub(super) fn held_back(&self, waiter: &Waiter<R>, now: Instant) -> Option<Instant> {
        let before = self.visitors.before(waiter.number)?;
        Some(after(before, waiter.pulse.duration())).filter(|until| *until > now)
    }

    fn number(&mut self) -> Number {
        let number = Number(self.next);
        self.next += 1;
        number
    }
}
