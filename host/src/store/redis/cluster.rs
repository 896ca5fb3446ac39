//! The nodes of a cluster: the links to them, and who is asked which has which slots.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use futures_util::future::{BoxFuture, select_ok};
use tokio::sync::watch;
use tokio::time::Instant;

use super::connect::Connector;
use super::fault::Fault;
use super::followers::{Followers, Links};
use super::link::Link;
use super::map::Map;
use super::slots::{Shard, shards, slot};
use crate::store::address::Endpoint;

/// The shortest time between two questions for the map.
const REST: Duration = Duration::from_millis(100);

/// A cluster as far as it is known. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Cluster(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connector: Connector,
    timeout: Duration,
    seeds: Vec<Endpoint>,
    map: RwLock<Map>,
    links: Mutex<HashMap<Endpoint, Arc<Link>>>,
    /// Apart from those above, as one may be read from while it is a replica and the other may not.
    followers: Mutex<Links>,
    refreshing: AtomicBool,
    /// Told whenever a slot may have another owner.
    changes: watch::Sender<()>,
}

impl Cluster {
    /// A cluster that these nodes belong to, once one of them has answered.
    pub(super) async fn connect(
        connector: Connector,
        seeds: Vec<Endpoint>,
        timeout: Duration,
        deadline: Instant,
    ) -> Result<Self, Fault> {
        let (map, links, followers) = (RwLock::default(), Mutex::default(), Mutex::default());
        let (refreshing, changes) = (AtomicBool::new(false), watch::Sender::new(()));
        let cluster = Self(Arc::new(Inner { connector, timeout, seeds, map, links, followers, refreshing, changes }));
        cluster.refresh(deadline).await?;
        Ok(cluster)
    }

    /// The link to whoever is thought to have the slot of a key.
    pub(super) fn owner(&self, key: &str) -> Arc<Link> {
        let known = self.map().owner(slot(key));
        known.unwrap_or_else(|| Arc::new(Link::new(self.0.connector.clone(), self.0.timeout, None)))
    }

    /// Who follows whoever is thought to have the slot of a key.
    pub(super) fn followers(&self, key: &str) -> Option<Followers> {
        self.map().followers(slot(key))
    }

    /// The links to all primaries, asked for anew.
    pub(super) async fn primaries(&self, deadline: Instant) -> Result<Vec<Arc<Link>>, Fault> {
        self.refresh(deadline).await?;
        Ok(self.map().primaries())
    }

    /// The links to all primaries, as far as they are known.
    pub(super) fn known_primaries(&self) -> Vec<Arc<Link>> {
        self.map().primaries()
    }

    /// The link to a node.
    pub(super) fn link(&self, endpoint: &Endpoint) -> Arc<Link> {
        let mut links = self.0.links.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Link::new(self.0.connector.to(endpoint.clone()), self.0.timeout, None));
        links.entry(endpoint.clone()).or_insert_with(new).clone()
    }

    /// Notes that a slot has moved, and asks for the rest of the map in the background, as one slot seldom moves alone.
    pub(super) fn moved(&self, slot: u16, endpoint: &Endpoint) -> Arc<Link> {
        let link = self.link(endpoint);
        self.0.map.write().unwrap_or_else(PoisonError::into_inner).moved(slot, &link);
        self.0.changes.send_replace(());
        self.suspect();
        link
    }

    /// Notes that somebody is sent to a node for a key of a slot that is on its way there.
    pub(super) fn importing(&self, endpoint: &Endpoint) -> Arc<Link> {
        let link = self.link(endpoint);
        if self.0.map.write().unwrap_or_else(PoisonError::into_inner).imports(&link, Instant::now()) {
            self.0.changes.send_replace(());
        }
        link
    }

    /// Tells whenever a slot may have another owner than before.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// Asks for the map in the background, unless somebody does already.
    pub(super) fn suspect(&self) {
        if self.0.refreshing.swap(true, Ordering::AcqRel) {
            return;
        }
        let refreshing = Refreshing { cluster: self.clone(), answered: false };
        tokio::spawn(async move {
            let mut refreshing = refreshing;
            let deadline = Instant::now() + refreshing.cluster.0.timeout;
            if let Err(fault) = refreshing.cluster.refresh(deadline).await {
                tracing::debug!(?fault, "no node of the cluster gave its map");
            }
            refreshing.answered = true;
            // In a failover every request has doubts; the nodes have other work then.
            tokio::time::sleep(REST).await;
        });
    }

    /// Asks the primaries, all at once as some may be down, and then whoever else may know.
    async fn refresh(&self, deadline: Instant) -> Result<(), Fault> {
        let asked = Instant::now();
        let primaries = self.map().informed();
        let told = if let Ok(told) = self.ask(primaries, deadline).await {
            told
        } else {
            let mut others = self.map().replicas();
            others.extend(self.0.seeds.iter().map(|seed| self.link(seed)));
            self.ask(others, deadline).await?
        };
        self.learn(told, asked);
        Ok(())
    }

    async fn ask(&self, links: Vec<Arc<Link>>, deadline: Instant) -> Result<Vec<Shard>, Fault> {
        if links.is_empty() {
            return Err(Fault::Unreachable("no node is known".into()));
        }
        let asked = links.into_iter().map(|link| -> BoxFuture<'static, Result<Vec<Shard>, Fault>> {
            Box::pin(async move {
                let mut question = redis::cmd("CLUSTER");
                question.arg("SLOTS");
                let reply = link.live(deadline).await?.send(&question, deadline).await?;
                let told = shards(reply, link.connector().endpoint())?;
                // A node that is not in a cluster yet has no say.
                if told.is_empty() { Err(Fault::Odd(format!("{} knows of no slots", link.connector().target))) } else { Ok(told) }
            })
        });
        select_ok(asked).await.map(|(told, _)| told)
    }

    fn learn(&self, shards: Vec<Shard>, asked: Instant) {
        let mut followers = self.0.followers.lock().unwrap_or_else(PoisonError::into_inner);
        let new = |endpoint| Link::new(self.0.connector.to_replica(endpoint), self.0.timeout, None);
        let fresh = Map::told(shards, asked, &self.map(), |primary| self.link(primary), |replica| followers.get(replica, new));
        let (primaries, replicas) = (fresh.primaries(), fresh.replicas());
        // Links that nothing leads to any more are closed, so that there is one connection for each node and role and no more.
        followers.retain(|link| replicas.iter().any(|replica| Arc::ptr_eq(replica, link)));
        drop(followers);
        let mut links = self.0.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|_, link| primaries.iter().any(|primary| Arc::ptr_eq(primary, link)));
        drop(links);
        *self.0.map.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        self.0.changes.send_replace(());
    }

    fn map(&self) -> RwLockReadGuard<'_, Map> {
        self.0.map.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question for the map in the background, or the rest after it. It ends with its runtime; then others may ask.
struct Refreshing {
    cluster: Cluster,
    answered: bool,
}

impl Drop for Refreshing {
    fn drop(&mut self) {
        self.cluster.0.refreshing.store(false, Ordering::Release);
        if !self.answered {
            // Whoever waits for the answer has to ask.
            self.cluster.0.changes.send_replace(());
        }
    }
}
