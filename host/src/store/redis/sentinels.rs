//! Asks Sentinels what they say of a primary, over connections that are kept.
//!
//! A primary that they replace while it is well does not know: it takes itself for the primary, and serves who is connected, until they tell
//! it, some 10 s later. What is written to the new one meanwhile it does not have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{join_all, select_all};
use futures_util::stream::FuturesUnordered;
use redis::Pipeline;
use tokio::time::{Instant, sleep, timeout_at};

use super::connect::Connector;
use super::fault::Fault;
use super::link::Link;
use super::testimony::{Named, Testimony, are_most};
use crate::store::address::Endpoint;

/// How much longer the others have once most Sentinels have answered. One that hangs or is cut off is not to hold up who needs an answer,
/// and what it knows most others do.
const GRACE: Duration = Duration::from_millis(50);

/// The Sentinels of a store.
#[derive(Debug)]
pub(super) struct Sentinels {
    links: Vec<Arc<Link>>,
    service: Arc<str>,
    timeout: Duration,
    /// The latest failover that was heard of. One that is cut off from the others goes on to name the primary of an earlier one.
    latest: Arc<AtomicU64>,
}

impl Sentinels {
    /// Those that a connector finds the primary by, if it does. Each has `timeout` for a reply.
    pub(super) fn of(connector: &Connector, timeout: Duration) -> Option<Self> {
        let (sentinels, service, latest) = connector.sentinels()?;
        let links = sentinels.into_iter().map(|sentinel| Arc::new(Link::new(sentinel, timeout, None))).collect();
        Some(Self { links, service: service.clone(), timeout, latest: latest.clone() })
    }

    /// How long a server has for a reply.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What they say: all that answer in time, or soon after most of all Sentinels. It fails if none does.
    pub(super) async fn testimonies(&self) -> Result<Vec<Testimony>, Fault> {
        let mut asked: FuturesUnordered<_> =
            self.links.iter().map(|sentinel| hear(Arc::clone(sentinel), Arc::clone(&self.service), self.timeout)).collect();
        let (mut heard, mut failed, mut until) = (Vec::new(), None, None);
        loop {
            let next = match until {
                None => asked.next().await,
                Some(until) => timeout_at(until, asked.next()).await.unwrap_or(None),
            };
            match next {
                Some(Ok(testimony)) => heard.push(testimony),
                Some(Err(fault)) => failed = Some(fault),
                None => break,
            }
            if until.is_none() && are_most(&heard, self.links.len()) {
                until = Some(Instant::now() + GRACE);
            }
        }
        if !asked.is_empty() {
            // Whether one ever answers has to be found out even if nobody waits for it, or its connection would never be made anew.
            tokio::spawn(async move { while asked.next().await.is_some() {} });
        }
        match failed {
            Some(fault) if heard.is_empty() => Err(fault),
            _ => Ok(heard),
        }
    }

    /// Whether no Sentinel that answers says that the server with this run id is not the primary, or is to be replaced.
    pub(super) async fn agrees_on(&self, run_id: &str) -> bool {
        let asked = self.links.iter().map(|sentinel| self.says(sentinel, |named| !named.names(run_id)));
        !join_all(asked).await.contains(&true)
    }

    /// Returns once one of them says so. Each is asked at this interval, whatever the others take.
    pub(super) async fn objection(&self, run_id: &str, interval: Duration) {
        self.until_one_says(|named| !named.names(run_id), interval).await;
    }

    /// Returns once one of them says that another server than this one, with this run id if that is known, is the primary by now. Each is
    /// asked at this interval.
    pub(super) async fn replaced(&self, endpoint: &Endpoint, run_id: Option<&str>, interval: Duration) {
        self.until_one_says(|named| named.leads_elsewhere(endpoint, run_id), interval).await;
    }

    async fn until_one_says(&self, what: impl Fn(&Named) -> bool, interval: Duration) {
        let what = &what;
        let asked = self.links.iter().map(|sentinel| {
            Box::pin(async move {
                loop {
                    sleep(interval).await;
                    if self.says(sentinel, what).await {
                        return;
                    }
                }
            })
        });
        select_all(asked).await;
    }

    async fn says(&self, sentinel: &Link, what: impl Fn(&Named) -> bool) -> bool {
        match self.ask(sentinel).await {
            Ok(named) => {
                let latest = self.latest.fetch_max(named.epoch(), Ordering::SeqCst);
                named.epoch() >= latest && what(&named)
            }
            // None that is down or cut off from this process alone can keep it from having copies.
            Err(fault) => {
                tracing::debug!(sentinel = %sentinel.connector().target, ?fault, "a Sentinel does not say who the primary is");
                false
            }
        }
    }

    async fn ask(&self, sentinel: &Link) -> Result<Named, Fault> {
        let deadline = Instant::now() + self.timeout;
        let live = sentinel.live(deadline).await?;
        Named::read(&live.send(redis::cmd("SENTINEL").arg("MASTER").arg(&*self.service), deadline).await?)
    }
}

async fn hear(sentinel: Arc<Link>, service: Arc<str>, timeout: Duration) -> Result<Testimony, Fault> {
    let deadline = Instant::now() + timeout;
    let live = sentinel.live(deadline).await?;
    let mut questions = Pipeline::with_capacity(2);
    questions.cmd("SENTINEL").arg("MASTER").arg(&*service).cmd("SENTINEL").arg("REPLICAS").arg(&*service);
    match live.send_all(&questions, deadline).await?.as_slice() {
        [primary, replicas] => Testimony::read(primary, replicas),
        _ => Err(Fault::Odd("there are not as many replies as questions".into())),
    }
}
