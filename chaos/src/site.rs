//! The servers of one topology, each behind the network.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bellwether_tests::process::free_port;
use bellwether_tests::wait::PATIENCE;
use bellwether_tests::{Cluster, Sentinel, Server, ServerOptions, cluster, sentinel, until};
use tokio::runtime::Handle;

use crate::kind::Topology;
use crate::network::{Network, Party, source};

/// How long after a server has dropped its connections it is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// Running servers.
#[derive(Debug)]
pub(crate) struct Site {
    servers: Servers,
    network: Network,
    /// The clients' way to a single server.
    front: u16,
}

#[derive(Debug)]
enum Servers {
    Single(Box<Server>),
    Sentinel(Sentinel),
    Cluster(Cluster),
}

/// How a replica comes to take the place of its primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failover {
    /// The primary agrees and hands over.
    Agreed,
    /// Without the primary, with the consent of the others.
    Forced,
    /// Without anybody's consent.
    Takeover,
}

impl Site {
    /// Starts the servers of a topology.
    pub(crate) fn start(topology: Topology, runtime: &Handle) -> Result<Self> {
        let network = Network::new();
        let count = match topology {
            Topology::Single => 1,
            Topology::Sentinel => sentinel::SERVERS,
            Topology::Cluster => cluster::NODES,
        };
        let mut options = Vec::new();
        let mut front = 0;
        for place in 0..count {
            let (port, announced) = (free_port()?, free_port()?);
            if place == 0 {
                front = announced;
            }
            let place = u8::try_from(place)?;
            runtime.block_on(network.stand(place, announced, port))?;
            let kept = ServerOptions { port: Some(port), announce: Some(announced), ..ServerOptions::default() };
            // Every change is on disk before it is answered: a server that is killed forgets nothing that it promised.
            let kept = kept.with(&["appendonly", "yes"]).with(&["appendfsync", "always"]);
            options.push(kept.with(&["bind-source-addr", &source(Party::Server(place)).to_string()]));
        }
        let servers = match (topology, options.pop()) {
            (Topology::Single, Some(only)) => Servers::Single(Box::new(Server::start_with(only)?)),
            (_, None) => bail!("a topology has servers"),
            (Topology::Sentinel, Some(last)) => {
                options.push(last);
                // Sentinels speak to each other from addresses that are not quite local, and take them for those of the others.
                let watching = ServerOptions::default().with(&["protected-mode", "no"]);
                let watching = watching.with(&["sentinel", "announce-ip", "127.0.0.1"]);
                let watching = watching.with(&["bind-source-addr", &source(Party::Sentinel).to_string()]);
                // As soon as can be. That they may then replace at once who has just taken over is one more fault.
                let watching = watching.with(&["sentinel", "down-after-milliseconds", sentinel::SERVICE, "500"]);
                Servers::Sentinel(Sentinel::start_each(options, &watching)?)
            }
            (Topology::Cluster, Some(last)) => {
                options.push(last);
                Servers::Cluster(Cluster::start_each(options)?)
            }
        };
        Ok(Self { servers, network, front })
    }

    /// The address of the store for clients.
    pub(crate) fn url(&self) -> String {
        match &self.servers {
            Servers::Single(_) => format!("redis://127.0.0.1:{}", self.front),
            Servers::Sentinel(set) => set.url(),
            Servers::Cluster(cluster) => cluster.url(),
        }
    }

    /// What is between clients and servers.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// The places of the servers that have a key, the primary first. All must be well.
    pub(crate) fn shard(&mut self, key: &str) -> Result<Vec<usize>> {
        match &mut self.servers {
            Servers::Single(_) => Ok(vec![0]),
            Servers::Sentinel(set) => {
                let primary = set.primary()?.announced();
                let place = set.servers().iter().position(|server| server.announced() == primary).context("no primary")?;
                Ok(std::iter::once(place).chain((0..sentinel::SERVERS).filter(|other| *other != place)).collect())
            }
            Servers::Cluster(cluster) => cluster.shard_of(key),
        }
    }

    /// The place of a Sentinel: behind those of the servers that it watches.
    pub(crate) fn sentinel(number: usize) -> usize {
        sentinel::SERVERS + number % sentinel::SENTINELS
    }

