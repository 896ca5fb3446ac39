//! A local Redis to play with.

use anyhow::Result;
use clap::Args;
use xshell::cmd;

use crate::packages;
use crate::steps::Steps;

/// Starts a local Redis, Sentinel set or Redis Cluster to play with, until Ctrl-C.
///
/// The servers listen on free ports of 127.0.0.1, keep nothing, and are gone when this ends. The address that is printed is what
/// `bellwether --store`, the variable `BELLWETHER_STORE` and `cargo xtask demo --store` take.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A Redis Cluster of three primaries with two replicas each.
    #[arg(long, conflicts_with = "sentinel")]
    cluster: bool,

    /// A primary with two replicas, watched by three Sentinels.
    #[arg(long)]
    sentinel: bool,
}

/// Runs the chore.
pub(crate) fn run(steps: &Steps, options: &Options) -> Result<()> {
    packages::ensure_redis(steps)?;
    let kind = match options {
        Options { cluster: true, .. } => "cluster",
        Options { sentinel: true, .. } => "sentinel",
        _ => "single",
    };
    let shell = steps.shell();
    // The servers that the tests use; their program ends them, however it ends itself.
    Ok(cmd!(shell, "cargo run --quiet --package bellwether-tests --bin servers -- {kind}").run()?)
}
