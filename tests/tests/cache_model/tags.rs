//! What the documentation says of tags, with numbers for generations and for moments.

use std::collections::HashMap;

use crate::operations::Tag;

pub(crate) type Generation = u64;

pub(crate) type Moment = u64;

/// The tags of an entry, each with the generation that it was of.
pub(crate) type Tagged = Vec<(Tag, Generation)>;

#[derive(Debug, Default)]
pub(crate) struct Tags {
    states: HashMap<Tag, State>,
    begun: Generation,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    generation: Option<Generation>,
    /// When it was last invalidated.
    invalidated: Option<Moment>,
}

impl Tags {
    /// The tags of an entry that is set with them: each is of some generation from then on. An entry that is `gone` at once has it end
    /// with it, unless it is remembered for another reason.
    pub(crate) fn begin(&mut self, tags: &[Tag], gone: bool) -> Tagged {
        let generation = |tag: &Tag| {
            let state = self.states.entry(tag).or_default();
            if let Some(generation) = state.generation {
                return (*tag, generation);
            }
            self.begun += 1;
            if !gone || state.invalidated.is_some() {
                state.generation = Some(self.begun);
            }
            (*tag, self.begun)
        };
        tags.iter().map(generation).collect()
    }

    /// Gives whether there can have been an entry with it.
    pub(crate) fn invalidate(&mut self, tag: Tag, now: Moment) -> bool {
        let state = self.states.entry(tag).or_default();
        state.invalidated = Some(now);
        state.generation.take().is_some()
    }

    /// All tags are invalidated of which anything is known.
    pub(crate) fn clear(&mut self, now: Moment) {
        for state in self.states.values_mut().filter(|state| state.generation.is_some() || state.invalidated.is_some()) {
            *state = State { generation: None, invalidated: Some(now) };
        }
    }

    /// Whether an entry with these counts.
    pub(crate) fn stand(&self, tags: &[(Tag, Generation)]) -> bool {
        tags.iter().all(|(tag, generation)| self.states.get(tag).is_some_and(|state| state.generation == Some(*generation)))
    }

    /// Whether one of these was invalidated after a moment.
    pub(crate) fn ended_since<'t>(&self, mut tags: impl Iterator<Item = &'t Tag>, since: Moment) -> bool {
        tags.any(|tag| self.states.get(tag).is_some_and(|state| state.invalidated > Some(since)))
    }
}
