//! How tags stand, and whether what was computed or stored with them still counts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Cache;
use crate::clock::Span;
use crate::envelope::{Generation, Tag, TagState};
use crate::error::Error;
use crate::names::tag_key;
use crate::store::{REMEMBERED, Store, Tagged, Tagging};

/// On what a value depends that was computed.
#[derive(Debug, Clone, Default)]
pub(super) struct Premises {
    /// When the computation began; `None` if that is not known, and what was invalidated up to now is not asked.
    pub(super) began: Option<Instant>,
    /// Tags that must not have been invalidated since they were of these generations: those that were known then.
    pub(super) known: Vec<Tag>,
}

/// How the tags stood that values are to be set with, by one answer of the store. What is invalidated after that shows in the entry, of
/// which the tag is then of another generation.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) tags: Arc<[Tag]>,
    /// How long ago each of them had been invalidated.
    invalidated: Vec<Option<Duration>>,
    /// When the answer was there: how it was at some time before.
    answered: Instant,
}

impl Cache {
    /// What these tags' keys hold, each asked for once.
    pub(super) async fn states<'t>(&self, tags: impl IntoIterator<Item = &'t Tag>) -> Result<States<'t>, Error> {
        states(&*self.0.store, &self.0.pipeline.entries, tags).await
    }

    /// How these tags stand, for values that are kept so long. One that is of no generation gets one.
    pub(super) async fn snapshot(&self, names: &[String], kept: Option<Span>) -> Result<Snapshot, Error> {
        let found = if names.is_empty() {
            Vec::new()
        } else {
            let (entries, fresh) = (&self.0.pipeline.entries, Generation::random()?);
            let taggings: Vec<_> = names.iter().map(|name| Tagging { key: tag_key(entries, name), fresh, kept }).collect();
            self.0.store.tag(&taggings).await?
        };
        let tag = |(name, tagged): (&String, &Tagged)| Tag { name: name.clone(), generation: tagged.generation };
        Ok(Snapshot {
            tags: names.iter().zip(&found).map(tag).collect(),
            invalidated: found.iter().map(|tagged| tagged.invalidated).collect(),
            answered: Instant::now(),
        })
    }
}

impl Premises {
    /// What was known of tags other than these.
    pub(super) fn others<'t>(&'t self, names: &'t [String]) -> impl Iterator<Item = &'t Tag> {
        self.known.iter().filter(|tag| !names.contains(&tag.name))
    }
}

impl Snapshot {
    /// Whether a value with these premises can have the tags: none of them had been invalidated since its computation began.
    pub(super) fn allows(&self, Premises { began, known }: &Premises) -> bool {
        let began = began.map(|began| self.answered.saturating_duration_since(began));
        self.tags.iter().zip(&self.invalidated).all(|(tag, &invalidated)| {
            let known = known.iter().find(|known| known.name == tag.name).map(|known| known.generation);
            holds(Tagged { generation: tag.generation, invalidated }, known, began)
        })
    }
}

/// What the keys of tags hold.
pub(super) struct States<'t> {
    places: HashMap<&'t str, usize>,
    held: Vec<Option<Bytes>>,
}

impl States<'_> {
    /// Whether none was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether a tag, one of those that were asked for, is still of the generation that an entry has it of.
    pub(super) fn stands(&self, tag: &Tag) -> bool {
        let state = self.places.get(tag.name.as_str()).and_then(|place| self.held.get(*place));
        stands(tag, state.and_then(Option::as_deref))
    }
}

/// Whether a tag was not invalidated since a computation that began so long ago: since it was of the generation that was known then, or
/// by the time.
fn holds(tagged: Tagged, known: Option<Generation>, began: Option<Duration>) -> bool {
    match (known, began) {
        (Some(known), _) => tagged.generation == known,
        (None, None) => true,
        (None, Some(began)) => began < REMEMBERED && tagged.invalidated.is_none_or(|ago| ago >= began),
    }
}

/// Whether a tag is still of the generation that an entry has it of.
fn stands(tag: &Tag, state: Option<&[u8]>) -> bool {
    state.is_some_and(|state| TagState::read(state).generation == Some(tag.generation))
}

/// Whether one of these tags, of a cache whose entries' keys begin with `entries`, is of another generation by now.
pub(super) async fn is_void(store: &dyn Store, entries: &str, tags: &[Tag]) -> Result<bool, Error> {
    let states = states(store, entries, tags).await?;
    Ok(!tags.iter().all(|tag| states.stands(tag)))
}

async fn states<'t>(store: &dyn Store, entries: &str, tags: impl IntoIterator<Item = &'t Tag>) -> Result<States<'t>, Error> {
    let (mut places, mut wanted) = (HashMap::new(), Vec::new());
    for tag in tags {
        places.entry(tag.name.as_str()).or_insert_with(|| {
            wanted.push(tag_key(entries, &tag.name));
            wanted.len() - 1
        });
    }
    let held = if wanted.is_empty() { Vec::new() } else { store.get_many(&wanted).await? };
    Ok(States { places, held })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_tag_holds_by_its_generation_where_that_is_known_and_else_by_the_time() {
        let [one, other] = [1, 2].map(|n| Generation::of_bytes([n; 8]).unwrap());
        let (second, later) = (Duration::from_secs(1), Duration::from_secs(2));
        let tagged = |invalidated| Tagged { generation: one, invalidated };
        for began in [None, Some(second), Some(2 * REMEMBERED)] {
            assert!(holds(tagged(Some(Duration::ZERO)), Some(one), began));
            assert!(!holds(tagged(None), Some(other), began));
        }
        assert!(holds(tagged(Some(second)), None, None), "nobody knows when it began");
        assert!(holds(tagged(None), None, Some(second)));
        assert!(holds(tagged(Some(later)), None, Some(second)) && holds(tagged(Some(second)), None, Some(second)));
        assert!(!holds(tagged(Some(second)), None, Some(later)));
        assert!(!holds(tagged(None), None, Some(REMEMBERED)), "nobody remembers so long");
    }

    #[test]
    fn an_entry_stands_with_the_generation_that_its_tag_is_of() {
        let generation = Generation::of_bytes([1; 8]);
        let tag = Tag { name: "a".into(), generation: generation.unwrap() };
        let state = |generation| TagState { generation, invalidated: 1 }.to_bytes();
        assert!(stands(&tag, Some(&state(generation))));
        for other in [None, Some(&b"a stranger's"[..]), Some(&state(None)), Some(&state(Generation::of_bytes([2; 8])))] {
            assert!(!stands(&tag, other));
        }
    }
}
