//! A claim that a read has made, up to when who reads is told of it.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Cache;
#[cfg(feature = "component")]
use super::Key;
use super::promises::Promise;
use super::vacancy::Abandoned;
use crate::clock::after;
use crate::envelope::{Tag, tags};
#[cfg(feature = "component")]
use crate::error::Error;
use crate::store::{Bid, Stale};

/// A claim that is given up when this is dropped: whoever was to compute the value does not know of it then, and nobody else would be
/// asked to before it ends. Where there is no runtime to do that in, it ends by itself.
pub(super) struct Pledge {
    key: String,
    bid: Bid,
    asked: Instant,
    tags: Vec<Tag>,
    /// For how much longer the entry is there, as the claim leaves that as it is; `None`: until it is deleted.
    kept: Option<Duration>,
    abandoned: Option<Abandoned>,
}

/// The value that was read, or the claim that was made for it to be computed, or neither.
pub(super) type Read = (Option<Bytes>, Option<Box<Pledge>>);

/// The values that were read, and the claims that were made for some to be computed.
pub(super) type ReadMany = (Vec<Option<Bytes>>, Vec<Pledge>);

/// What was read for somebody who may yet not want to know. Until it is taken, nobody is to compute anything; dropping it leaves that to the
/// next who reads.
#[cfg(feature = "component")]
pub(crate) struct Untaken<T> {
    value: T,
    claimed: Option<(Cache, Vec<Pledge>)>,
}

#[cfg(feature = "component")]
impl<T> Untaken<T> {
    fn new(value: T, cache: &Cache, pledges: Vec<Pledge>) -> Self {
        let claimed = (!pledges.is_empty()).then(|| (cache.clone(), pledges));
        Self { value, claimed }
    }

    /// Who reads is told.
    pub(crate) fn take(self) -> T {
        let Self { value, claimed } = self;
        if let Some((cache, pledges)) = claimed {
            for pledge in pledges {
                cache.take_on(pledge);
            }
        }
        value
    }
}

#[cfg(feature = "component")]
impl Cache {
    /// [`Cache::get_cbor`] for somebody who may not take the answer.
    pub(crate) async fn untaken(&self, key: &str, content: Option<&[u8]>) -> Result<Untaken<Option<Bytes>>, Error> {
        let (value, pledge) = self.find_one(&Key::new(key, self.content(content)?)).await?;
        Ok(Untaken::new(value, self, pledge.into_iter().map(|pledge| *pledge).collect()))
    }

    /// [`Cache::get_many_cbor`] for somebody who may not take the answer.
    pub(crate) async fn untaken_many(
        &self,
        keys: &[String],
        content: Option<&[u8]>,
    ) -> Result<Untaken<Vec<Option<Bytes>>>, Error> {
        self.batch(keys.len())?;
        let content = self.content(content)?;
        let (values, pledges) = self.find_many(keys.iter().map(|key| (key.as_str(), content.as_ref()))).await?;
        Ok(Untaken::new(values, self, pledges))
    }
}

impl Cache {
    /// A claim that is about to be made.
    pub(super) fn pledge(&self, key: &str, bid: Bid) -> Pledge {
        let abandoned = Abandoned::unless_settled(&self.0.store, self.0.flights.background(), key, &bid).ok();
        Pledge { key: key.to_owned(), bid, asked: Instant::now(), tags: Vec::new(), kept: None, abandoned }
    }

    /// Who reads is told: the next set is the answer.
    pub(super) fn take_on(&self, pledge: Pledge) {
        let Pledge { key, bid, asked, tags, kept, abandoned } = pledge;
        let memory = self.0.expiry.rules.memory();
        // The store measured that after it was asked, so this is no later than true.
        let late = after(asked, kept.map_or(memory, |kept| kept.min(memory)));
        self.0.promises.make(&key, Promise { claim: bid.claim, made: asked, late, tags });
        if let Some(abandoned) = abandoned {
            abandoned.settled();
        }
    }
}

impl Pledge {
    pub(super) fn bid(&self) -> &Bid {
        &self.bid
    }

    /// It was not made.
    pub(super) fn settled(self) {
        if let Some(abandoned) = self.abandoned {
            abandoned.settled();
        }
    }

    /// It was made, on a value that is due or, if the store gave none, on the one that was seen.
    pub(super) fn made(mut self, stale: Option<&Stale>, seen: &[u8]) -> Self {
        if let (Some(abandoned), Some(stale)) = (&mut self.abandoned, stale) {
            abandoned.found(stale);
        }
        self.kept = stale.and_then(|stale| stale.kept);
        self.tags = tags(stale.map_or(seen, |stale| &stale.bytes));
        self
    }
}
