//! A Redis Cluster: three primaries with two replicas each.

use anyhow::{Context, Result, ensure};
use redis::Value;

use crate::server::{BUS, Server, ServerOptions};
use crate::wait::until;

const SLOTS: u16 = 16384;
const PRIMARIES: usize = 3;

/// How many nodes a cluster has.
pub const NODES: usize = 3 * PRIMARIES;

/// A cluster of three primaries with two replicas each.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
}

/// The slots of one primary, and the ports of the primary and its replicas.
#[derive(Debug, Clone)]
struct Shard {
    slots: std::ops::RangeInclusive<u16>,
    ports: Vec<u16>,
}

impl Cluster {
    /// Starts nine nodes, and waits until they are a cluster.
    ///
    /// # Errors
    /// If redis-server is not installed, or they do not find together.
    pub fn start() -> Result<Self> {
        Self::start_with(&ServerOptions::default())
    }

    /// The same, with more configuration for each node.
    ///
    /// # Errors
    /// If redis-server is not installed, or they do not find together.
    pub fn start_with(options: &ServerOptions) -> Result<Self> {
        Self::start_each(vec![options.clone(); NODES])
    }

    /// The same, with more configuration for each of the nodes; the first three become primaries.
    ///
    /// # Errors
    /// If redis-server is not installed, or they do not find together.
    pub fn start_each(options: Vec<ServerOptions>) -> Result<Self> {
        ensure!(options.len() == NODES, "a cluster has {NODES} nodes");
        let nodes = options.into_iter().map(start_node).collect::<Result<Vec<_>>>()?;
        let cluster = Self { nodes };
        cluster.introduce()?;
        cluster.share_slots()?;
        cluster.assign_replicas()?;
        cluster.wait_until_whole()?;
        Ok(cluster)
    }

