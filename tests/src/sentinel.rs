//! A primary with two replicas, watched by three Sentinels.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};

use crate::server::{Server, ServerOptions};
use crate::wait::until;

/// The name that the Sentinels know the primary by.
pub const SERVICE: &str = "main";

/// How many servers a set has.
pub const SERVERS: usize = 3;

/// How many Sentinels watch them.
pub const SENTINELS: usize = 3;

/// A primary, two replicas and three Sentinels.
#[derive(Debug)]
pub struct Sentinel {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Sentinel {
    /// Starts them, and waits until everybody knows everybody.
    ///
    /// # Errors
    /// If redis-server is not installed, or they do not find together.
    pub fn start() -> Result<Self> {
        Self::start_each(vec![ServerOptions::default(); SERVERS], &ServerOptions::default())
    }

    /// The same, with more configuration for each of the servers, of which the first is the primary, and for the Sentinels, for which the
    /// last word counts.
    ///
    /// # Errors
    /// If redis-server is not installed, or they do not find together.
    pub fn start_each(options: Vec<ServerOptions>, watching: &ServerOptions) -> Result<Self> {
        ensure!(options.len() == SERVERS, "there are {SERVERS} servers");
        let mut servers: Vec<Server> = Vec::new();
        for options in options {
            let replica_of = servers.first().map(Server::announced);
            servers.push(Server::start_with(ServerOptions { replica_of, ..options })?);
        }
        let port = servers.first().context("no server")?.announced().to_string();
        let mut options = ServerOptions::default()
            .with(&["sentinel", "monitor", SERVICE, "127.0.0.1", &port, "2"])
            // Sentinels connect once a second to where the primary is. With less than that, they often replace who has just taken over from a
            // dead one: they called it down before they had tried to reach it.
            .with(&["sentinel", "down-after-milliseconds", SERVICE, "1500"])
            .with(&["sentinel", "failover-timeout", SERVICE, "2000"]);
        options.config.extend(watching.config.iter().cloned());
        let options = ServerOptions { config: options.config, ..watching.clone() };
        let sentinels = (0..SENTINELS).map(|_| Server::start_in(Some("--sentinel"), options.clone())).collect::<Result<_>>()?;
        let set = Self { servers, sentinels };
        until("the Sentinels to know each other and the replicas", || {
            for sentinel in &set.sentinels {
                let known: HashMap<String, String> = sentinel.command(&["SENTINEL", "MASTER", SERVICE])?;
                let is = |name: &str, count: &str| known.get(name).is_some_and(|value| value == count);
                if !(is("num-slaves", "2") && is("num-other-sentinels", "2") && is("flags", "master")) {
                    return Ok(None);
                }
            }
            set.replicated()
        })?;
        Ok(set)
    }

    /// The address of a store there.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<_> = self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port())).collect();
        format!("redis+sentinel://{}/{SERVICE}", hosts.join(","))
    }

    /// The server that the Sentinels call the primary.
    ///
    /// # Errors
    /// If none of them answers.
    pub fn primary(&self) -> Result<&Server> {
        let port = self.primary_port()?;
        self.servers.iter().find(|server| server.announced() == port).context("the primary is none of ours")
    }

