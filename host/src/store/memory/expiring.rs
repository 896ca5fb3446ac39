//! A map whose values end at an instant.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use tokio::time::Instant;

/// Values by key, in the order of the keys, each until its end.
///
/// Ordered so that the keys of one prefix can be walked in batches while others change the map.
#[derive(Debug)]
pub(super) struct Expiring<V> {
    slots: BTreeMap<String, Slot<V>>,
    /// Where the last sweep stopped.
    swept: String,
}

/// A value and when it ends.
#[derive(Debug)]
pub(super) struct Slot<V> {
    pub(super) value: V,
    pub(super) ends: Option<Instant>,
}

impl<V> Slot<V> {
    /// How much longer the value is there; `None` for ever.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        self.ends.map(|end| end.saturating_duration_since(now))
    }

    fn lives(&self, now: Instant) -> bool {
        self.ends.is_none_or(|end| now < end)
    }
}

/// How many slots each insertion looks at to clear away expired ones. Over 1, so that sweeping outruns inserting.
const SWEEP: usize = 4;

impl<V> Expiring<V> {
    /// The value of `key`, if it is there at `now`.
    pub(super) fn get(&self, key: &str, now: Instant) -> Option<&Slot<V>> {
        self.slots.get(key).filter(|slot| slot.lives(now))
    }

    /// The same, to be changed.
    pub(super) fn get_mut(&mut self, key: &str, now: Instant) -> Option<&mut Slot<V>> {
        self.slots.get_mut(key).filter(|slot| slot.lives(now))
    }

    /// Sets the value of `key`, and clears away a few that have ended.
    pub(super) fn insert(&mut self, key: &str, value: V, ends: Option<Instant>, now: Instant) {
        if let Some(slot) = self.slots.get_mut(key) {
            *slot = Slot { value, ends };
        } else {
            self.slots.insert(key.to_owned(), Slot { value, ends });
        }
        self.sweep(now);
    }

    /// Takes out the value of `key`, if it is there at `now`.
    pub(super) fn remove(&mut self, key: &str, now: Instant) -> Option<V> {
        self.slots.remove(key).filter(|slot| slot.lives(now)).map(|slot| slot.value)
    }

    /// The first `most` keys that begin with `prefix` and come after the key `from`.
    pub(super) fn keys(&self, prefix: &str, from: Option<&str>, most: usize) -> Vec<String> {
        let start = from.map_or(Bound::Included(prefix), Bound::Excluded);
        let range = self.slots.range::<str, _>((start, Bound::Unbounded));
        range.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).take(most).cloned().collect()
    }

    /// How many slots there are, ended ones included.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    fn sweep(&mut self, now: Instant) {
        let mut ended = Vec::new();
        let mut last = None;
        // Around the end and on from the start in one go: keys that only ever grow would else be all it gets to see.
        let behind = self.slots.range::<str, _>((Bound::Excluded(self.swept.as_str()), Bound::Unbounded));
        for (key, slot) in behind.chain(&self.slots).take(SWEEP) {
            if !slot.lives(now) {
                ended.push(key.clone());
            }
            last = Some(key);
        }
        if let Some(last) = last {
            self.swept.clear();
            self.swept.push_str(last);
        }
        for key in ended {
            self.slots.remove(&key);
        }
    }
}

impl<V> Default for Expiring<V> {
    fn default() -> Self {
        Self { slots: BTreeMap::new(), swept: String::new() }
    }
}
