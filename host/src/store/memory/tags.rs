//! The tags of the embedded store's entries: what the scripts do on a server.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::entries::{Deleted, Entries};
use crate::clock::{after, micros};
use crate::envelope::{Head, TagState};
use crate::store::{REMEMBERED, Tagged, Tagging};

impl Entries {
    /// As [`crate::store::EntryStore::tag`] says of one.
    pub(super) fn tag(&mut self, tagging: &Tagging, now: Instant) -> Tagged {
        let Tagging { key, fresh, kept } = tagging;
        let time = self.micros(now);
        // Longer than needed, so that not every entry has it prolonged.
        let longer = kept.map(|kept| after(now, kept.duration() * 2));
        let slot = self.kept.get_mut(key, now);
        let state = slot.as_ref().map(|slot| TagState::read(&slot.value)).unwrap_or_default();
        let ago = || Duration::from_micros(time.saturating_sub(state.invalidated));
        let invalidated = (state.invalidated > 0).then(ago);
        if let (Some(generation), Some(slot)) = (state.generation, slot) {
            let lasts = |end| kept.is_some_and(|kept| after(now, kept.duration()) <= end);
            if slot.ends.is_some_and(|end| !lasts(end)) {
                slot.ends = longer;
            }
            return Tagged { generation, invalidated };
        }
        let known = self.kept.get(key, now).and_then(|slot| slot.ends);
        let ends = longer.map(|longer| known.map_or(longer, |end| end.max(longer)));
        let begun = TagState { generation: Some(*fresh), ..state };
        self.kept.insert(key, Bytes::copy_from_slice(&begun.to_bytes()), ends, now);
        Tagged { generation: *fresh, invalidated }
    }

    /// As [`crate::store::EntryStore::invalidate`] says.
    pub(super) fn invalidate(&mut self, tag: &str, now: Instant) -> bool {
        let state = self.get(tag, now).map(|stored| TagState::read(&stored)).unwrap_or_default();
        let ended = TagState { generation: None, invalidated: self.micros(now) };
        self.kept.insert(tag, Bytes::copy_from_slice(&ended.to_bytes()), Some(after(now, REMEMBERED)), now);
        state.generation.is_some()
    }

    /// Invalidates a tag, if there is something known of it.
    pub(super) fn end(&mut self, tag: &str, now: Instant) {
        if self.kept.get(tag, now).is_some() {
            self.invalidate(tag, now);
        }
    }

    /// As [`crate::store::EntryStore::discard`] says, with what was deleted.
    pub(super) fn discard(&mut self, key: &str, seen: &[u8], now: Instant) -> Option<Deleted> {
        let stored = self.get(key, now)?;
        // What nobody can claim could be anybody's.
        let same = Head::identity(&stored).is_some_and(|identity| Head::identity(seen) == Some(identity));
        if same { self.delete(key, now) } else { None }
    }

    /// The time, in microseconds since 1970.
    fn micros(&self, now: Instant) -> u64 {
        let began = self.epoch.1.saturating_mul(1_000);
        began.saturating_add(micros(now.saturating_duration_since(self.epoch.0)))
    }
}
