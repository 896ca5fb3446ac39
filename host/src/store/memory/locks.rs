//! The locks of the embedded store: who holds which, who waits for them, and what their fences were.

use std::collections::VecDeque;

use tokio::time::Instant;

use super::expiring::{Expiring, Slot};
use super::fences::Fences;
use crate::clock::{Span, after};
use crate::names::{LockKeys, Prefix};
use crate::store::{
    Adopted, Attempt, AttemptAll, Broken, Fingerprint, Holding, Queueing, Release, Released, SeenHolder, Sighting, Ticket, Token,
    Word,
};

/// Held locks and remembered fences.
#[derive(Debug, Default)]
pub(super) struct LockTable {
    held: Expiring<Token>,
    fences: Fences,
    /// Who waits, by the lock's key, in the order in which they came. They are all of this process, so a word of one keeps the places
    /// of all; without any, as when their runtime has ended, all are gone after a time.
    queues: Expiring<VecDeque<Ticket>>,
}

/// Tells who watches a lock that it was granted; false if nobody does.
pub(super) type Tell<'a> = &'a dyn Fn(Word) -> bool;

impl LockTable {
    /// `None` for a token that was released before.
    pub(super) fn attempt(
        &mut self,
        lock: &LockKeys,
        ticket: &Ticket,
        queueing: Queueing,
        tell: Tell<'_>,
        now: Instant,
    ) -> Option<Attempt> {
        let Queueing { joins, fair, .. } = queueing;
        let token = &ticket.token;
        let last = self.fences.last(lock, now);
        let others_first = fair && self.first(lock, now).is_some_and(|first| first != ticket);
        let fence = match self.held.get(lock.key(), now) {
            // The same holder, so the same fence.
            Some(slot) if slot.value == *token => Some(last).filter(|last| *last > 0),
            _ if self.fences.noted(lock, token, now).is_some() => return None,
            None if !others_first => None,
            held => {
                let free = held.is_none();
                if joins {
                    self.join(lock, ticket, now);
                }
                if free {
                    self.hand_on(lock, tell, now);
                }
                let lease_left = self.held.get(lock.key(), now).and_then(|slot| slot.left(now));
                return Some(Attempt::Busy { lease_left, fence: last });
            }
        };
        self.leave(lock, ticket, now);
        let ends = ticket.taken(queueing).map(|lease| after(now, lease.duration()));
        // Never shorter: it may be an attempt that comes late, when the lock was confirmed or extended.
        let ends = match self.held_by(lock, token, now) {
            Some(slot) => slot.ends.and_then(|before| ends.map(|ends| ends.max(before))),
            None => ends,
        };
        self.held.insert(lock.key(), token.clone(), ends, now);
        Some(Attempt::Acquired { fence: fence.unwrap_or_else(|| self.fences.next(lock, now)) })
    }

    /// `None` for a token that was released before.
    pub(super) fn attempt_all(&mut self, locks: &[LockKeys], ticket: &Ticket, fair: bool, now: Instant) -> Option<AttemptAll> {
        let token = &ticket.token;
        let mut all_held = true;
        for (first, lock) in locks.iter().enumerate() {
            match self.held.get(lock.key(), now) {
                Some(slot) if slot.value == *token => {}
                _ if self.fences.noted(lock, token, now).is_some() => return None,
                Some(slot) => return Some(AttemptAll::Busy { first, lease_left: slot.left(now) }),
                None if fair && self.first(lock, now).is_some() => {
                    return Some(AttemptAll::Busy { first, lease_left: None });
                }
                None => all_held = false,
            }
        }
        let last = locks.first().map_or(0, |lock| self.fences.last(lock, now));
        let same = last > 0 && locks.iter().all(|lock| self.fences.last(lock, now) == last);
        let fence = if all_held && same { last } else { self.fences.next_of_all(locks, now) };
        let ends = ticket.lease.map(|lease| after(now, lease.duration()));
        for lock in locks {
            // Never shorter: it may be an attempt that comes late, when the locks were extended.
            let ends = match self.held_by(lock, token, now) {
                Some(slot) => slot.ends.and_then(|before| ends.map(|ends| ends.max(before))),
                None => ends,
            };
            self.held.insert(lock.key(), token.clone(), ends, now);
        }
        Some(AttemptAll::Acquired { fence })
    }

