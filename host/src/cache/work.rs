//! How a value that is to be set was computed: as its handle said it would, if it did, and then only if its tags still allow it.

use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::Cache;
use super::herd::Life;
use super::promises::Promise;
use super::standing::{Premises, Snapshot};
use crate::envelope::Tag;
use crate::error::Error;
use crate::store::{Abandoning, Replaces};

/// How a value was computed.
#[derive(Debug)]
pub(super) struct Work {
    /// What it may replace.
    pub(super) replaces: Replaces,
    /// How long that took, in milliseconds; 0: unknown.
    pub(super) took: u32,
    /// The tags that it has.
    pub(super) tags: Arc<[Tag]>,
}

impl Cache {
    /// How a value was computed that is to be set; `None` if this handle said it would compute it, and a tag was invalidated meanwhile.
    pub(super) async fn work(&self, key: &str, life: Life) -> Result<Option<Work>, Error> {
        let now = Instant::now();
        let Some(promise) = self.promise(key, now) else {
            return Ok(Some(Work::unclaimed(self.snapshot(&self.1, life.kept).await?.tags)));
        };
        if let Some(tags) = self.generations(&self.1, life.kept, &Premises::from(&promise)).await? {
            return Ok(Some(Work::claimed(&promise, tags, now)));
        }
        self.break_promise(key, &promise).await?;
        Ok(None)
    }

    /// The same for the values of one call, whose tags stood so when it began. The tags that old values have besides are asked for once.
    pub(super) async fn works(&self, keys: &[&str], snapshot: &Snapshot) -> Result<Vec<Option<Work>>, Error> {
        let now = Instant::now();
        let promised: Vec<_> = keys.iter().map(|key| self.promise(key, now)).collect();
        let premises: Vec<_> = promised.iter().flatten().map(Premises::from).collect();
        let others: Vec<_> = premises.iter().flat_map(|premises| premises.others(&self.1)).collect();
        let states = self.states(others).await?;
        let holds = |premises: &Premises| snapshot.allows(premises) && premises.others(&self.1).all(|tag| states.stands(tag));
        let mut hold = premises.iter().map(holds);
        let (mut works, mut broken) = (Vec::with_capacity(keys.len()), Vec::new());
        for (key, promise) in keys.iter().zip(&promised) {
            works.push(match promise {
                None => Some(Work::unclaimed(snapshot.tags.clone())),
                Some(promise) if hold.next() == Some(true) => Some(Work::claimed(promise, snapshot.tags.clone(), now)),
                Some(promise) => {
                    broken.push(self.break_promise(key, promise));
                    None
                }
            });
        }
        try_join_all(broken).await?;
        Ok(works)
    }

    fn promise(&self, key: &str, now: Instant) -> Option<Promise> {
        if self.0.expiry.rules.protects() { self.0.promises.of(key, now) } else { None }
    }

    /// Has somebody else compute what this handle said it would: from what there is now.
    async fn break_promise(&self, key: &str, promise: &Promise) -> Result<(), Error> {
        self.0.store.abandon(Abandoning::of(key, promise.claim)).await?;
        self.0.metrics.filled(false);
        self.0.promises.settle(key, promise.claim);
        Ok(())
    }
}

impl Work {
    fn unclaimed(tags: Arc<[Tag]>) -> Self {
        Self { replaces: Replaces::Anything, took: 0, tags }
    }

    fn claimed(promise: &Promise, tags: Arc<[Tag]>, now: Instant) -> Self {
        Self { replaces: promise.replaces(now), took: promise.took(now), tags }
    }
}
