//! The entries of the embedded store, and who computes them: what the scripts do on a server.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::expiring::{Expiring, Slot};
use crate::clock::{Span, after, millis};
use crate::envelope::{Envelope, Head, Holds, Tag, has_no_value, tags};
use crate::store::{Abandoning, Bid, Entry, Filling, Prolonging, Replaces, Stale, Standing, Ttl};

/// All entries, and the clock they run on.
#[derive(Debug)]
pub(super) struct Entries {
    pub(super) kept: Expiring<Bytes>,
    /// Some instant, and what time it was then: a paused clock moves this one too.
    pub(super) epoch: (Instant, u64),
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deleted {
    /// Whether it was an entry, and no placeholder.
    pub(super) counts: bool,
    /// Whether somebody computed it.
    pub(super) claimed: bool,
}

impl Entries {
    /// The time, in milliseconds since 1970.
    pub(super) fn millis(&self, now: Instant) -> u64 {
        self.epoch.1.saturating_add(millis(now.saturating_duration_since(self.epoch.0)))
    }

    pub(super) fn get(&self, key: &str, now: Instant) -> Option<Bytes> {
        self.kept.get(key, now).map(|slot| slot.value.clone())
    }

    pub(super) fn slot(&self, key: &str, now: Instant) -> Option<&Slot<Bytes>> {
        self.kept.get(key, now)
    }

    pub(super) fn set(&mut self, entry: &Entry, expire: Option<Span>, now: Instant) {
        let ends = expire.map(|time| after(now, time.duration()));
        self.kept.insert(&entry.key, entry.bytes.clone(), ends, now);
    }

    /// As [`crate::store::EntryStore::left`] says.
    pub(super) fn left(&self, key: &str, now: Instant) -> (Ttl, Vec<Tag>) {
        match self.kept.get(key, now) {
            Some(slot) if !has_no_value(&slot.value) => {
                (slot.left(now).map_or(Ttl::Persistent, Ttl::Remaining), tags(&slot.value))
            }
            _ => (Ttl::Absent, Vec::new()),
        }
    }

    pub(super) fn delete(&mut self, key: &str, now: Instant) -> Option<Deleted> {
        let value = self.kept.remove(key, now)?;
        let head = Head::read(&value);
        Some(Deleted { counts: !has_no_value(&value), claimed: head.is_some_and(|head| head.claim.is_some()) })
    }

    pub(super) fn keys(&self, prefix: &str, from: Option<&str>, most: usize) -> Vec<String> {
        self.kept.keys(prefix, from, most)
    }

    /// As [`crate::store::EntryStore::claim`] says.
    pub(super) fn claim(&mut self, key: &str, bid: &Bid, now: Instant) -> Standing {
        let time = self.millis(now);
        let lease_ends = after(now, bid.lease.duration());
        let Some(slot) = self.kept.get_mut(key, now) else {
            if !bid.cold {
                return Standing::Absent;
            }
            // An empty payload is never too large.
            let placeholder = Envelope::vacant(bid.claim).seal(&[]).unwrap_or_default();
            self.kept.insert(key, placeholder, Some(lease_ends), now);
            return Standing::Yours { stale: None };
        };
        let Some(head) = Head::read(&slot.value) else { return Standing::Hit(slot.value.clone()) };
        let mine = head.claim == Some(bid.claim);
        if vacant(head) {
            return match slot.left(now) {
                _ if !bid.cold => Standing::Absent,
                Some(lease_left) if !mine => Standing::Busy { lease_left },
                _ => {
                    slot.ends = Some(lease_ends);
                    Standing::Yours { stale: None }
                }
            };
        }
        let early = if head.claim.is_none() { bid.early } else { 0 };
        let due = head.expires.is_some_and(|expires| expires.saturating_sub(early) <= time);
        if !due && !mine {
            return Standing::Hit(slot.value.clone());
        }
        let kept = slot.left(now);
        let expires = Some(time.saturating_add(bid.lease.millis()));
        let bytes = std::mem::replace(&mut slot.value, Bytes::new());
        slot.value = moved(&bytes, Head { expires, claim: Some(bid.claim), ..head });
        if bid.cold {
            slot.ends = slot.ends.map(|ends| ends.max(lease_ends));
        }
        Standing::Yours { stale: Some(Stale { bytes, kept }) }
    }

