//! A claim that a read has made, up to when who reads is told of it.

use std::time::Duration;

use tokio::time::Instant;

use super::Cache;
use super::promises::Promise;
use super::vacancy::Abandoned;
use crate::clock::after;
use crate::envelope::{Tag, tags};
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