    pub(super) fn adopt(&mut self, lock: &LockKeys, old: &Token, new: &Token, now: Instant) -> Option<Adopted> {
        if let Some(slot) = self.held_by(lock, new, now) {
            let lease_left = slot.left(now);
            let last = Some(self.fences.last(lock, now)).filter(|last| *last > 0);
            return Some(Adopted { fence: last.unwrap_or_else(|| self.fences.next(lock, now)), lease_left });
        }
        if self.fences.noted(lock, new, now).is_some() {
            return None;
        }
        let slot = self.held_by(lock, old, now)?;
        slot.value = new.clone();
        let lease_left = slot.left(now);
        self.fences.note(lock, old, false, now);
        Some(Adopted { fence: self.fences.next(lock, now), lease_left })
    }

    pub(super) fn release(&mut self, lock: &LockKeys, release: Release<'_>, tell: Tell<'_>, now: Instant) -> Released {
        let Release { token, withdraws, next, yields } = release;
        if let Some(ticket) = withdraws {
            self.leave(lock, ticket, now);
        }
        let held = self.held_by(lock, token, now).is_some();
        if !held && self.fences.noted(lock, token, now) == Some(true) {
            let passed = next.is_some_and(|next| self.held_by(lock, &next.token, now).is_some());
            let last = self.fences.last(lock, now);
            return if passed { Released::Passed { fence: last } } else { Released::Before };
        }
        self.fences.note(lock, token, held, now);
        if !held {
            return Released::NotHeld;
        }
        self.held.remove(lock.key(), now);
        if let Some(next) = next {
            if yields {
                self.join(lock, next, now);
            }
            if !yields || self.first(lock, now) == Some(next) {
                self.leave(lock, next, now);
                return Released::Passed { fence: self.grant(lock, next, now) };
            }
        }
        self.hand_on(lock, tell, now);
        Released::Now
    }

    fn first(&self, lock: &LockKeys, now: Instant) -> Option<&Ticket> {
        self.queues.get(lock.key(), now).and_then(|queue| queue.value.front())
    }

    fn join(&mut self, lock: &LockKeys, ticket: &Ticket, now: Instant) {
        let ends = Some(after(now, ticket.kept.duration()));
        let Some(queue) = self.queues.get_mut(lock.key(), now) else {
            return self.queues.insert(lock.key(), VecDeque::from([ticket.clone()]), ends, now);
        };
        queue.ends = queue.ends.max(ends);
        if !queue.value.contains(ticket) {
            queue.value.push_back(ticket.clone());
        }
    }

    fn leave(&mut self, lock: &LockKeys, ticket: &Ticket, now: Instant) {
        let Some(queue) = self.queues.get_mut(lock.key(), now) else { return };
        queue.value.retain(|waiting| waiting != ticket);
        if queue.value.is_empty() {
            self.queues.remove(lock.key(), now);
        }
    }

    /// Gives a free lock to the first who waits, if anybody listens.
    fn hand_on(&mut self, lock: &LockKeys, tell: Tell<'_>, now: Instant) {
        let Some(first) = self.first(lock, now).cloned() else { return };
        let fence = self.grant(lock, &first, now);
        if tell(Word::Granted { token: first.token.clone(), fence }) {
            self.leave(lock, &first, now);
        } else {
            self.held.remove(lock.key(), now);
        }
    }

    /// Gives a free lock to a ticket, for no longer than its place is kept, until that is confirmed.
    fn grant(&mut self, lock: &LockKeys, ticket: &Ticket, now: Instant) -> u64 {
        let ends = after(now, ticket.granted().duration());
        self.held.insert(lock.key(), ticket.token.clone(), Some(ends), now);
        self.fences.next(lock, now)
    }

