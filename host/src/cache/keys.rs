//! What can be done with an entry without its value.

use std::future::Future;

use super::entries::parts;
use super::metrics::Operation;
use super::{Cache, Key, Ttl};
use crate::error::Error;
use crate::glob::Glob;

impl Cache {
    /// Whether there is such an entry. One that was invalidated by a tag is not, and is left to who reads it.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a key that cannot be, [`Error::Limit`] for one that is too large, [`Error::Unavailable`], and
    /// [`Error::Stage`] if the identity fails.
    pub async fn exists(&self, key: impl Into<Key<'_>>) -> Result<bool, Error> {
        let key = key.into();
        let exists = async { Ok(self.left(&key).await? != Ttl::Absent) };
        self.0.metrics.timed(Operation::Exists, exists).await
    }

    /// How long an entry has to live.
    ///
    /// # Errors
    /// As [`Cache::exists`].
    pub async fn ttl(&self, key: impl Into<Key<'_>>) -> Result<Ttl, Error> {
        let key = key.into();
        self.0.metrics.timed(Operation::Ttl, self.left(&key)).await
    }

    async fn left(&self, key: &Key<'_>) -> Result<Ttl, Error> {
        let (left, tags) = self.0.store.left(&self.key(parts(key)).await?).await?;
        // What has no envelope has no tags, whatever it looks like.
        let tags = if self.has_envelope() { tags } else { Vec::new() };
        Ok(if self.has_void(&tags).await? { Ttl::Absent } else { left })
    }

    /// Deletes an entry. False if there was none; one that was invalidated by a tag can still be there to be deleted.
    ///
    /// # Errors
    /// As [`Cache::exists`].
    pub async fn delete(&self, key: impl Into<Key<'_>>) -> Result<bool, Error> {
        let key = key.into();
        let delete = async {
            let key = [self.key(parts(&key)).await?];
            let _forgetting = self.forgetting(key.iter().map(String::as_str));
            self.0.store.delete(&key).await
        };
        Ok(self.deleted(Operation::Delete, delete).await? > 0)
    }

    /// Deletes many entries and says how many there were.
    ///
    /// # Errors
    /// [`crate::error::Limit::Count`] for too many keys, and those of [`Cache::exists`].
    pub async fn delete_many(&self, keys: &[String], content: Option<&[u8]>) -> Result<u64, Error> {
        let delete = async {
            self.batch(keys.len())?;
            let content = self.content(content)?;
            let keys = self.keys(keys.iter().map(|key| (key.as_str(), content.as_ref()))).await?;
            if keys.is_empty() {
                return Ok(0);
            }
            let _forgetting = self.forgetting(keys.iter().map(String::as_str));
            self.0.store.delete(&keys).await
        };
        self.deleted(Operation::DeleteMany, delete).await
    }

    /// Deletes every entry of this cache whose key matches the [pattern](Glob), whatever its content, and says how many there
    /// were. Tags are left as they are. With an identity that is not built in, the pattern is matched against what that identity gave.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a pattern that cannot be, [`Error::Limit`] for one that is too long, and [`Error::Unavailable`].
    pub async fn delete_pattern(&self, pattern: &str) -> Result<u64, Error> {
        let delete = async {
            let (hint, chosen) = self.0.pipeline.choose(Glob::new(pattern)?);
            self.sweep(&hint, &chosen).await
        };
        self.deleted(Operation::DeletePattern, delete).await
    }

    /// Deletes every entry of this cache, and says how many there were. What is written meanwhile may stay. All tags are invalidated. If
    /// another server takes the place of one meanwhile, the number is about right.
    ///
    /// # Errors
    /// [`Error::Unavailable`]. Some of the entries may then be deleted: repeat it.
    pub async fn clear(&self) -> Result<u64, Error> {
        self.deleted(Operation::Clear, self.sweep(&Glob::any(), &|_| true)).await
    }

    /// The store's key of an entry, for those who look at the store itself.
    ///
    /// # Errors
    /// As [`Cache::exists`], without [`Error::Unavailable`].
    pub async fn entry_key(&self, key: impl Into<Key<'_>>) -> Result<String, Error> {
        self.key(parts(&key.into())).await
    }

    /// Deletes the entries that are chosen by the rest of their keys; copies of all are forgotten.
    async fn sweep(&self, hint: &Glob, chosen: &(dyn Fn(&str) -> bool + Send + Sync)) -> Result<u64, Error> {
        let deleted = self.0.store.delete_matching(&self.0.pipeline.entries, hint, chosen).await;
        self.forget_all();
        deleted
    }

    /// Deletes, and takes note of how many there were.
    async fn deleted(&self, operation: Operation, delete: impl Future<Output = Result<u64, Error>>) -> Result<u64, Error> {
        let deleted = self.0.metrics.timed(operation, delete).await?;
        self.0.metrics.deleted(deleted);
        Ok(deleted)
    }
}
