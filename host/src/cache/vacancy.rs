//! The duty to compute one entry, and how the store is told what becomes of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::Cache;
use super::entries::Inner;
use super::flights::Background;
use super::metrics::Operation;
use crate::cbor;
use crate::clock::{Span, after, millis};
use crate::envelope::{Claim, Envelope, Holds};
use crate::error::{Error, Outage, Unavailable};
use crate::pause::{back_off, random};
use crate::store::{Bid, Entry, Filling, Prolonging, Stale, Store};

/// The duty to compute one entry, which this caller alone has, among all processes. It lasts as long as it is kept; dropping it lets
/// somebody else compute. When its process dies, somebody else is asked to once its lease ends: after
/// [`Herd::extend_timeout`](super::Herd::extend_timeout), or 10 s without herd protection.
///
/// Dropping it needs the tokio runtime that it came from.
pub struct Vacancy {
    cache: Cache,
    tenure: Tenure,
}

/// A claim that is prolonged as long as this is kept, and given up when it is dropped.
pub(super) struct Tenure {
    abandoned: Abandoned,
    stale: Option<Stale>,
    /// Until when that may be served.
    served_until: Option<Instant>,
    keeper: AbortHandle,
}

/// A claim that is given up when this is dropped, unless it was settled.
pub(super) struct Abandoned {
    store: Arc<dyn Store>,
    background: Background,
    runtime: Handle,
    key: String,
    claim: Claim,
    lease: Span,
    /// Since when it may be there.
    since: Instant,
    settled: AtomicBool,
    /// Whether the request that makes the claim may still be on its way.
    straggler: bool,
}

/// How long a request that was given up may still be on its way, on a connection other than the one that takes it back.
const STRAGGLER: Duration = Duration::from_millis(100);

/// How much of an error's text is kept, in bytes.
const MOST_TEXT: usize = 1024;

impl Vacancy {
    pub(super) fn new(cache: Cache, tenure: Tenure) -> Self {
        Self { cache, tenure }
    }

    /// Stores the value, to live for `expire` (`None`: for as long as the cache says), and wakes all who wait for it. False if the
    /// entry was deleted or set meanwhile, or if the store lost it; the value is then not stored.
    ///
    /// # Errors
    /// Those of [`Cache::set`]. Whether it was stored is not known after [`Error::Unavailable`]; otherwise it was not.
    pub async fn fill<T: Serialize + ?Sized>(self, value: &T, expire: Option<Duration>) -> Result<bool, Error> {
        self.fill_cbor(cbor::to_vec(value)?.into(), expire).await
    }

    /// The same with a value of CBOR. After an error it can be tried again; once there was an answer, it is false.
    ///
    /// # Errors
    /// As [`Vacancy::fill`].
    pub async fn fill_cbor(&self, value: Bytes, expire: Option<Duration>) -> Result<bool, Error> {
        let Tenure { abandoned, keeper, .. } = &self.tenure;
        if abandoned.settled.load(Ordering::Acquire) {
            return Ok(false);
        }
        let life = self.cache.0.expiry.of(expire)?;
        let took = u32::try_from(millis(abandoned.since.elapsed())).unwrap_or(u32::MAX);
        let filling = self.cache.sealed(abandoned.key.clone(), value, life, Some(abandoned.claim), took).await?;
        let _forgetting = self.cache.forgetting(std::iter::once(abandoned.key.as_str()));
        let bytes = filling.entry.bytes.len();
        let Inner { store, metrics, .. } = &*self.cache.0;
        let fill = async { store.fill(&[filling]).await.pop().unwrap_or(Ok(false)) };
        let filled = metrics.timed(Operation::Fill, fill).await?;
        metrics.filled(filled);
        if filled {
            metrics.written(1, bytes);
        }
        keeper.abort();
        abandoned.settled.store(true, Ordering::Release);
        Ok(filled)
    }

    /// Says that the value cannot be computed, and why, so that nobody tries again for so long. Lookups are told the text meanwhile,
    /// of which at most 1 KiB is kept, and other reads find nothing; or if there is an old value that may still be served, they get
    /// that. False if the entry was deleted or set meanwhile.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a time of under 1 ms, [`Error::Unavailable`], [`Error::Limit`] if the store is full.
    pub async fn fail(&self, why: &str, expire: Duration) -> Result<bool, Error> {
        let rest = Span::new("expire", expire)?;
        let Tenure { abandoned, keeper, .. } = &self.tenure;
        if abandoned.settled.load(Ordering::Acquire) {
            return Ok(false);
        }
        let store = &self.cache.0.store;
        let noted = if self.old().is_some() {
            store.abandon(&abandoned.key, abandoned.claim, Some(rest)).await?
        } else {
            let why = why.get(..why.floor_char_boundary(MOST_TEXT)).unwrap_or_default();
            let envelope = Envelope { holds: Holds::Failure, created: store.now(), ..Envelope::default() };
            let entry = Entry { key: abandoned.key.clone(), bytes: envelope.seal(why.as_bytes())? };
            let filling = Filling { entry, claim: Some(abandoned.claim), due: None, kept: Some(rest) };
            store.fill(&[filling]).await.pop().unwrap_or(Ok(false))?
        };
        keeper.abort();
        abandoned.settled.store(true, Ordering::Release);
        Ok(noted)
    }