    /// As [`crate::store::EntryStore::fill`] says.
    pub(super) fn fill(&mut self, filling: &Filling, now: Instant) -> bool {
        let stored = self.kept.get(&filling.entry.key, now).map(|slot| &slot.value);
        let claimed = |claim| stored.and_then(|stored| Head::read(stored)).and_then(|head| head.claim) == Some(claim);
        let fits = match filling.replaces {
            Replaces::Anything => true,
            Replaces::Claimed(claim) => claimed(claim),
            Replaces::ClaimedOrNothing(claim) => stored.is_none() || claimed(claim),
        };
        if !fits {
            // It may be there already, as the reply was lost.
            let same = |stored: &Bytes| is_same(stored, &filling.entry.bytes);
            return stored.is_some_and(same);
        }
        let mut bytes = filling.entry.bytes.clone();
        if let (Some(due), Some(head)) = (filling.due, Head::read(&bytes)) {
            bytes = moved(&bytes, Head { expires: Some(self.millis(now).saturating_add(due.millis())), ..head });
        }
        let ends = filling.kept.map(|time| after(now, time.duration()));
        self.kept.insert(&filling.entry.key, bytes, ends, now);
        true
    }

    /// As [`crate::store::EntryStore::prolong`] says.
    pub(super) fn prolong(&mut self, prolonging: Prolonging<'_>, now: Instant) -> bool {
        let Prolonging { key, claim, lease, serves } = prolonging;
        let (time, lease_ends) = (self.millis(now), after(now, lease.duration()));
        let Some(slot) = self.kept.get_mut(key, now) else { return false };
        let Some(head) = Head::read(&slot.value).filter(|head| head.claim == Some(claim)) else { return false };
        if !serves && !vacant(head) {
            slot.value = Envelope::vacant(claim).seal(&[]).unwrap_or_default();
        } else {
            let expires = (!vacant(head)).then(|| time.saturating_add(lease.millis()));
            slot.value = moved(&slot.value, Head { expires, ..head });
        }
        let vacant = vacant(head) || !serves;
        slot.ends = if vacant { Some(lease_ends) } else { slot.ends.map(|ends| ends.max(lease_ends)) };
        true
    }

    /// As [`crate::store::EntryStore::abandon`] says.
    pub(super) fn abandon(&mut self, abandoning: Abandoning<'_>, now: Instant) -> bool {
        let Abandoning { key, claim, rest, left } = abandoning;
        let time = self.millis(now);
        let Some(slot) = self.kept.get_mut(key, now) else { return false };
        let Some(head) = Head::read(&slot.value).filter(|head| head.claim == Some(claim)) else { return false };
        if vacant(head) || left.is_some_and(|left| left.is_zero()) {
            self.kept.remove(key, now);
        } else {
            let expires = Some(time.saturating_add(rest.map_or(0, Span::millis)));
            slot.value = moved(&slot.value, Head { expires, claim: None, ..head });
            if let Some(left) = left {
                slot.ends = slot.ends.map(|ends| ends.min(after(now, left)));
            }
        }
        true
    }

    /// How many there are, ended ones included.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

impl Default for Entries {
    fn default() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { kept: Expiring::default(), epoch: (Instant::now(), millis(now)) }
    }
}

/// Whether both are one entry, whatever scripts have moved in it.
fn is_same(stored: &[u8], other: &[u8]) -> bool {
    match Head::identity(stored) {
        Some(identity) => Head::identity(other) == Some(identity),
        None => stored == other,
    }
}

fn vacant(head: Head) -> bool {
    head.holds == Holds::Nothing
}

fn moved(stored: &Bytes, head: Head) -> Bytes {
    let mut moved = BytesMut::from(&stored[..]);
    head.patch(&mut moved);
    moved.freeze()
}
