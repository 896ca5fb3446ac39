//! Looking at an entry without taking part: for those who operate a cache.

use bytes::Bytes;

use super::entries::parts;
use super::metrics::Operation;
use super::{Cache, Key};
use crate::envelope::{Head, has_no_value};
use crate::error::Error;

/// An entry that somebody looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peeked {
    /// Its value, as CBOR.
    pub value: Bytes,
    /// Whether its time is over, so that the next who reads with herd protection is to compute the value anew, or somebody does that
    /// already.
    pub due: bool,
}

impl Cache {
    /// The value of an entry as CBOR, as the store has it: an old value too that others are still given while somebody computes a fresh
    /// one. Nothing is changed by it: nobody is said to compute the value, no copy is kept in this process, and what was invalidated by a
    /// tag is none and is left to who reads it.
    ///
    /// # Errors
    /// As [`Cache::get_cbor`].
    pub async fn peek_cbor(&self, key: &str, content: Option<&[u8]>) -> Result<Option<Peeked>, Error> {
        let key = Key::new(key, self.content(content)?);
        let peek = async {
            let key = self.key(parts(&key)).await?;
            let stored = self.0.store.get(&key).await?.filter(|stored| !has_no_value(stored));
            let valid = match stored {
                Some(stored) if self.is_void(&stored).await? => None,
                stored => stored,
            };
            let Some(stored) = self.counted(valid) else { return Ok(None) };
            let due = self.is_due(&stored);
            Ok(Some(Peeked { value: self.0.pipeline.open(&key, stored).await?, due }))
        };
        self.0.metrics.timed(Operation::Get, peek).await
    }

    fn is_due(&self, stored: &[u8]) -> bool {
        let now = self.0.store.now();
        let due = |head: Head| head.claim.is_some() || head.expires.is_some_and(|expires| expires <= now);
        self.has_envelope() && Head::read(stored).is_some_and(due)
    }
}
