//! Those of this process who ask the store for a lock and do not stand in its line, or not yet.
//!
//! A store may give one of them a place in its queue, and a grant for that, before it has come to stand in the line. So what
//! happens to such a place meanwhile is kept for it until then.

use std::collections::{BTreeMap, HashMap};

use tokio::time::Instant;

use super::waiter::Number;
use crate::store::Token;

/// The visitors of one line.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    numbers: HashMap<Token, Number>,
    visits: BTreeMap<Number, Visit>,
}

#[derive(Debug)]
struct Visit {
    came: Instant,
    /// The store has answered that others hold the lock.
    answered: bool,
    /// A place that it took may be gone.
    in_doubt: bool,
    /// The fence of the grant that was made to it.
    granted: Option<u64>,
}

/// What is known of a visitor who comes to stand in the line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visited {
    /// Its place among those who came before and after it.
    pub(super) number: Number,
    /// When it came, if the place is certain for which it asked by then.
    pub(super) sure_since: Option<Instant>,
    /// The fence of the grant that was made to it.
    pub(super) granted: Option<u64>,
}

impl Visitors {
    pub(super) fn is_empty(&self) -> bool {
        self.visits.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.visits.len()
    }

    /// One comes.
    pub(super) fn enter(&mut self, token: Token, number: Number, now: Instant) {
        self.visits.insert(number, Visit { came: now, answered: false, in_doubt: false, granted: None });
        if let Some(before) = self.numbers.insert(token, number) {
            self.visits.remove(&before);
        }
    }

    /// One goes.
    pub(super) fn depart(&mut self, token: &Token) {
        if let Some(number) = self.numbers.remove(token) {
            self.visits.remove(&number);
        }
    }

    /// Notes that the store has answered one that others hold the lock.
    pub(super) fn answered(&mut self, token: &Token) {
        if let Some(visit) = self.visit(token) {
            visit.answered = true;
        }
    }

    /// Keeps a grant for whom it was made to. Grants to anybody else are of no use.
    pub(super) fn granted(&mut self, token: &Token, fence: u64) {
        if let Some(visit) = self.visit(token) {
            visit.granted = Some(fence);
        }
    }

    /// The places that were asked for until then may be gone.
    pub(super) fn doubt(&mut self, until: Instant) {
        for visit in self.visits.values_mut().filter(|visit| visit.came <= until) {
            visit.in_doubt = true;
        }
    }

    /// What is known of one, which takes its grant.
    pub(super) fn take(&mut self, token: &Token) -> Option<Visited> {
        let number = *self.numbers.get(token)?;
        let visit = self.visits.get_mut(&number)?;
        let sure_since = (visit.answered && !visit.in_doubt).then_some(visit.came);
        Some(Visited { number, sure_since, granted: visit.granted.take() })
    }

    /// When the last one came of those who came before this one.
    pub(super) fn before(&self, number: Number) -> Option<Instant> {
        self.visits.range(..number).next_back().map(|(_, visit)| visit.came)
    }

    fn visit(&mut self, token: &Token) -> Option<&mut Visit> {
        self.visits.get_mut(self.numbers.get(token)?)
    }
}
