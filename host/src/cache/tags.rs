//! Tags: by which many entries are invalidated at once, and what still counts.
//!
//! Whether an entry counts is decided by who reads it: see [`crate::envelope`] for what it is compared with. A value counts if none of
//! its tags was invalidated since its computation began.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{join_all, try_join};

use super::Cache;
use super::metrics::Operation;
use super::standing::{Premises, is_void};
use crate::clock::Span;
use crate::envelope::{Tag, is_tagged, tags};
use crate::error::{Error, Invalid};
use crate::names::{check_tag, check_tags, tag_key};
use crate::store::Store;

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
    /// there, and no value that is being computed becomes one which had the tag or gets it. False if there can be no such entry; true says
    /// no more than that there can have been one, as after a lookup with the tag.
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
        let states = self.states(tagged.iter().flatten()).await?;
        if states.is_empty() {
            return Ok(stored);
        }
        let mut void = Vec::new();
        for ((key, stored), tags) in keys.iter().zip(&mut stored).zip(&tagged) {
            if !tags.iter().all(|tag| states.stands(tag)) {
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
    ) -> Result<Option<Arc<[Tag]>>, Error> {
        let others: Vec<_> = premises.others(names).cloned().collect();
        let (snapshot, void) = try_join(self.snapshot(names, kept), self.has_void(&others)).await?;
        Ok((!void && snapshot.allows(premises)).then_some(snapshot.tags))
    }
}

/// Deletes what does not count any more, so that nobody has to ask for its tags again.
async fn discard(store: &dyn Store, key: &str, stored: &Bytes) {
    if let Err(error) = store.discard(key, stored).await {
        tracing::debug!(key, %error, "an invalidated entry is not deleted for now");
    }
}
