//! For whom of a line the store is asked, and when.

use tokio::time::Instant;

use super::{Line, Step};
use crate::lock::waiter::{Standing, Waiter};
use crate::store::Queueing;

impl<R> Line<R> {
    /// What is to be done now. `random` decides by how much a pause is shortened.
    pub(in crate::lock) fn step(&mut self, now: Instant, random: u64) -> Step {
        let Some(first) = self.waiters.front() else { return Step::Rest };
        let may_queue = self.pace.may_queue(now);
        // Those who are fair have come before whoever comes now.
        let unknown = self.placeless().filter(|_| may_queue);
        let held_back = unknown.and_then(|at| self.waiters.get(at)).and_then(|waiter| self.held_back(waiter, now));
        let first_waits_in_vain = !first.is_queued() && !first.offered && self.held.is_none() && may_queue;
        let at = match (unknown, held_back) {
            (Some(at), None) => at,
            (Some(0), Some(until)) => return Step::Sleep { until },
            _ if first_waits_in_vain || self.pace.is_due(now) => 0,
            (_, until) => return Step::Sleep { until: until.map_or(self.pace.due(), |until| until.min(self.pace.due())) },
        };
        self.ask(at, now, random)
    }

    /// What is to be done while questions are under way: asking on behalf of those who are to have places and of whom the store has
    /// never heard. It may hear the question of anybody else twice, and who is behind such a one is not to come before it.
    pub(in crate::lock) fn step_besides(&mut self, now: Instant, random: u64) -> Step {
        let Some(at) = self.placeless().filter(|_| self.pace.may_queue(now)) else { return Step::Rest };
        let may_ask = |waiter: &Waiter<R>| waiter.standing == Standing::Unknown && self.held_back(waiter, now).is_none();
        if self.waiters.get(at).is_some_and(may_ask) { self.ask(at, now, random) } else { Step::Rest }
    }

    /// The first who is to have a place of its own, and is not known to have one.
    fn placeless(&self) -> Option<usize> {
        let placeless = |(before, waiter): (usize, &Waiter<R>)| waiter.may_have_place(before) && !waiter.is_queued();
        self.waiters.iter().enumerate().position(placeless)
    }

    fn ask(&mut self, at: usize, now: Instant, random: u64) -> Step {
        let Some(waiter) = self.waiters.get_mut(at) else { return Step::Rest };
        waiter.standing = Standing::Queued;
        let (number, lock, ticket) = (waiter.number, waiter.lock.clone(), waiter.ticket.clone());
        let queueing = Queueing { joins: true, fair: waiter.fair, brief: true };
        self.pace.ask(waiter.pulse, now, random);
        Step::Ask { number, lock, ticket, queueing }
    }
}