    /// Starts one more node, the last of [`Self::nodes`], which has no slots and copies nobody, and waits until it and the others know
    /// each other.
    ///
    /// # Errors
    /// If they do not.
    pub fn join(&mut self) -> Result<()> {
        let node = start_node(ServerOptions::default())?;
        let epoch = self.nodes.len() + 1;
        node.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()])?;
        self.nodes.push(node);
        self.meet()?;
        until("the new node to be of use", || {
            let state: String = self.nodes.last().context("no node")?.command(&["CLUSTER", "INFO"])?;
            Ok(state.contains("cluster_state:ok").then_some(()))
        })
    }

    /// The address of a store there.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.nodes.iter().take(PRIMARIES).map(|node| format!("127.0.0.1:{}", node.announced())).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// All nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// The primaries.
    ///
    /// # Errors
    /// If no node answers.
    pub fn primaries(&self) -> Result<Vec<&Server>> {
        let mut ports: Vec<_> = self.shards()?.iter().filter_map(|shard| shard.ports.first().copied()).collect();
        ports.sort_unstable();
        ports.dedup();
        ports.into_iter().map(|port| self.node(port)).collect()
    }

    /// The primary that has the slot of a key.
    ///
    /// # Errors
    /// If no node answers, or the slot has none.
    pub fn primary_of(&self, key: &str) -> Result<&Server> {
        let shard = self.shard(self.slot(key)?)?;
        self.node(*shard.ports.first().context("the slot has no primary")?)
    }

    /// The replicas of the primary that has the slot of a key.
    ///
    /// # Errors
    /// If no node answers, or the slot has no primary.
    pub fn replicas_of(&self, key: &str) -> Result<Vec<&Server>> {
        let shard = self.shard(self.slot(key)?)?;
        shard.ports.iter().skip(1).map(|port| self.node(*port)).collect()
    }

    /// Has a replica of a key's primary take its place without asking anybody, whatever it has missed, and waits until all know.
    ///
    /// # Errors
    /// If it does not.
    pub fn take_over(&self, key: &str, replica: &Server) -> Result<()> {
        let slot = self.slot(key)?;
        let old = self.primary_of(key)?.announced();
        replica.command::<()>(&["CLUSTER", "FAILOVER", "TAKEOVER"])?;
        self.wait_for_another(slot, old)
    }

    /// Kills the primary of a key, and waits until a replica has taken its place.
    ///
    /// # Errors
    /// If none does.
    pub fn kill_primary_of(&mut self, key: &str) -> Result<()> {
        let (slot, old) = (self.slot(key)?, self.primary_of(key)?.announced());
        for node in self.nodes.iter_mut().filter(|node| node.announced() == old) {
            node.kill();
        }
        self.wait_for_another(slot, old)
    }

    /// Has a replica take the place of the primary of a key while that is well, and waits until it has.
    ///
    /// # Errors
    /// If it does not.
    pub fn failover(&self, key: &str) -> Result<()> {
        let slot = self.slot(key)?;
        let shard = self.shard(slot)?;
        let old = *shard.ports.first().context("the slot has no primary")?;
        let replica = self.node(*shard.ports.get(1).context("the primary has no replica")?)?;
        replica.command::<()>(&["CLUSTER", "FAILOVER"])?;
        self.wait_for_another(slot, old)
    }

    /// Starts all nodes that were killed, and waits until the cluster is whole again.
    ///
    /// # Errors
    /// If it does not get whole.
    pub fn revive(&mut self) -> Result<()> {
        self.nodes.iter_mut().filter(|node| !node.runs()).try_for_each(Server::restart)?;
        self.wait_until_whole()
    }

    /// Begins to move the slot of a key to the next primary: from now on both have a part of it.
    ///
    /// # Errors
    /// If a node refuses.
    pub fn begin_move(&self, key: &str) -> Result<Move<'_>> {
        let from = self.primary_of(key)?;
        let to = self.primaries()?.into_iter().find(|primary| primary.announced() != from.announced());
        self.begin_move_to(key, to.context("there is one primary only")?)
    }

    /// The same to this one, which copies nobody.
    ///
    /// # Errors
    /// If a node refuses.
    pub fn begin_move_to<'a>(&'a self, key: &str, to: &'a Server) -> Result<Move<'a>> {
        let slot = self.slot(key)?;
        let from = self.primary_of(key)?;
        let number = slot.to_string();
        to.command::<()>(&["CLUSTER", "SETSLOT", &number, "IMPORTING", &id(from)?])?;
        from.command::<()>(&["CLUSTER", "SETSLOT", &number, "MIGRATING", &id(to)?])?;
        Ok(Move { cluster: self, slot, from, to })
    }

    /// The nodes that have the slot of a key, the primary first, by their places among [`Self::nodes`].
    ///
    /// # Errors
    /// If no node answers, or the slot has none.
    pub fn shard_of(&self, key: &str) -> Result<Vec<usize>> {
        let ports = self.shard(self.slot(key)?)?.ports;
        let place = |port: &u16| self.nodes.iter().position(|node| node.announced() == *port);
        Ok(ports.iter().filter_map(place).collect())
    }

    /// All nodes, to be killed and started again.
    pub fn nodes_mut(&mut self) -> &mut [Server] {
        &mut self.nodes
    }

    fn slot(&self, key: &str) -> Result<u16> {
        self.any()?.command(&["CLUSTER", "KEYSLOT", key])
    }

    fn any(&self) -> Result<&Server> {
        self.nodes.iter().find(|node| node.runs()).context("no node runs")
    }

    fn node(&self, port: u16) -> Result<&Server> {
        self.nodes.iter().find(|node| node.announced() == port).context("that is none of the nodes")
    }

    fn shard(&self, slot: u16) -> Result<Shard> {
        self.shards()?
            .into_iter()
            .find(|shard| shard.slots.contains(&slot))
            .with_context(|| format!("nobody has the slot {slot}"))
    }

    fn shards(&self) -> Result<Vec<Shard>> {
        shards(self.any()?)
    }

    fn introduce(&self) -> Result<()> {
        // Else all begin with the same, and for some seconds each time that two notice one of them takes a newer one. A primary that
        // does so after a replica has taken over from it takes its slots back.
        for (epoch, node) in (1..).zip(&self.nodes) {
            node.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &i32::to_string(&epoch)])?;
        }
        self.meet()
    }

    fn meet(&self) -> Result<()> {
        let first = self.any()?.announced();
        let (port, bus) = (first.to_string(), (first + BUS).to_string());
        for node in &self.nodes {
            node.command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
        }
        until("the nodes to know each other", || {
            for node in &self.nodes {
                let known: String = node.command(&["CLUSTER", "NODES"])?;
                if known.lines().count() != self.nodes.len() || known.contains("handshake") {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }

    fn share_slots(&self) -> Result<()> {
        let share = SLOTS.div_ceil(u16::try_from(PRIMARIES)?);
        for (node, first) in self.nodes.iter().zip((0..SLOTS).step_by(share.into())).take(PRIMARIES) {
            let slots: Vec<_> = (first..SLOTS.min(first + share)).map(|slot| slot.to_string()).collect();
            let words: Vec<_> = ["CLUSTER", "ADDSLOTS"].into_iter().chain(slots.iter().map(String::as_str)).collect();
            node.command::<()>(&words)?;
        }
        Ok(())
    }

    fn assign_replicas(&self) -> Result<()> {
        let (primaries, replicas) = self.nodes.split_at(PRIMARIES);
        for (replica, primary) in replicas.iter().zip(primaries.iter().cycle()) {
            let id = id(primary)?;
            until("the node to become a replica", || Ok(replica.command::<()>(&["CLUSTER", "REPLICATE", &id]).ok()))?;
        }
        Ok(())
    }

    fn wait_until_whole(&self) -> Result<()> {
        let mut amiss = String::new();
        until("the cluster to be whole", || {
            for node in &self.nodes {
                let state: String = node.command(&["CLUSTER", "INFO"])?;
                let full = |shard: &Shard| shard.ports.len() == 3;
                let whole = shards(node).is_ok_and(|shards| !shards.is_empty() && shards.iter().all(full));
                let replication: String = node.command(&["INFO", "replication"])?;
                if !state.contains("cluster_state:ok") || !whole || replication.contains("master_link_status:down") {
                    let knows: String = node.command(&["CLUSTER", "NODES"])?;
                    amiss = format!("port {} says:\n{state}\n{knows}\n{replication}", node.announced());
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
        .with_context(|| amiss)
    }

    fn wait_for_another(&self, slot: u16, old: u16) -> Result<()> {
        until("another primary", || {
            for node in self.nodes.iter().filter(|node| node.runs()) {
                let state: String = node.command(&["CLUSTER", "INFO"])?;
                let mut shards = shards(node)?.into_iter();
                let primary = shards.find(|shard| shard.slots.contains(&slot)).and_then(|shard| shard.ports.first().copied());
                if primary.is_none_or(|port| port == old) || !state.contains("cluster_state:ok") {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })
    }
}

/// A slot that is on its way.
#[derive(Debug)]
pub struct Move<'a> {
    cluster: &'a Cluster,
    slot: u16,
    from: &'a Server,
    to: &'a Server,
}

impl Move<'_> {
    /// Moves the keys that there are, and leaves the slot where it is.
    ///
    /// # Errors
    /// If a node refuses.
    pub fn move_keys(&self) -> Result<()> {
        let (slot, port) = (self.slot.to_string(), self.to.announced().to_string());
        loop {
            let keys: Vec<String> = self.from.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"])?;
            if keys.is_empty() {
                return Ok(());
            }
            let words = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let words: Vec<_> = words.into_iter().chain(keys.iter().map(String::as_str)).collect();
            self.from.command::<String>(&words)?;
        }
    }

    /// Moves the keys, and then the slot.
    ///
    /// # Errors
    /// If a node refuses.
    pub fn finish(self) -> Result<()> {
        self.move_keys()?;
        let (slot, owner) = (self.slot.to_string(), id(self.to)?);
        self.to.command::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &owner])?;
        self.from.command::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &owner])?;
        self.cluster.wait_for_another(self.slot, self.from.announced())
    }
}

fn start_node(options: ServerOptions) -> Result<Server> {
    let options = options.with(&["cluster-enabled", "yes"]).with(&["cluster-node-timeout", "1000"]);
    // A primary that has just been replaced seems to have no replica for a moment, and gets one of another's, which is never given back.
    let options = options.with(&["cluster-migration-barrier", "100"]);
    Server::start_with(options.with(&["cluster-replica-validity-factor", "0"]))
}

fn id(node: &Server) -> Result<String> {
    node.command(&["CLUSTER", "MYID"])
}

fn shards(node: &Server) -> Result<Vec<Shard>> {
    let ranges: Vec<Vec<Value>> = node.command(&["CLUSTER", "SLOTS"])?;
    let shard = |range: Vec<Value>| {
        ensure!(range.len() > 2, "a range of slots has no node");
        let mut range = range.into_iter();
        let mut number = || -> Result<u16> { Ok(redis::from_redis_value(range.next().context("a range of slots is cut off")?)?) };
        let slots = number()?..=number()?;
        let ports = range.map(|node| {
            let node: Vec<Value> = redis::from_redis_value(node)?;
            Ok(redis::from_redis_value(node.into_iter().nth(1).context("a node has no port")?)?)
        });
        Ok(Shard { slots, ports: ports.collect::<Result<_>>()? })
    };
    ranges.into_iter().map(shard).collect()
}
