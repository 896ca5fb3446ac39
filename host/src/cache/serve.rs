//! What is served to who reads, and how what is set gets to the store.

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::Cache;
use super::entries::Inner;
use super::herd::{Life, Sight, sight};
use super::pipeline::{Payload, Stamp};
use super::pledge::{Pledge, Read};
use super::work::Work;
use crate::envelope::{Claim, Head};
use crate::error::{Error, Limit};
use crate::pause::random;
use crate::store::{Bid, Entry, Filling, Replaces, Standing};

impl Cache {
    /// What is served of what was read; `None` where the reader is to compute the value, with the claim that was made.
    pub(super) async fn served(&self, key: &str, stored: Option<Bytes>) -> Result<Read, Error> {
        let stored = self.valid(key, stored).await?;
        match (self.sight_of_reader(stored.as_deref()), stored) {
            // A box, as in `valid`.
            (Sight::Due { early }, Some(stored)) => {
                let (served, pledge) = Box::pin(self.claimed(key, stored, early)).await?;
                Ok((served, pledge.map(Box::new)))
            }
            (Sight::Fresh, stored) => Ok((self.counted(stored), None)),
            _ => Ok((self.counted(None), None)),
        }
    }

    /// The same, once the metrics have counted it.
    pub(super) fn counted(&self, served: Option<Bytes>) -> Option<Bytes> {
        match &served {
            Some(bytes) if Head::read(bytes).is_some_and(|head| head.claim.is_some()) => self.0.metrics.stale(bytes.len()),
            Some(bytes) => self.0.metrics.hit(bytes.len()),
            None => self.0.metrics.miss(),
        }
        served
    }

    /// [`Cache::served`] for many, with the claims that were made.
    pub(super) async fn served_many(
        &self,
        keys: &[String],
        stored: Vec<Option<Bytes>>,
    ) -> Result<(Vec<Option<Bytes>>, Vec<Pledge>), Error> {
        let mut stored = self.valid_many(keys, stored).await?;
        let mut due = Vec::new();
        for (key, found) in keys.iter().zip(&mut stored) {
            match self.sight_of_reader(found.as_deref()) {
                Sight::Fresh => *found = self.counted(found.take()),
                Sight::Absent | Sight::Failed => *found = self.counted(None),
                Sight::Due { early } => due.push(async move {
                    let Some(stored) = found.take() else { return Ok(None) };
                    let (served, pledge) = self.claimed(key, stored, early).await?;
                    *found = served;
                    Ok::<_, Error>(pledge)
                }),
            }
        }
        let pledges = try_join_all(due).await?.into_iter().flatten().collect();
        Ok((stored, pledges))
    }

    /// What to make of what was read.
    pub(super) fn sight(&self, stored: Option<&[u8]>) -> Sight {
        sight(stored, self.0.store.now(), |took| self.0.expiry.rules.early(took, random()))
    }

    /// The same for one who only reads: without herd protection, nothing is ever due.
    fn sight_of_reader(&self, stored: Option<&[u8]>) -> Sight {
        if self.0.expiry.rules.protects() { self.sight(stored) } else { sight(stored, 0, |_| 0) }
    }

    /// What is served of an entry that is due, or the claim that was made.
    async fn claimed(&self, key: &str, stored: Bytes, early: u64) -> Result<(Option<Bytes>, Option<Pledge>), Error> {
        let bid =
            Bid { claim: Claim::random()?, lease: self.0.expiry.rules.lease(), cold: false, early, seen: Some(stored.clone()) };
        let pledge = self.pledge(key, bid);
        let served = match self.0.store.claim(key, pledge.bid()).await {
            Ok(Standing::Yours { stale }) => {
                self.0.metrics.claim();
                return Ok((None, Some(pledge.made(stale.as_ref(), &stored))));
            }
            Err(error) if error.may_have_happened() => return Err(error),
            // It may be another entry by now, one that was invalidated, and even a failure.
            Ok(Standing::Hit(bytes)) => {
                pledge.settled();
                let same = Head::identity(&bytes) == Head::identity(&stored);
                let valid = if same { Some(bytes) } else { self.valid(key, Some(bytes)).await? };
                valid.filter(|bytes| sight(Some(bytes), 0, |_| 0) == Sight::Fresh)
            }
            Ok(Standing::Absent | Standing::Busy { .. }) => {
                pledge.settled();
                None
            }
            Err(error) => {
                pledge.settled();
                match error {
                    // A store that is too full to note who computes still serves what it has.
                    Error::Limit(Limit::StoreFull { .. }) => Some(stored),
                    error => return Err(error),
                }
            }
        };
        Ok((self.counted(served), None))
    }

    /// A value that was computed.
    pub(super) async fn sealed(&self, key: String, value: Bytes, life: Life, work: Work) -> Result<Filling, Error> {
        let payload = self.0.pipeline.payload(value).await?;
        self.filling(key, payload, life, work)
    }

    /// The same, once it is known what the entry keeps.
    pub(super) fn filling(&self, key: String, payload: Payload, life: Life, work: Work) -> Result<Filling, Error> {
        let Work { replaces, took, tags } = work;
        let now = self.0.store.now();
        // The store writes down by its own clock when it is due.
        let expires = life.due.map(|due| now.saturating_add(due.millis()));
        let stamp = Stamp { created: now, expires, took: if life.due.is_some() { took } else { 0 } };
        let bytes = self.0.pipeline.seal(payload, stamp, &tags)?;
        Ok(Filling { entry: Entry { key, bytes }, replaces, due: life.due, kept: life.kept })
    }

    /// Has the store keep what was set. What somebody else has set since it was claimed stays.
    pub(super) async fn store(&self, fillings: Vec<Filling>) -> Result<(), Error> {
        let Some(kept) = fillings.first().map(|first| first.kept) else { return Ok(()) };
        let Inner { store, metrics, promises, .. } = &*self.0;
        let _forgetting = self.forgetting(fillings.iter().map(|filling| filling.entry.key.as_str()));
        if fillings.iter().all(|it| it.due.is_none() && it.replaces == Replaces::Anything && it.kept == kept) {
            let entries: Vec<_> = fillings.into_iter().map(|filling| filling.entry).collect();
            match &entries[..] {
                [entry] => store.set(entry, kept).await?,
                entries => store.set_many(entries, kept).await?,
            }
            metrics.written(entries.len(), entries.iter().map(|entry| entry.bytes.len()).sum());
            return Ok(());
        }
        let filled = store.fill(&fillings).await;
        let (mut count, mut bytes) = (0, 0);
        for (Filling { entry, replaces, .. }, filled) in fillings.iter().zip(&filled) {
            // What failed can be tried again, and is the answer to the same claim then.
            let Ok(stored) = *filled else { continue };
            if let Some(claim) = replaces.claim() {
                promises.settle(&entry.key, claim);
                metrics.filled(stored);
            }
            if stored {
                (count, bytes) = (count + 1, bytes + entry.bytes.len());
            }
        }
        if count > 0 {
            metrics.written(count, bytes);
        }
        filled.into_iter().try_for_each(|filled| filled.map(drop))
    }
}
