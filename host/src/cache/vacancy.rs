//! The duty to compute one entry, and how the store is told what becomes of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::Cache;
use super::flights::Background;
use super::standing::Premises;
use crate::clock::{Span, after};
use crate::envelope::{Claim, tags};
use crate::error::{Error, Outage, Unavailable};
use crate::pause::{back_off, random};
use crate::store::{Abandoning, Bid, Prolonging, Stale, Store};

/// The duty to compute one entry, which this caller alone has, among all processes. It lasts as long as it is kept; dropping it lets
/// somebody else compute. When its process dies, somebody else is asked to once its lease ends: after
/// [`Herd::extend_timeout`](super::Herd::extend_timeout), or 10 s without herd protection.
///
/// Dropping it needs the tokio runtime that it came from.
pub struct Vacancy {
    pub(super) cache: Cache,
    pub(super) tenure: Tenure,
    pub(super) premises: Box<Premises>,
}

/// A claim that is prolonged as long as this is kept, and given up when it is dropped.
pub(super) struct Tenure {
    pub(super) abandoned: Abandoned,
    stale: Option<Stale>,
    keeper: AbortHandle,
}

/// A claim that is given up when this is dropped, unless it was settled.
pub(super) struct Abandoned {
    store: Arc<dyn Store>,
    background: Background,
    runtime: Handle,
    pub(super) key: String,
    pub(super) claim: Claim,
    lease: Span,
    /// Since when it may be there.
    pub(super) since: Instant,
    /// Until when a value may be served that was there; `None` for no end.
    served_until: Option<Instant>,
    pub(super) settled: AtomicBool,
    /// Whether the request that makes the claim may still be on its way.
    straggler: bool,
}

/// How long a request that was given up may still be on its way, on a connection other than the one that takes it back.
const STRAGGLER: Duration = Duration::from_millis(100);

/// How long a computation can take whose tags are known before: twice this, as generations are remembered.
const COMPUTED: Span = Span::seconds(3_600);

impl Vacancy {
    /// The duty whose tenure began just now.
    pub(super) async fn new(cache: Cache, tenure: Tenure) -> Result<Self, Error> {
        // Before anything is computed. How long the value will be kept is not known yet.
        let mut known = cache.snapshot(&cache.1, Some(COMPUTED)).await?.tags.to_vec();
        let old = tenure.stale.as_ref().map(|stale| tags(&stale.bytes)).unwrap_or_default();
        known.extend(old.into_iter().filter(|tag| !cache.1.contains(&tag.name)));
        let premises = Box::new(Premises { began: Some(Instant::now()), known });
        Ok(Self { cache, tenure, premises })
    }

    /// The key of the entry in the store, and the value that is to be computed anew, as it is stored, if that may still be served.
    pub(super) async fn old(&self) -> Result<Option<(&str, &Bytes)>, Error> {
        let Tenure { abandoned, stale, .. } = &self.tenure;
        let serves = abandoned.served_until.is_none_or(|end| end > Instant::now());
        let Some(stale) = stale.as_ref().filter(|_| serves) else { return Ok(None) };
        let void = self.cache.is_void(&stale.bytes).await?;
        Ok((!void).then_some((abandoned.key.as_str(), &stale.bytes)))
    }

    /// Whether there was an answer.
    pub(super) fn is_settled(&self) -> bool {
        self.tenure.abandoned.settled.load(Ordering::Acquire)
    }

    /// There was an answer.
    pub(super) fn settle(&self) {
        self.tenure.keeper.abort();
        self.tenure.abandoned.settled.store(true, Ordering::Release);
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
            served_until: None,
            settled: AtomicBool::new(false),
            straggler: true,
        })
    }

    /// It was not made, or it has been filled.
    pub(super) fn settled(self) {
        self.settled.store(true, Ordering::Release);
    }

    /// It was made, on an entry that has a value.
    pub(super) fn found(&mut self, stale: &Stale) {
        // The store measured that after the question was sent, so this is no later than true: who takes the claim after this one must
        // not find more than there was.
        self.served_until = stale.kept.map(|kept| after(self.since, kept));
    }

    /// It was made, and is kept from now on.
    pub(super) fn held(mut self, stale: Option<Stale>) -> Tenure {
        self.straggler = false;
        let keeping = keep(Arc::clone(&self.store), self.key.clone(), self.claim, self.lease, self.served_until);
        let keeper = self.runtime.spawn(keeping).abort_handle();
        Tenure { abandoned: self, stale, keeper }
    }

    /// How it is given up.
    pub(super) fn abandoning(&self, rest: Option<Span>) -> Abandoning<'_> {
        Abandoning { key: &self.key, claim: self.claim, rest, left: left(self.served_until) }
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
        let (straggler, served_until) = (self.straggler, self.served_until);
        let giving_up = async move {
            let abandoning = || Abandoning { left: left(served_until), ..Abandoning::of(&key, claim) };
            let found = give_up(&*store, abandoning, until).await;
            if straggler && !found {
                sleep(STRAGGLER).await;
                give_up(&*store, abandoning, until).await;
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

/// How much of its time a value has left.
fn left(served_until: Option<Instant>) -> Option<Duration> {
    served_until.map(|end| end.saturating_duration_since(Instant::now()))
}

/// Tries until there is an answer, at most until the claim's time is up. Gives whether the entry had the claim.
async fn give_up<'a>(store: &dyn Store, abandoning: impl Fn() -> Abandoning<'a>, until: Instant) -> bool {
    let mut failures = 0;
    loop {
        let abandoning = abandoning();
        match store.abandon(abandoning).await {
            Ok(found) => return found,
            Err(error) => {
                failures += 1;
                let next = after(Instant::now(), back_off(failures, random()));
                if !error.is_passing() || next >= until {
                    tracing::debug!(key = abandoning.key, %error, "the claim is not given up: its lease ends it");
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
