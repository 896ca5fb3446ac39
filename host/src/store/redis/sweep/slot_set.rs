//! Any of the slots of a cluster.

use super::super::slots::SLOTS;

const WORDS: usize = (SLOTS / 64) as usize;

/// A set of slots. Those beyond the last are in none.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SlotSet([u64; WORDS]);

impl SlotSet {
    pub(crate) const NONE: Self = Self([0; WORDS]);
    pub(crate) const ALL: Self = Self([u64::MAX; WORDS]);

    pub(crate) fn contains(&self, slot: u16) -> bool {
        self.0.get(usize::from(slot / 64)).is_some_and(|word| word & bit(slot) != 0)
    }

    pub(crate) fn insert(&mut self, slot: u16) {
        if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
            *word |= bit(slot);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Those that are in both.
    pub(crate) fn and(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one & other)
    }

    /// Those that are in either.
    pub(crate) fn or(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one | other)
    }

    /// Those that are not in the other.
    pub(crate) fn without(&self, other: &Self) -> Self {
        self.zip(other, |one, other| one & !other)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u16> {
        (0..SLOTS).filter(|slot| self.contains(*slot))
    }

    fn zip(&self, other: &Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let mut words = self.0;
        words.iter_mut().zip(&other.0).for_each(|(one, other)| *one = with(*one, *other));
        Self(words)
    }
}

fn bit(slot: u16) -> u64 {
    1 << (slot % 64)
}

impl FromIterator<u16> for SlotSet {
    fn from_iter<T: IntoIterator<Item = u16>>(slots: T) -> Self {
        let mut set = Self::NONE;
        slots.into_iter().for_each(|slot| set.insert(slot));
        set
    }
}

impl std::fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
