//! Who is to be asked about a key.

use std::ops::Deref;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::cluster::Cluster;
use super::connect::Connector;
use super::fault::Fault;
use super::followers::Followers;
use super::link::{Link, Vigil};
use super::primary::Primary;
use super::slots::redirection;
use crate::store::address::Endpoint;

/// The servers of a store. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) enum Topology {
    /// One server at a time.
    One(Primary),
    /// Many, each with a part of the keys.
    Many(Cluster),
}

/// What an error reply of a server means for the request.
#[derive(Debug)]
pub(super) enum Advice {
    /// It is final.
    None,
    /// Ask that server, which has the key now.
    Ask(Arc<Link>),
    /// Ask that server, this once, and tell it that it was asked for.
    AskOnce(Arc<Link>),
    /// Ask again over a new connection, which may lead to another server; once.
    Reconnect,
    /// Ask again in a moment.
    Wait,
}

/// The link to who has a key: borrowed where there is but one, as to count a link is a cost when all threads count the same one.
#[derive(Debug)]
pub(super) enum Owner<'a> {
    Always(&'a Arc<Link>),
    Now(Arc<Link>),
}

impl Deref for Owner<'_> {
    type Target = Arc<Link>;

    fn deref(&self) -> &Arc<Link> {
        match self {
            Self::Always(link) => link,
            Self::Now(link) => link,
        }
    }
}

impl Topology {
    /// The link to whoever is thought to have a key.
    pub(super) fn owner(&self, key: &str) -> Owner<'_> {
        match self {
            Self::One(primary) => Owner::Always(primary.link()),
            Self::Many(cluster) => Owner::Now(cluster.owner(key)),
        }
    }

    /// The links to all who have keys.
    pub(super) async fn primaries(&self, deadline: Instant) -> Result<Vec<Arc<Link>>, Fault> {
        match self {
            Self::One(primary) => Ok(vec![primary.link().clone()]),
            Self::Many(cluster) => cluster.primaries(deadline).await,
        }
    }

    /// The same as far as they are known, without asking.
    pub(super) fn known_primaries(&self) -> Vec<Arc<Link>> {
        match self {
            Self::One(primary) => vec![primary.link().clone()],
            Self::Many(cluster) => cluster.known_primaries(),
        }
    }

    /// The link to a node that keys of another are on their way to. `None` where there is but one server.
    pub(super) fn importing(&self, endpoint: &Endpoint) -> Option<Arc<Link>> {
        match self {
            Self::One(_) => None,
            Self::Many(cluster) => Some(cluster.importing(endpoint)),
        }
    }

    /// How to connect to whoever is thought to have a key.
    pub(super) fn connector(&self, key: &str) -> Connector {
        self.owner(key).connector().clone()
    }

    /// What decides when a connection to the one server is to be made anew. The nodes of a cluster say themselves where to go.
    pub(super) fn vigil(&self) -> Option<Vigil> {
        match self {
            Self::One(primary) => primary.vigil(),
            Self::Many(_) => None,
        }
    }

    /// Has requests to the one server go over a new connection, which may lead to another by now. The nodes of a cluster say themselves
    /// where to go.
    pub(super) fn reconnect(&self) {
        if let Self::One(primary) = self
            && let Some(live) = primary.link().open()
        {
            live.close();
        }
    }

    /// Returns once a key may have another owner than before. Never does where there is but one server.
    pub(super) async fn changed(changes: &mut Option<watch::Receiver<()>>) {
        if let Some(changes) = changes
            && changes.changed().await.is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// What [`Self::changed`] listens to from now on.
    pub(super) fn changes(&self) -> Option<watch::Receiver<()>> {
        match self {
            Self::One(_) => None,
            Self::Many(cluster) => Some(cluster.changes()),
        }
    }

    /// The replicas of whoever is thought to have a key, if they are known, or why they are not.
    pub(super) fn followers(&self, key: &str) -> Option<Result<Followers, Fault>> {
        match self {
            Self::One(primary) => primary.followers(),
            Self::Many(cluster) => cluster.followers(key).map(Ok),
        }
    }

    /// Has the servers say anew who follows whom, in the background.
    pub(super) fn suspect(&self) {
        match self {
            Self::One(primary) => primary.suspect(),
            Self::Many(cluster) => cluster.suspect(),
        }
    }

    /// Tells whenever a key may have other replicas than before.
    pub(super) fn told(&self) -> watch::Receiver<()> {
        match self {
            Self::One(primary) => primary.told(),
            Self::Many(cluster) => cluster.changes(),
        }
    }

    /// The command that tells a channel something.
    pub(super) fn publish(&self) -> &'static str {
        match self {
            Self::One(_) => "PUBLISH",
            // Not to every node, as there can be many: only to those who have the lock.
            Self::Many(_) => "SPUBLISH",
        }
    }

    /// What to do about a fault that was met at `link`. Nothing was done there, unless the connection was lost.
    pub(super) fn advice(&self, fault: &Fault, connector: &Connector) -> Advice {
        match self {
            Self::One(_) => match fault.code() {
                // What was the primary is one no more, and the name or Sentinel that led to it may lead to another by now.
                "READONLY" => Advice::Reconnect,
                "LOADING" | "MASTERDOWN" => Advice::Wait,
                _ => Advice::None,
            },
            Self::Many(cluster) => {
                let redirected = || match fault {
                    Fault::Answer(error) => redirection(error.details()?, connector.endpoint()),
                    _ => None,
                };
                match (fault.code(), fault) {
                    ("MOVED", _) => redirected().map_or(Advice::Wait, |(slot, to)| Advice::Ask(cluster.moved(slot, &to))),
                    ("ASK", _) => redirected().map_or(Advice::Wait, |(_, to)| Advice::AskOnce(cluster.importing(&to))),
                    ("TRYAGAIN", _) => Advice::Wait,
                    ("CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "READONLY", _) | (_, Fault::Unreachable(_)) => {
                        cluster.suspect();
                        Advice::Wait
                    }
                    (_, Fault::Lost(_) | Fault::TimedOut(_)) => {
                        cluster.suspect();
                        Advice::None
                    }
                    _ => Advice::None,
                }
            }
        }
    }
}