    /// The places of all Sentinels, if there are any.
    pub(crate) fn sentinels(&self) -> Vec<usize> {
        match self.servers {
            Servers::Sentinel(_) => (0..sentinel::SENTINELS).map(Self::sentinel).collect(),
            Servers::Single(_) | Servers::Cluster(_) => Vec::new(),
        }
    }

    /// A server, or a Sentinel, by its place.
    pub(crate) fn server(&mut self, place: usize) -> Result<&mut Server> {
        match &mut self.servers {
            Servers::Single(server) => Ok(server.as_mut()),
            Servers::Sentinel(set) => match place.checked_sub(sentinel::SERVERS) {
                None => set.servers().get_mut(place).context("no such server"),
                Some(number) => set.sentinels().get_mut(number).context("no such Sentinel"),
            },
            Servers::Cluster(cluster) => cluster.nodes_mut().get_mut(place).context("no such node"),
        }
    }

    /// What changes each time that a replica takes the place of the primary of a key. An error if nobody can tell just now.
    pub(crate) fn term(&mut self, key: &str) -> Result<String> {
        let place = *self.shard(key)?.first().context("no primary")?;
        match &mut self.servers {
            Servers::Single(_) => Ok(String::new()),
            Servers::Sentinel(set) => Ok(format!("{place} {}", set.epoch()?)),
            Servers::Cluster(cluster) => {
                let info: String = cluster.nodes().get(place).context("no such node")?.command(&["CLUSTER", "INFO"])?;
                let epoch = info.lines().find_map(|line| line.strip_prefix("cluster_my_epoch:"));
                Ok(format!("{place} {}", epoch.context("a node has no epoch")?))
            }
        }
    }

    /// Has a replica take the place of the primary of a key. Whether it does is up to them.
    pub(crate) fn failover(&mut self, key: &str, how: Failover) -> Result<()> {
        let shard = self.shard(key)?;
        match &mut self.servers {
            Servers::Single(_) => Ok(()),
            Servers::Sentinel(set) => {
                let asked = set.sentinels().first().context("no Sentinel")?;
                // They refuse while one is under way, or none is needed.
                _ = asked.command::<String>(&["SENTINEL", "FAILOVER", sentinel::SERVICE]);
                Ok(())
            }
            Servers::Cluster(cluster) => {
                let replica = shard.get(1).and_then(|place| cluster.nodes().get(*place)).context("no replica")?;
                let words: &[&str] = match how {
                    Failover::Agreed => &["CLUSTER", "FAILOVER"],
                    Failover::Forced => &["CLUSTER", "FAILOVER", "FORCE"],
                    Failover::Takeover => &["CLUSTER", "FAILOVER", "TAKEOVER"],
                };
                _ = replica.command::<()>(words);
                Ok(())
            }
        }
    }

    /// Ends every fault there may be, and waits until all are well.
    pub(crate) fn recover(&mut self, places: &[usize]) -> Result<()> {
        self.network.clear();
        // A server that changes its part drops whoever is connected to it, us included.
        let end = Instant::now() + PATIENCE;
        loop {
            match self.ease(places).and_then(|()| self.wait_until_whole()) {
                Err(_) if Instant::now() < end => std::thread::sleep(AGAIN),
                outcome => return outcome,
            }
        }
    }

    /// Ends what was done to the servers at these places, of those that run.
    fn ease(&mut self, places: &[usize]) -> Result<()> {
        for place in places {
            let watches = matches!(self.servers, Servers::Sentinel(_)) && *place >= sentinel::SERVERS;
            let server = self.server(*place)?;
            if server.runs() {
                server.resume()?;
                if !watches {
                    server.command::<()>(&["CONFIG", "SET", "maxmemory", "0"])?;
                }
            }
        }
        Ok(())
    }

    fn wait_until_whole(&mut self) -> Result<()> {
        match &mut self.servers {
            Servers::Single(server) => {
                if !server.runs() {
                    server.restart()?;
                }
                until("the server to answer", || Ok(server.command::<String>(&["PING"]).ok()))?;
                Ok(())
            }
            Servers::Sentinel(set) => {
                set.revive()?;
                // One that has not heard of a new primary yet sends clients to the old one.
                set.agree()
            }
            Servers::Cluster(cluster) => cluster.revive(),
        }
    }
}