    /// The servers, to be killed or paused.
    pub fn servers(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    /// The servers that copy the primary.
    ///
    /// # Errors
    /// If no Sentinel answers.
    pub fn replicas(&self) -> Result<Vec<&Server>> {
        let port = self.primary_port()?;
        Ok(self.servers.iter().filter(|server| server.announced() != port).collect())
    }

    /// The Sentinels, to be killed or paused.
    pub fn sentinels(&mut self) -> &mut [Server] {
        &mut self.sentinels
    }

    /// Kills the primary, and waits until the Sentinels have chosen another one.
    ///
    /// # Errors
    /// If they do not.
    pub fn kill_primary(&mut self) -> Result<()> {
        let port = self.primary_port()?;
        for server in self.servers.iter_mut().filter(|server| server.announced() == port) {
            server.kill();
        }
        self.wait_for_another(port)
    }

    /// Has the Sentinels choose another primary while the old one is well, and waits until that knows.
    ///
    /// # Errors
    /// If they do not.
    pub fn failover(&mut self) -> Result<()> {
        let port = self.replace_primary()?;
        self.wait_for_another(port)
    }

    /// Waits until all servers follow the one that the Sentinels call the primary.
    ///
    /// # Errors
    /// If they do not.
    pub fn follow(&self) -> Result<()> {
        until("the replicas to follow", || self.replicated())
    }

    /// The same without the wait, from when on all Sentinels call another one the primary. For some 10 s more, the old one takes itself
    /// for it too, as they do not tell it before. Gives the port of the old one.
    ///
    /// # Errors
    /// If they do not.
    pub fn replace_primary(&self) -> Result<u16> {
        let port = self.primary_port()?;
        until("the Sentinels to begin a failover", || {
            // They refuse while a replica is still being looked at.
            Ok(self.sentinels.first().context("no Sentinel")?.command::<String>(&["SENTINEL", "FAILOVER", SERVICE]).ok())
        })?;
        until("all Sentinels to call another one the primary", || {
            Ok((self.sentinels.iter().filter(|sentinel| sentinel.runs()).count() == self.primary_ports().count()
                && self.primary_ports().all(|named| named != port))
            .then_some(()))
        })?;
        Ok(port)
    }

    /// Waits until all Sentinels call the same server the primary. One that has not heard of a new one yet sends clients to the old one, and
    /// if that is started again before, it takes them, with nothing in it.
    ///
    /// # Errors
    /// If they do not agree.
    pub fn agree(&self) -> Result<()> {
        until("the Sentinels to agree", || {
            let mut ports = self.primary_ports();
            let first = ports.next();
            Ok((first.is_some() && ports.all(|port| Some(port) == first)).then_some(()))
        })
    }

    /// The number of the last failover that all Sentinels know of.
    ///
    /// # Errors
    /// If one does not answer, or knows another one than the others, or one is under way.
    pub fn epoch(&self) -> Result<String> {
        let mut epochs = self.sentinels.iter().map(|sentinel| {
            let mut known: HashMap<String, String> = sentinel.command(&["SENTINEL", "MASTER", SERVICE])?;
            ensure!(!known.contains_key("failover-state"), "a failover is under way");
            known.remove("config-epoch").context("a Sentinel knows no epoch")
        });
        let first = epochs.next().context("no Sentinel")??;
        for epoch in epochs {
            ensure!(epoch? == first, "the Sentinels do not agree");
        }
        Ok(first)
    }

    /// Starts all servers and Sentinels that were killed; the Sentinels turn the servers into replicas.
    ///
    /// # Errors
    /// If one does not start.
    pub fn revive(&mut self) -> Result<()> {
        self.sentinels.iter_mut().filter(|sentinel| !sentinel.runs()).try_for_each(Server::restart)?;
        self.servers.iter_mut().filter(|server| !server.runs()).try_for_each(Server::restart)?;
        self.follow()
    }

    fn wait_for_another(&self, old: u16) -> Result<()> {
        until("another primary", || {
            let port = self.primary_port()?;
            if port == old {
                return Ok(None);
            }
            // The old one takes writes until it is told, and they are lost then.
            self.replicated()
        })
    }

    fn replicated(&self) -> Result<Option<()>> {
        // One that changes sides just now drops its clients.
        let up = |server: &Server| {
            let info = server.command::<String>(&["INFO", "replication"]);
            info.is_ok_and(|info| info.contains("master_link_status:up"))
        };
        let port = self.primary_port()?;
        for server in self.servers.iter().filter(|server| server.runs() && server.announced() != port) {
            if !up(server) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    fn primary_port(&self) -> Result<u16> {
        self.primary_ports().next().context("no Sentinel answers")
    }

    /// What each Sentinel that answers says.
    fn primary_ports(&self) -> impl Iterator<Item = u16> {
        let asked = self.sentinels.iter().filter(|sentinel| sentinel.runs());
        let told = asked
            .filter_map(|sentinel| sentinel.command::<(String, u16)>(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE]).ok());
        told.map(|(_, port)| port)
    }
}
