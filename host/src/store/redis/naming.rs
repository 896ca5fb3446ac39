//! Whether Sentinels still call a server the primary.
//!
//! One that they replace while it is well does not know: it takes itself for the primary, and serves who is connected, until they tell
//! it, some 10 s later. What is written to the new one meanwhile it does not have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use redis::Value;
use tokio::time::{Instant, sleep};

use super::connect::Connector;
use super::fault::Fault;
use super::link::Link;
use super::sentinels::Testimony;

/// The Sentinels of a store, asked over connections that are kept.
#[derive(Debug)]
pub(super) struct Naming {
    sentinels: Vec<Link>,
    service: Arc<str>,
    timeout: Duration,
    /// The latest that was heard of. One that is cut off from the others goes on to name the primary of an earlier one.
    epoch: AtomicU64,
}

impl Naming {
    /// Those that a connector finds the primary by, if it does. Each has `timeout` for a reply.
    pub(super) fn of(connector: &Connector, timeout: Duration) -> Option<Self> {
        let (sentinels, service) = connector.sentinels()?;
        let sentinels = sentinels.into_iter().map(|sentinel| Link::new(sentinel, timeout, None)).collect();
        Some(Self { sentinels, service: service.clone(), timeout, epoch: AtomicU64::new(0) })
    }

    /// Whether no Sentinel that answers says that the server with this run id is not the primary, or is to be replaced.
    pub(super) async fn agrees_on(&self, run_id: &str) -> bool {
        let asked = self.sentinels.iter().map(|sentinel| self.objects(sentinel, run_id));
        !join_all(asked).await.contains(&true)
    }

    /// Returns once one of them says so. Each is asked at this interval, whatever the others take.
    pub(super) async fn objection(&self, run_id: &str, interval: Duration) {
        let asked = self.sentinels.iter().map(|sentinel| {
            Box::pin(async move {
                loop {
                    sleep(interval).await;
                    if self.objects(sentinel, run_id).await {
                        return;
                    }
                }
            })
        });
        select_all(asked).await;
    }

    async fn objects(&self, sentinel: &Link, run_id: &str) -> bool {
        match self.ask(sentinel).await {
            Ok(testimony) => {
                let latest = self.epoch.fetch_max(testimony.epoch(), Ordering::SeqCst);
                testimony.epoch() >= latest && !testimony.names(run_id)
            }
            // None that is down or cut off from this process alone can keep it from having copies.
            Err(fault) => {
                tracing::debug!(sentinel = %sentinel.connector().target, ?fault, "a Sentinel does not say who the primary is");
                false
            }
        }
    }

    async fn ask(&self, sentinel: &Link) -> Result<Testimony, Fault> {
        let deadline = Instant::now() + self.timeout;
        let live = sentinel.live(deadline).await?;
        let reply = live.send(redis::cmd("SENTINEL").arg("MASTER").arg(&*self.service), deadline).await?;
        Testimony::read(&reply, &Value::Array(Vec::new()))
    }
}
