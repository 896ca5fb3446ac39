//! Tags: by which many entries are invalidated at once, and what still counts.
//!
//! Whether an entry counts is decided by who reads it: see [`crate::envelope`] for what it is compared with. A value counts if none of
//! its tags was invalidated since its computation began.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{join_all, try_join};
use tokio::time::Instant;

use super::Cache;
use super::metrics::Operation;
use crate::clock::Span;
use crate::envelope::{Generation, Tag, TagState, is_tagged, tags};
use crate::error::{Error, Invalid};
use crate::names::{check_tag, check_tags, tag_key};
use crate::store::{REMEMBERED, Store, Tagged, Tagging};

/// On what a value depends that was computed.
#[derive(Debug, Clone, Default)]
pub(super) struct Premises {
    /// When the computation began; `None` if that is not known, and what was invalidated up to now is not asked.
    pub(super) began: Option<Instant>,
    /// Tags that must not have been invalidated since they were of these generations: those that were known then.
    pub(super) known: Vec<Tag>,
}

impl Cache {
    /// The same cache, whose entries are set with these tags: by any of the ways to set one, and by vacancies of its lookups. When one
    /// of its tags is [invalidated](Cache::invalidate_tag), an entry is there no more. Repeated tags count once, and their order does not
    /// matter.
    ///
    /// ```
    /// # async fn example(pages: bellwether::Cache) -> Result<(), bellwether::Error> {
    /// pages.with_tags(["user:42", "news"])?.set("home", "<h1>Welcome</h1>", None).await?;
    /// pages.invalidate_tag("user:42").await?;
    /// assert_eq!(pages.get::<String>("home").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty tag, and for tags in a cache whose entries have no envelope; [`Error::Limit`] for a tag of over
    /// [`MAX_TAG`](crate::names::MAX_TAG) bytes, and for more than [`MAX_TAGS`](crate::names::MAX_TAGS).
    pub fn with_tags<T: AsRef<str>>(&self, tags: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let tags = check_tags(tags)?;
        if !tags.is_empty() {
            self.taggable()?;
        }
        Ok(Self(self.0.clone(), tags.into()))
    }

    /// The tags that entries are set with.
    #[must_use]
    pub fn tags(&self) -> &[String] {
        &self.1
    }

    /// Invalidates all entries of this cache that have a tag, in one round trip, however many there are: from now on none of them is
    /// there, and no value that is being computed becomes one which had the tag or gets it. False if there can be no such entry.
    ///
    /// # Errors
    /// [`Error::Invalid`] and [`Error::Limit`] for a tag that cannot be, [`Error::Invalid`] for a cache whose entries have no envelope,
    /// and [`Error::Unavailable`].
    pub async fn invalidate_tag(&self, tag: &str) -> Result<bool, Error> {
        let invalidate = async {
            check_tag(tag)?;
            self.taggable()?;
            self.0.store.invalidate(&tag_key(&self.0.pipeline.entries, tag)).await
        };
        let invalidated = self.0.metrics.timed(Operation::InvalidateTag, invalidate).await?;
        self.0.metrics.invalidated(invalidated);
        Ok(invalidated)
    }

    fn taggable(&self) -> Result<(), Invalid> {
        if self.has_envelope() { Ok(()) } else { Err(Invalid::NeedsEnvelope { what: "tags" }) }
    }

    /// What was read, if it still counts. What does not is deleted.
    pub(super) async fn valid(&self, key: &str, stored: Option<Bytes>) -> Result<Option<Bytes>, Error> {
        match stored {
            // A box, so that reads have no room for what few of them need.
            Some(stored) if self.has_envelope() && is_tagged(&stored) => Box::pin(self.valid_tagged(key, stored)).await,
            stored => Ok(stored),
        }
    }

    async fn valid_tagged(&self, key: &str, stored: Bytes) -> Result<Option<Bytes>, Error> {
        if self.has_void(&tags(&stored)).await? {
            discard(&*self.0.store, key, &stored).await;
            return Ok(None);
        }
        Ok(Some(stored))
    }

