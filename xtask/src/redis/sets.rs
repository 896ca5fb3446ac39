//! Servers that belong together.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use xshell::cmd;

use super::server::{READY_WITHIN, Server, ask, free_ports};
use crate::steps::Steps;

const PRIMARIES: u16 = 3;
const SENTINELS: usize = 3;
/// The name under which the Sentinels know the primary.
const SERVICE: &str = "mymaster";
const NOTHING_ON_DISK: &str = "save \"\"\nappendonly no";

/// Running servers and the address that leads to them. All end when it is dropped.
pub(crate) struct Set {
    servers: Vec<Server>,
    url: String,
    directory: PathBuf,
}

impl Set {
    /// One server.
    pub(crate) fn single(directory: PathBuf) -> Result<Self> {
        let mut set = Self::empty(directory);
        set.add(&free_ports(1)?, NOTHING_ON_DISK, &[])?;
        set.url = format!("redis://{}", set.addresses(1));
        Ok(set)
    }

    /// A primary, its replicas, and the Sentinels that watch them.
    pub(crate) fn sentinel(directory: PathBuf, replicas: u16) -> Result<Self> {
        let ports = free_ports(1 + usize::from(replicas) + SENTINELS)?;
        let (sentinels, data) = ports.split_at(SENTINELS);
        let Some((primary, replicas)) = data.split_first() else { bail!("no ports") };
        let mut set = Self::empty(directory);
        // Sentinels first: they need not find anything yet, and the address names the first members of the set.
        let watch = format!(
            "sentinel monitor {SERVICE} 127.0.0.1 {primary} 2\nsentinel down-after-milliseconds {SERVICE} 1000\nsentinel failover-timeout {SERVICE} 5000"
        );
        set.add(sentinels, &watch, &["--sentinel"])?;
        set.add(&[*primary], NOTHING_ON_DISK, &[])?;
        set.add(replicas, &format!("{NOTHING_ON_DISK}\nreplicaof 127.0.0.1 {primary}"), &[])?;
        for sentinel in sentinels {
            until(|| ask(*sentinel, &format!("SENTINEL CKQUORUM {SERVICE}")).is_ok_and(|answer| answer.starts_with("+OK 3")))?;
        }
        set.url = format!("redis+sentinel://{}/{SERVICE}", set.addresses(SENTINELS));
        Ok(set)
    }

    /// A cluster of three primaries with replicas.
    pub(crate) fn cluster(steps: &Steps, directory: PathBuf, replicas: u16) -> Result<Self> {
        let ports = free_ports(usize::from(PRIMARIES * (1 + replicas)))?;
        let mut set = Self::empty(directory);
        set.add(&ports, &format!("{NOTHING_ON_DISK}\ncluster-enabled yes\ncluster-node-timeout 2000"), &[])?;
        let shell = steps.shell();
        let nodes: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let replicas = replicas.to_string();
        cmd!(shell, "redis-cli --cluster create {nodes...} --cluster-replicas {replicas} --cluster-yes")
            .quiet()
            .ignore_stdout()
            .run()
            .context("cannot join the nodes")?;
        for port in &ports {
            let number = port.to_string();
            // Slots are served once every node agrees on who has them.
            until(|| {
                cmd!(shell, "redis-cli -p {number} cluster info")
                    .quiet()
                    .read()
                    .is_ok_and(|info| info.contains("cluster_state:ok"))
            })?;
        }
        set.url = format!("redis+cluster://{}", set.addresses(usize::from(PRIMARIES)));
        Ok(set)
    }

    /// The address to give to `--store`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The port of a server that takes commands for data.
    pub(crate) fn port(&self) -> u16 {
        let skip = if self.url.starts_with("redis+sentinel") { SENTINELS } else { 0 };
        self.servers.get(skip).map_or(0, Server::port)
    }

    /// The ports of all members.
    pub(crate) fn members(&self) -> String {
        self.servers.iter().map(|server| server.port().to_string()).collect::<Vec<_>>().join(" ")
    }

    /// The ports of servers that have ended since the last call.
    pub(crate) fn ended(&mut self) -> Vec<u16> {
        self.servers.iter_mut().filter_map(|server| server.ended().then_some(server.port())).collect()
    }

    fn empty(directory: PathBuf) -> Self {
        Self { servers: Vec::new(), url: String::new(), directory }
    }

    fn add(&mut self, ports: &[u16], settings: &str, args: &[&str]) -> Result<()> {
        for port in ports {
            self.servers.push(Server::start(&self.directory, *port, settings, args)?);
        }
        Ok(())
    }

    fn addresses(&self, count: usize) -> String {
        let servers = self.servers.iter().take(count);
        servers.map(|server| format!("127.0.0.1:{}", server.port())).collect::<Vec<_>>().join(",")
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        self.servers.clear();
        // What is left is in the target directory and harms nobody.
        let _ = fs::remove_dir_all(&self.directory);
        let _ = self.directory.parent().map(Path::to_owned).map(fs::remove_dir);
    }
}

fn until(ready: impl Fn() -> bool) -> Result<()> {
    let began = Instant::now();
    while !ready() {
        if began.elapsed() > READY_WITHIN {
            bail!("the servers do not find each other within {READY_WITHIN:?}");
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    Ok(())
}