    /// The key of the entry in the store, and the value that is to be computed anew, as it is stored, if that may still be served.
    pub(super) fn old(&self) -> Option<(&str, &Bytes)> {
        let Tenure { abandoned, stale, served_until, .. } = &self.tenure;
        let serves = served_until.is_none_or(|end| end > Instant::now());
        stale.as_ref().filter(|_| serves).map(|stale| (abandoned.key.as_str(), &stale.bytes))
    }
}

impl Abandoned {
    /// A claim that is about to be made.
    pub(super) fn unless_settled(store: &Arc<dyn Store>, background: &Background, key: &str, bid: &Bid) -> Result<Self, Error> {
        let runtime = Handle::try_current().map_err(|why| {
            let why = Outage::Failed(format!("{why}; entries must be looked up within a tokio runtime"));
            Unavailable { store: "of this call".to_owned(), why }
        })?;
        Ok(Self {
            store: Arc::clone(store),
            background: background.clone(),
            runtime,
            key: key.to_owned(),
            claim: bid.claim,
            lease: bid.lease,
            since: Instant::now(),
            settled: AtomicBool::new(false),
            straggler: true,
        })
    }

    /// It was not made, or it has been filled.
    pub(super) fn settled(self) {
        self.settled.store(true, Ordering::Release);
    }

    /// It was made, and is kept from now on.
    pub(super) fn held(mut self, stale: Option<Stale>) -> Tenure {
        self.straggler = false;
        let served_until = stale.as_ref().and_then(|stale| stale.kept).map(|kept| after(Instant::now(), kept));
        let keeping = keep(Arc::clone(&self.store), self.key.clone(), self.claim, self.lease, served_until);
        let keeper = self.runtime.spawn(keeping).abort_handle();
        Tenure { abandoned: self, stale, served_until, keeper }
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if *self.settled.get_mut() {
            return;
        }
        let (store, key, claim) = (Arc::clone(&self.store), std::mem::take(&mut self.key), self.claim);
        let until = after(Instant::now(), self.lease.duration());
        let straggler = self.straggler;
        let giving_up = async move {
            let found = give_up(&*store, &key, claim, until).await;
            if straggler && !found {
                sleep(STRAGGLER).await;
                give_up(&*store, &key, claim, until).await;
            }
        };
        self.background.spawn(giving_up, &self.runtime);
    }
}

/// Makes a claim last, and from the time on that a value has had its time, has a placeholder stand for it.
async fn keep(store: Arc<dyn Store>, key: String, claim: Claim, lease: Span, served_until: Option<Instant>) {
    let mut failures = 0;
    let mut due = after(Instant::now(), lease.duration() / 3);
    loop {
        let ends = served_until.filter(|end| *end > Instant::now());
        sleep_until(ends.map_or(due, |end| end.min(due))).await;
        let serves = served_until.is_none_or(|end| end > Instant::now());
        let pause = match store.prolong(Prolonging { key: &key, claim, lease, serves }).await {
            Ok(true) => {
                failures = 0;
                lease.duration() / 3
            }
            Ok(false) => {
                tracing::debug!(key, "the computation is void: its entry was set or deleted");
                return;
            }
            Err(error) => {
                tracing::debug!(key, %error, "the claim is not prolonged for now");
                failures += 1;
                back_off(failures, random()).min(lease.duration() / 3)
            }
        };
        due = after(Instant::now(), pause);
    }
}

/// Tries until there is an answer, at most until the claim's time is up. Gives whether the entry had the claim.
async fn give_up(store: &dyn Store, key: &str, claim: Claim, until: Instant) -> bool {
    let mut failures = 0;
    loop {
        match store.abandon(key, claim, None).await {
            Ok(found) => return found,
            Err(error) => {
                failures += 1;
                let next = after(Instant::now(), back_off(failures, random()));
                if !error.is_passing() || next >= until {
                    tracing::debug!(key, %error, "the claim is not given up: its lease ends it");
                    return false;
                }
                sleep_until(next).await;
            }
        }
    }
}

impl fmt::Debug for Vacancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vacancy").field("tenure", &self.tenure).finish_non_exhaustive()
    }
}

impl fmt::Debug for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenure").field("key", &self.abandoned.key).field("claim", &self.abandoned.claim).finish_non_exhaustive()
    }
}
