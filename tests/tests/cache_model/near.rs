//! What a process with copies may still read, while the store's news of a change is on its way.

use std::collections::HashMap;

use crate::operations::{Gives, Key, NEAR, Operation, PATTERNS};

/// The values that the client with copies may have a copy of: of each entry, what it has last read itself.
#[derive(Debug, Default)]
pub(crate) struct Copies(HashMap<Key, u64>);

impl Copies {
    /// What may be given in place of what the store would have.
    pub(crate) fn instead(&self, operation: &Operation) -> Option<Gives> {
        match operation {
            Operation::Get(NEAR, key) => Some(Gives::Values(vec![Some(*self.0.get(key)?)])),
            Operation::Lookup(NEAR, key, _) => Some(Gives::Hit(*self.0.get(key)?)),
            _ => None,
        }
    }

    /// Takes note of what was done with a value, and of what is stored by now: the value of an entry, and whether that has tags.
    pub(crate) fn note(&mut self, operation: &Operation, value: u64, gave: &Gives, stored: impl Fn(&Key) -> Option<(u64, bool)>) {
        let written = |key: &Key| stored(key).is_some_and(|(stored, _)| stored == value);
        match operation {
            Operation::Get(NEAR, key) => {
                self.0.remove(key);
                // There are no copies of what has tags.
                if let (Gives::Values(read), Some((value, false))) = (gave, stored(key))
                    && read[..] == [Some(value)]
                {
                    self.0.insert(*key, value);
                }
            }
            // Nothing is copied by it. If it gave another value, there was no copy.
            Operation::Lookup(NEAR, key, _) if self.0.get(key).is_some_and(|value| *gave != Gives::Hit(*value)) => {
                self.0.remove(key);
            }
            // It reads its own writes, of which those are none that are left out.
            Operation::Set(NEAR, key, ..) | Operation::Fill(NEAR, key, ..) if written(key) => {
                self.0.remove(key);
            }
            Operation::SetMany(NEAR, keys, ..) => self.0.retain(|key, _| !(keys.contains(key) && written(key))),
            Operation::Delete(NEAR, key) => {
                self.0.remove(key);
            }
            Operation::DeleteMany(NEAR, names, content) => {
                self.0.retain(|key, _| !(names.contains(&key.name) && key.content == *content));
            }
            Operation::DeletePattern(NEAR, pattern) => {
                let matches = |name| PATTERNS.iter().any(|(known, matches)| known == pattern && matches(name));
                self.0.retain(|key, _| !matches(key.name));
            }
            Operation::Clear(NEAR) => self.0.clear(),
            _ => {}
        }
    }
}