    /// [`Cache::valid`] for many.
    pub(super) async fn valid_many(&self, keys: &[String], mut stored: Vec<Option<Bytes>>) -> Result<Vec<Option<Bytes>>, Error> {
        if !self.has_envelope() {
            return Ok(stored);
        }
        let tagged: Vec<_> = stored.iter().map(|stored| stored.as_deref().map(tags).unwrap_or_default()).collect();
        let (mut places, mut wanted) = (HashMap::new(), Vec::new());
        for tag in tagged.iter().flatten() {
            places.entry(tag.name.as_str()).or_insert_with(|| {
                wanted.push(tag_key(&self.0.pipeline.entries, &tag.name));
                wanted.len() - 1
            });
        }
        if wanted.is_empty() {
            return Ok(stored);
        }
        let states = self.0.store.get_many(&wanted).await?;
        let state = |tag: &Tag| places.get(tag.name.as_str()).and_then(|place| states.get(*place)).and_then(Option::as_deref);
        let mut void = Vec::new();
        for ((key, stored), tags) in keys.iter().zip(&mut stored).zip(&tagged) {
            if !tags.iter().all(|tag| stands(tag, state(tag))) {
                void.extend(stored.take().map(|stored| (key, stored)));
            }
        }
        join_all(void.iter().map(|(key, stored)| discard(&*self.0.store, key, stored))).await;
        Ok(stored)
    }

    /// Whether an entry does not count any more.
    pub(super) async fn is_void(&self, stored: &[u8]) -> Result<bool, Error> {
        if self.has_envelope() { self.has_void(&tags(stored)).await } else { Ok(false) }
    }

    /// Whether one of these tags is of another generation by now.
    pub(super) async fn has_void(&self, tags: &[Tag]) -> Result<bool, Error> {
        is_void(&*self.0.store, &self.0.pipeline.entries, tags).await
    }

    /// The generations of these tags for a value that is kept so long; `None` if its premises do not hold any more.
    pub(super) async fn generations(
        &self,
        names: &[String],
        kept: Option<Span>,
        premises: &Premises,
    ) -> Result<Option<Vec<Tag>>, Error> {
        let Premises { began, known } = premises;
        if names.is_empty() && known.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let (store, entries) = (&*self.0.store, &self.0.pipeline.entries);
        let fresh = Generation::random()?;
        let taggings: Vec<_> = names.iter().map(|name| Tagging { key: tag_key(entries, name), fresh, kept }).collect();
        let others: Vec<_> = known.iter().filter(|tag| !names.contains(&tag.name)).cloned().collect();
        let asked = async { if taggings.is_empty() { Ok(Vec::new()) } else { store.tag(&taggings).await } };
        let (found, void) = try_join(asked, is_void(store, entries, &others)).await?;
        // Only now, as the answer says how it was at some time before.
        let began = began.map(|began| began.elapsed());
        let holds = |(name, tagged): (&String, Tagged)| {
            let known = known.iter().find(|tag| tag.name == *name).map(|tag| tag.generation);
            holds(tagged, known, began).then(|| Tag { name: name.clone(), generation: tagged.generation })
        };
        Ok(if void { None } else { names.iter().zip(found).map(holds).collect() })
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
    if tags.is_empty() {
        return Ok(false);
    }
    let keys: Vec<_> = tags.iter().map(|tag| tag_key(entries, &tag.name)).collect();
    let states = store.get_many(&keys).await?;
    Ok(!tags.iter().zip(states).all(|(tag, state)| stands(tag, state.as_deref())))
}

/// Deletes what does not count any more, so that nobody has to ask for its tags again.
async fn discard(store: &dyn Store, key: &str, stored: &Bytes) {
    if let Err(error) = store.discard(key, stored).await {
        tracing::debug!(key, %error, "an invalidated entry is not deleted for now");
    }
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
