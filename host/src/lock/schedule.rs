//! What is due when, without a clock of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// Items in the order in which they are due.
#[derive(Debug)]
pub(super) struct Schedule<T> {
    items: BTreeMap<Slot, T>,
    next: u64,
    epoch: Instant,
}

/// Where an item is, to take it out again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    due: Instant,
    number: u64,
}

impl Slot {
    pub(super) const fn due(self) -> Instant {
        self.due
    }
}

impl<T> Schedule<T> {
    pub(super) fn new(epoch: Instant) -> Self {
        Self { items: BTreeMap::new(), next: 0, epoch }
    }

    /// Adds an item that is due at `due`, or up to `slack` later, so that many items become due at once.
    pub(super) fn add(&mut self, due: Instant, slack: Duration, item: T) -> Slot {
        let slot = Slot { due: self.grouped(due, slack), number: self.next };
        self.next += 1;
        self.items.insert(slot, item);
        slot
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Option<T> {
        self.items.remove(&slot)
    }

    /// When the first item is due.
    pub(super) fn first_due(&self) -> Option<Instant> {
        self.items.first_key_value().map(|(slot, _)| slot.due)
    }

    /// All items, the first that is due first.
    pub(super) fn items(&self) -> impl Iterator<Item = &T> {
        self.items.values()
    }

    /// Takes out what is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<T> {
        let later = self.items.split_off(&Slot { due: now, number: u64::MAX });
        std::mem::replace(&mut self.items, later).into_values().collect()
    }

    /// The next point of a grid with meshes of `slack`.
    fn grouped(&self, due: Instant, slack: Duration) -> Instant {
        let mesh = slack.as_micros();
        if mesh == 0 {
            return due;
        }
        let past = due.saturating_duration_since(self.epoch).as_micros() % mesh;
        let wait = u64::try_from((mesh - past) % mesh).unwrap_or(0);
        due.checked_add(Duration::from_micros(wait)).unwrap_or(due)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn nothing_is_early_nothing_is_later_than_its_slack_and_nothing_is_lost(
            items in proptest::collection::vec((0..10_000_u64, 0..200_u64, any::<bool>()), 0..50),
            step in 1..500_u64,
        ) {
            let epoch = Instant::now();
            let at = |ms: u64| epoch + Duration::from_millis(ms);
            let mut schedule = Schedule::new(epoch);
            let mut expected = 0;
            for &(due, slack, stays) in &items {
                let slot = schedule.add(at(due), Duration::from_millis(slack), (due, slack));
                prop_assert!(slot.due() >= at(due) && slot.due() <= at(due + slack));
                if stays { expected += 1 } else { prop_assert_eq!(schedule.remove(slot), Some((due, slack))); }
            }
            let (mut now, mut seen) = (0, 0);
            while let Some(first) = schedule.first_due() {
                let none_yet = first > at(now);
                let taken = schedule.take_due(at(now));
                prop_assert_eq!(none_yet, taken.is_empty());
                for (due, slack) in taken {
                    prop_assert!(due <= now && now < due + slack + step);
                    seen += 1;
                }
                now += step;
            }
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn neighbours_are_due_together() {
        let epoch = Instant::now();
        let mut schedule = Schedule::new(epoch);
        for n in 1..=100 {
            schedule.add(epoch + Duration::from_millis(n), Duration::from_millis(50), n);
        }
        assert_eq!(schedule.first_due(), Some(epoch + Duration::from_millis(50)));
        assert_eq!(schedule.take_due(epoch + Duration::from_millis(50)).len(), 50);
        assert_eq!(schedule.take_due(epoch + Duration::from_millis(100)).len(), 50);
    }
}