    pub(super) fn extend(&mut self, lock: &LockKeys, token: &Token, by: Span, now: Instant) -> Holding {
        let Some(slot) = self.held_by(lock, token, now) else { return Holding::No };
        slot.ends = slot.ends.map(|end| after(end, by.duration()));
        holding(slot, now)
    }

    pub(super) fn renew(&mut self, lock: &LockKeys, token: &Token, lease: Option<Span>, now: Instant) -> Holding {
        let Some(slot) = self.held_by(lock, token, now) else { return Holding::No };
        slot.ends = lease.map(|lease| after(now, lease.duration()));
        holding(slot, now)
    }

    pub(super) fn holding(&mut self, lock: &LockKeys, token: &Token, now: Instant) -> Holding {
        self.held_by(lock, token, now).map_or(Holding::No, |slot| holding(slot, now))
    }

    #[cfg(test)]
    pub(super) fn forget(&mut self, lock: &LockKeys, now: Instant) {
        self.held.remove(lock.key(), now);
    }

    pub(super) fn is_locked(&self, lock: &LockKeys, now: Instant) -> bool {
        self.held.get(lock.key(), now).is_some()
    }

    pub(super) fn sight(&self, lock: &LockKeys, now: Instant) -> Option<Sighting> {
        let slot = self.held.get(lock.key(), now)?;
        let fence = Some(self.fences.last(lock, now)).filter(|last| *last > 0);
        let waiters = self.queues.get(lock.key(), now).map_or(0, |queue| queue.value.len() as u64);
        let holder = SeenHolder::new(&slot.value, lock.share(), fence, slot.left(now));
        Some(Sighting { lock: lock.clone(), holders: vec![holder], count: 1, fence, waiters })
    }

    /// The first `most` keys that locks under `prefix` are kept in, of those that come after the key `from`; and the locks, as they
    /// are seen.
    pub(super) fn sightings(
        &self,
        prefix: &Prefix,
        from: Option<&str>,
        most: usize,
        now: Instant,
    ) -> (Vec<String>, Vec<Sighting>) {
        let keys = self.held.keys(prefix.as_str(), from, most);
        let locks = keys.iter().filter_map(|key| LockKeys::of_key(prefix, key));
        let seen = locks.filter_map(|lock| self.sight(&lock, now)).collect();
        (keys, seen)
    }

    pub(super) fn break_lock(&mut self, lock: &LockKeys, seen: &Fingerprint, tell: Tell<'_>, now: Instant) -> Broken {
        let holder = self.held.get(lock.key(), now).map(|slot| slot.value.clone());
        match holder {
            Some(holder) if Fingerprint::of(&holder) == *seen => {
                self.held.remove(lock.key(), now);
                self.fences.note(lock, &holder, false, now);
                let fence = self.fences.next(lock, now);
                self.fences.note_broken(lock, seen, now);
                self.hand_on(lock, tell, now);
                Broken::Yes { fence, handed_on: self.is_locked(lock, now) }
            }
            holder if self.fences.was_broken(lock, seen, now) => {
                // What is held since has the last fence.
                let fence = self.fences.last(lock, now) - u64::from(holder.is_some());
                Broken::Yes { fence, handed_on: holder.is_some() }
            }
            Some(_) => Broken::ChangedHands,
            None => Broken::Free,
        }
    }

    fn held_by(&mut self, lock: &LockKeys, token: &Token, now: Instant) -> Option<&mut Slot<Token>> {
        self.held.get_mut(lock.key(), now).filter(|slot| slot.value == *token)
    }
}

fn holding(slot: &Slot<Token>, now: Instant) -> Holding {
    slot.left(now).map_or(Holding::Unlimited, Holding::Left)
}

#[cfg(test)]
mod tests;
