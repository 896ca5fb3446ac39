//! The locks of the embedded store that many can hold: read-write locks and semaphores.

use std::collections::VecDeque;
use std::mem::discriminant;

use tokio::time::Instant;

use super::expiring::Expiring;
use super::fences::Fences;
use super::locks::Tell;
use crate::clock::{Span, after};
use crate::names::{LockKeys, Prefix, Share};
use crate::store::{
    Attempt, Broken, Fingerprint, Holding, MOST_SEEN, Queueing, Release, Released, SeenHolder, Sighting, Ticket, Token, Word,
};

/// Who holds such locks, who waits for them, and what their fences were.
#[derive(Debug, Default)]
pub(super) struct SharedTable {
    rooms: Expiring<Room>,
    fences: Fences,
}

/// One lock.
#[derive(Debug, Default)]
struct Room {
    holders: Vec<Holder>,
    /// Who waits, in the order in which they came.
    queue: VecDeque<(Share, Ticket)>,
    /// Until when their places are kept. They are all of this process, so a word of one keeps those of all.
    kept: Option<Instant>,
}

#[derive(Debug)]
struct Holder {
    share: Share,
    token: Token,
    fence: u64,
    ends: Option<Instant>,
}

impl Holder {
    /// Whether it has this token, and a share of this kind; of how many permits, is all the same.
    fn is(&self, share: Share, token: &Token) -> bool {
        self.token == *token && discriminant(&self.share) == discriminant(&share)
    }

    fn lives(&self, now: Instant) -> bool {
        self.ends.is_none_or(|end| now < end)
    }

    fn holding(&self, now: Instant) -> Holding {
        self.ends.map_or(Holding::Unlimited, |end| Holding::Left(end.saturating_duration_since(now)))
    }
}

impl Room {
    /// The holder with this token and a share of this kind.
    fn holder(&mut self, share: Share, token: &Token) -> Option<&mut Holder> {
        self.holders.iter_mut().find(|holder| holder.is(share, token))
    }

    fn fits(&self, share: Share) -> bool {
        share.fits(self.holders.iter().map(|holder| holder.share))
    }

    fn join(&mut self, share: Share, ticket: &Ticket, now: Instant) {
        let kept = Some(after(now, ticket.kept.duration()));
        self.kept = if self.queue.is_empty() { kept } else { self.kept.max(kept) };
        if !self.queue.iter().any(|(_, waiting)| waiting == ticket) {
            self.queue.push_back((share, ticket.clone()));
        }
    }

    fn leave(&mut self, ticket: &Ticket) {
        self.queue.retain(|(_, waiting)| waiting != ticket);
    }

    /// Grants the lock to those who wait, in their order, for as long as it fits the first of them.
    fn hand_out(&mut self, lock: &LockKeys, fences: &mut Fences, tell: Tell<'_>, now: Instant) {
        let mut unheard = VecDeque::new();
        while let Some((share, ticket)) = self.queue.pop_front_if(|(share, _)| share.fits(self.holders.iter().map(|h| h.share))) {
            let fence = fences.next(lock, now);
            if tell(Word::Granted { token: ticket.token.clone(), fence }) {
                let ends = Some(after(now, ticket.granted().duration()));
                self.holders.push(Holder { share, token: ticket.token, fence, ends });
            } else {
                unheard.push_back((share, ticket));
            }
        }
        unheard.append(&mut self.queue);
        self.queue = unheard;
    }

    fn waiters(&self, now: Instant) -> u64 {
        if self.kept.is_some_and(|end| now < end) { self.queue.len() as u64 } else { 0 }
    }

    /// Takes away those whose leases have ended, and the places of those who were not heard of.
    fn drop_ended(&mut self, now: Instant) {
        self.holders.retain(|holder| holder.lives(now));
        if self.waiters(now) == 0 {
            self.queue.clear();
        }
    }

    /// When nobody holds it or waits any more; `None` for never.
    fn ends(&self) -> Option<Instant> {
        let waiting = self.kept.filter(|_| !self.queue.is_empty()).map(Some);
        let ends = self.holders.iter().map(|holder| holder.ends).chain(waiting);
        ends.max_by_key(|ends| (ends.is_none(), *ends)).flatten()
    }
}

impl SharedTable {
    /// `None` for a token that was released before.
    pub(super) fn attempt(
        &mut self,
        lock: &LockKeys,
        ticket: &Ticket,
        queueing: Queueing,
        tell: Tell<'_>,
        now: Instant,
    ) -> Option<Attempt> {
        self.with(lock, now, |room, fences| {
            let last = fences.last(lock, now);
            let ends = ticket.taken(queueing).map(|lease| after(now, lease.duration()));
            if let Some(holder) = room.holder(lock.share(), &ticket.token) {
                // Never shorter: it may be an attempt that comes late, when the lock was confirmed or extended.
                holder.ends = holder.ends.and_then(|before| ends.map(|ends| ends.max(before)));
                holder.fence = fences.next(lock, now);
                let fence = holder.fence;
                room.leave(ticket);
                return Some(Attempt::Acquired { fence });
            }
            if fences.noted(lock, &ticket.token, now).is_some() {
                return None;
            }
            let others_first = room.queue.front().is_some_and(|(_, first)| first != ticket);
            if others_first || !room.fits(lock.share()) {
                if queueing.joins {
                    room.join(lock.share(), ticket, now);
                }
                room.hand_out(lock, fences, tell, now);
                let first_end = room.holders.iter().filter_map(|holder| holder.ends).min();
                let lease_left = first_end.map(|end| end.saturating_duration_since(now));
                return Some(Attempt::Busy { lease_left, fence: last });
            }
            room.leave(ticket);
            let fence = fences.next(lock, now);
            room.holders.push(Holder { share: lock.share(), token: ticket.token.clone(), fence, ends });
            room.hand_out(lock, fences, tell, now);
            Some(Attempt::Acquired { fence })
        })
    }

