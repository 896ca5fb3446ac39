//! The waiters of one lock in this process, as rules without clock, store or tasks.
//!
//! They stand in one line, so a lock costs one waiting attempt at a time, however many wait. The first of the line asks the store in
//! case nobody tells it anything, takes a place in the store's queue by that, and keeps it. Whoever is fair has a place of its own
//! from the beginning; the others are served by the line: a holder in this process passes the lock to the first of them in the
//! request that releases it, but not more than [`offer::TURNS`] times in a row while other processes wait.
//!
//! A lock that many can hold is given by the store alone. The first [`PLACES`](super::waiter::PLACES) of its line have places there,
//! those behind them nothing: whoever gets the lock or leaves lets the next one have a place.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::grants::Grants;
use super::pace::Pace;
use super::visitors::Visitors;
use super::waiter::{Number, Standing, Waiter};
use crate::error::Error;
use crate::names::LockKeys;
use crate::store::{Attempt, Queueing, Ticket, Token, Word};

mod ask;
mod come;
pub(super) mod offer;
mod places;

/// A line. `R` is where a waiter is told of its turn.
#[derive(Debug)]
pub(super) struct Line<R> {
    waiters: VecDeque<Waiter<R>>,
    next: u64,
    /// The token by which this process holds the lock, as far as it knows.
    held: Option<Token>,
    /// First attempts under way, of those who do not stand in the line.
    visitors: Visitors,
    /// How often in a row the lock went to the next of the line.
    turns: u32,
    grants: Grants,
    pace: Pace,
    /// The last error, if the store has not answered since.
    trouble: Option<Error>,
}

/// What a waiter is told.
#[derive(Debug, Clone)]
pub(super) enum Turn {
    /// The lock is held by its token for `left` from some time after `sent`, and is to be confirmed.
    Granted { fence: u64, sent: Instant, left: Duration },
    /// It may be, and the waiter has to ask.
    Unsure,
    /// It will not be.
    Failed(Error),
}

/// What to do next for the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask the store on behalf of a waiter.
    Ask { number: Number, lock: LockKeys, ticket: Ticket, queueing: Queueing },
    /// Nothing until then, or until something happens.
    Sleep { until: Instant },
    /// Nothing, as nobody waits.
    Rest,
}

impl<R> Line<R> {
    pub(super) fn new(now: Instant) -> Self {
        let (waiters, visitors) = (VecDeque::new(), Visitors::default());
        let (grants, pace) = (Grants::default(), Pace::new(now));
        Self { waiters, next: 0, held: None, visitors, turns: 0, grants, pace, trouble: None }
    }

    /// Whether nothing is lost if the line is forgotten.
    pub(super) fn is_idle(&self) -> bool {
        self.waiters.is_empty() && self.held.is_none() && self.visitors.is_empty()
    }

    /// Whether anybody stands in the line.
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Whether one who comes now, and is not fair, need not ask the store: somebody of this process has the lock, or asks already.
    pub(super) fn is_occupied(&self) -> bool {
        !self.is_idle()
    }

    /// Whether so many who want the lock are here, in the line or on the way to it.
    pub(super) fn is_crowded(&self, places: usize) -> bool {
        self.waiters.len() + self.visitors.len() >= places
    }

    /// Leaves the line, wherever in it. Gives whether the store may know of the waiter; `None` for one that was told its turn.
    pub(super) fn leave(&mut self, number: Number, now: Instant) -> Option<bool> {
        let at = self.at(number)?;
        let waiter = self.waiters.remove(at)?;
        if at == 0 {
            self.advance(now);
        }
        Some(waiter.standing != Standing::Unknown)
    }

    /// Notes who of this process holds the lock, by which the others need not ask.
    pub(super) fn hold(&mut self, token: Token) {
        self.held = Some(token);
    }

    /// Notes that this token holds it no more. Gives whether it did.
    pub(super) fn unhold(&mut self, token: &Token, now: Instant) -> bool {
        let held = self.held.take_if(|held| held == token).is_some();
        // Nobody passes the lock on any more. One that many can hold is passed on by the store: a question beside its word would have the
        // store count a fence for the waiter that it never learns of.
        if held && self.waiters.front().is_some_and(|first| first.lock.share().is_alone()) {
            self.pace.hurry(now);
        }
        held
    }

    /// The last error, if the store has not answered since.
    pub(super) fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    /// Notes an answer to a request of `sent` that did not give the lock.
    pub(super) fn heard_busy(&mut self, lease_left: Option<Duration>, fence: u64, sent: Instant, now: Instant) {
        self.trouble = None;
        self.grants.none_after(fence, sent);
        self.pace.answered(lease_left, now);
    }

