//! A local Redis to play with.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::packages;
use crate::steps::Steps;

mod server;
mod sets;

use sets::Set;

/// Starts a local Redis, Sentinel set or Redis Cluster to play with, until Ctrl-C.
///
/// The servers listen on free ports of 127.0.0.1, keep nothing on disk, and are gone when this ends. Other commands of a shell
/// can then be given the printed address by --store or in the variable `BELLWETHER_STORE`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A Redis Cluster of three primaries, each with replicas.
    #[arg(long, conflicts_with = "sentinel")]
    cluster: bool,

    /// A primary with replicas, watched by three Sentinels.
    #[arg(long)]
    sentinel: bool,

    /// How many replicas each primary has.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=5))]
    replicas: u16,
}

/// Runs the chore.
pub(crate) fn run(steps: &Steps, options: &Options) -> Result<()> {
    packages::ensure_redis(steps)?;
    // Before the first server is started, so that none outlives this program.
    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || stop.send(()).unwrap_or_default()).context("cannot listen for Ctrl-C")?;

    let directory = steps.target().join("redis").join(std::process::id().to_string());
    let mut set = steps.step("starting the servers", || match options {
        Options { cluster: true, replicas, .. } => Set::cluster(steps, directory, *replicas),
        Options { sentinel: true, replicas, .. } => Set::sentinel(directory, *replicas),
        _ => Set::single(directory),
    })?;
    steps.say(&format!("ready: {}", set.url()));
    Steps::note(&format!("export BELLWETHER_STORE={}", set.url()));
    Steps::note(&format!("redis-cli {}-p {}", if options.cluster { "-c " } else { "" }, set.port()));
    Steps::note(&format!("servers: {}; Ctrl-C ends them", set.members()));
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(Duration::from_millis(500)) {
        for port in set.ended() {
            Steps::note(&format!("the server on port {port} has ended"));
        }
    }
    drop(set);
    steps.say("ended");
    Ok(())
}