    pub(super) fn release(&mut self, lock: &LockKeys, release: Release<'_>, tell: Tell<'_>, now: Instant) -> Released {
        let Release { token, withdraws, .. } = release;
        self.with(lock, now, |room, fences| {
            if let Some(ticket) = withdraws {
                room.leave(ticket);
            }
            let held = room.holder(lock.share(), token).is_some();
            room.holders.retain(|holder| !holder.is(lock.share(), token));
            let released = match (held, fences.noted(lock, token, now)) {
                (false, Some(true)) => Released::Before,
                (false, _) => Released::NotHeld,
                (true, _) => Released::Now,
            };
            if released != Released::Before {
                fences.note(lock, token, held, now);
            }
            // Also if it did not hold the lock: those behind a place that was given up may fit where it did not.
            room.hand_out(lock, fences, tell, now);
            released
        })
    }

    pub(super) fn extend(&mut self, lock: &LockKeys, token: &Token, by: Span, now: Instant) -> Holding {
        self.held(lock, token, now, |holder| holder.ends = holder.ends.map(|end| after(end, by.duration())))
    }

    pub(super) fn renew(&mut self, lock: &LockKeys, token: &Token, lease: Option<Span>, now: Instant) -> Holding {
        self.held(lock, token, now, |holder| holder.ends = lease.map(|lease| after(now, lease.duration())))
    }

    pub(super) fn holding(&mut self, lock: &LockKeys, token: &Token, now: Instant) -> Holding {
        self.held(lock, token, now, |_| ())
    }

    pub(super) fn holders(&self, lock: &LockKeys, now: Instant) -> u64 {
        let Some(room) = self.rooms.get(lock.key(), now) else { return 0 };
        room.value.holders.iter().filter(|holder| holder.lives(now)).count() as u64
    }

    pub(super) fn sight(&self, lock: &LockKeys, now: Instant) -> Option<Sighting> {
        let room = &self.rooms.get(lock.key(), now)?.value;
        let mut holders: Vec<_> = room.holders.iter().filter(|holder| holder.lives(now)).collect();
        let count = holders.len() as u64;
        holders.sort_by_key(|holder| (holder.ends.is_none(), holder.ends));
        let seen = |holder: &&Holder| {
            let left = holder.ends.map(|end| end.saturating_duration_since(now));
            SeenHolder::new(&holder.token, holder.share, Some(holder.fence), left)
        };
        let holders: Vec<_> = holders.iter().take(MOST_SEEN).map(seen).collect();
        let fence = Some(self.fences.last(lock, now)).filter(|last| *last > 0);
        (count > 0).then(|| Sighting { lock: lock.clone(), holders, count, fence, waiters: room.waiters(now) })
    }

    /// The first `most` keys that such locks are kept in, of those that come after the key `from`; and the locks under `prefix` among
    /// them, as they are seen.
    pub(super) fn sightings(
        &self,
        prefix: &Prefix,
        from: Option<&str>,
        most: usize,
        now: Instant,
    ) -> (Vec<String>, Vec<Sighting>) {
        let keys = self.rooms.keys("", from, most);
        let locks = keys.iter().filter_map(|key| LockKeys::of_trace(prefix, key));
        let seen = locks.filter_map(|lock| self.sight(&lock, now)).collect();
        (keys, seen)
    }

    pub(super) fn break_lock(&mut self, lock: &LockKeys, seen: &Fingerprint, tell: Tell<'_>, now: Instant) -> Broken {
        self.with(lock, now, |room, fences| {
            let Some(at) = room.holders.iter().position(|holder| Fingerprint::of(&holder.token) == *seen) else {
                return match room.holders.is_empty() {
                    _ if fences.was_broken(lock, seen, now) => Broken::Yes { fence: fences.last(lock, now), handed_on: false },
                    true => Broken::Free,
                    false => Broken::ChangedHands,
                };
            };
            let holder = room.holders.swap_remove(at);
            fences.note(lock, &holder.token, false, now);
            let fence = fences.next(lock, now);
            fences.note_broken(lock, seen, now);
            room.hand_out(lock, fences, tell, now);
            Broken::Yes { fence, handed_on: fences.last(lock, now) > fence }
        })
    }

    fn held(&mut self, lock: &LockKeys, token: &Token, now: Instant, change: impl FnOnce(&mut Holder)) -> Holding {
        self.with(lock, now, |room, _| {
            let Some(holder) = room.holder(lock.share(), token) else { return Holding::No };
            change(holder);
            holder.holding(now)
        })
    }

    /// Does something with a lock of which those whose time has ended are gone, and forgets it once nobody holds it or waits.
    fn with<T>(&mut self, lock: &LockKeys, now: Instant, change: impl FnOnce(&mut Room, &mut Fences) -> T) -> T {
        let mut room = self.rooms.remove(lock.key(), now).unwrap_or_default();
        room.drop_ended(now);
        let given = change(&mut room, &mut self.fences);
        if !room.holders.is_empty() || !room.queue.is_empty() {
            let ends = room.ends();
            self.rooms.insert(lock.key(), room, ends, now);
        }
        given
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }
}

#[cfg(test)]
mod tests;