    /// Notes that a request failed in a way that may pass.
    pub(super) fn stumbled(&mut self, error: Error, now: Instant, random: u64) {
        self.trouble = Some(error);
        self.pace.failed(now, random);
    }

    /// Notes that somebody begins to listen for grants.
    pub(super) fn listen(&mut self, now: Instant) {
        if let Some(first) = self.waiters.front() {
            self.pace.listen(first.pulse, now);
        }
    }

    /// Notes that grants are heard from here on, or will not be.
    pub(super) fn listening(&mut self, does: bool, now: Instant) {
        self.pace.listening(does, now);
    }

    /// Whether a grant is heard.
    pub(super) fn is_listening(&self) -> bool {
        self.pace.is_listening()
    }

    /// Takes the answer to what [`Step::Ask`] asked at `sent`, and gives whom to tell what.
    pub(super) fn answered(&mut self, number: Number, answer: Attempt, sent: Instant, now: Instant) -> Option<(R, Turn)> {
        match answer {
            Attempt::Busy { lease_left, fence } => {
                self.heard_busy(lease_left, fence, sent, now);
                let kept = self.waiter(number).map(|waiter| waiter.ticket.kept);
                if let Some(kept) = kept {
                    self.keeps_places(number, sent, kept.duration(), now);
                }
                None
            }
            Attempt::Acquired { fence } => {
                self.trouble = None;
                // One that has left settles it by itself.
                let waiter = self.take(number, now)?;
                self.turns = 0;
                Some(self.granted(waiter, fence, sent))
            }
        }
    }

    /// Takes note that a request for the line failed, which may be tried again if the error is passing.
    pub(super) fn failed(&mut self, number: Number, error: Error, passing: bool, now: Instant, random: u64) -> Option<(R, Turn)> {
        if passing {
            self.stumbled(error, now, random);
            if let Some(waiter) = self.waiter(number) {
                // The request may never have come there.
                waiter.standing = Standing::Heard;
            }
            return None;
        }
        self.take(number, now).map(|waiter| (waiter.reply, Turn::Failed(error)))
    }

    /// Takes a word from the store, and gives whom to tell what.
    pub(super) fn heard(&mut self, word: Word, now: Instant) -> Option<(R, Turn)> {
        let (token, fence) = match word {
            Word::Granted { token, fence } => (token, fence),
            Word::Doubt => {
                self.pace.hurry(now);
                self.visitors.doubt(now);
                self.doubt(None);
                return None;
            }
        };
        let Some(at) = self.waiters.iter().position(|waiter| waiter.ticket.token == token) else {
            self.visitors.granted(&token, fence);
            return None;
        };
        let number = self.waiters.get(at)?.number;
        let waiter = self.take(number, now)?;
        let left = waiter.ticket.granted().duration();
        self.turns = 0;
        Some(match self.grants.since(fence) {
            Some(sent) if now.saturating_duration_since(sent) < left => self.granted(waiter, fence, sent),
            _ => (waiter.reply, Turn::Unsure),
        })
    }

    /// Those who wait, if the line comes to an end, to be told that they have to ask by themselves.
    pub(super) fn dissolve(&mut self) -> Vec<R> {
        self.waiters.drain(..).map(|waiter| waiter.reply).collect()
    }

    fn waiter(&mut self, number: Number) -> Option<&mut Waiter<R>> {
        self.at(number).and_then(|at| self.waiters.get_mut(at))
    }

    fn at(&self, number: Number) -> Option<usize> {
        self.waiters.binary_search_by_key(&number, |waiter| waiter.number).ok()
    }

    fn take(&mut self, number: Number, now: Instant) -> Option<Waiter<R>> {
        let at = self.at(number)?;
        let waiter = self.waiters.remove(at);
        if at == 0 {
            self.advance(now);
        }
        waiter
    }

    /// The lock is a waiter's, and so this process's.
    fn granted(&mut self, waiter: Waiter<R>, fence: u64, sent: Instant) -> (R, Turn) {
        let left = waiter.ticket.granted().duration();
        self.held = Some(waiter.ticket.token);
        (waiter.reply, Turn::Granted { fence, sent, left })
    }

    /// The next one is the first from here on.
    fn advance(&mut self, now: Instant) {
        if let Some(first) = self.waiters.front() {
            self.pace.begin(first.pulse, now);
        }
    }
}

#[cfg(test)]
mod tests;
