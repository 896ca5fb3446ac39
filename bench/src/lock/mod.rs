//! `lock-*`: what locks cost beside bare commands that do without fences, wake-ups and settled outcomes, and beside other libraries.

use std::time::Duration;

use bellwether::lock::{LockOptions, Locks};
use bellwether::store::{self, StoreOptions};
use bellwether_tests::Server;

use crate::report::Report;

mod commands;
mod contender;
mod fleet;
mod handoff;
mod local;
mod peers;
mod quorum;
mod raw;
mod renewal;
mod uncontended;
mod worker;
mod writers;

/// A part of a measurement of locks that is played in a process of its own.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Part {
    /// Takes and releases a lock as it is told.
    #[command(hide = true)]
    Worker(worker::Options),
    /// Writes as fast as it can.
    #[command(hide = true)]
    Writers(writers::Options),
}

/// The lease of every lock that is measured, ours or not: the one that ours have by default.
const LEASE: Duration = Duration::from_secs(30);

/// Measures the wanted `lock-*` cases.
pub(crate) async fn run(server: &Server, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    uncontended::run(server, rounds, report).await?;
    handoff::run(server, rounds, report).await?;
    local::run(server, rounds, report).await?;
    renewal::run(server, report).await?;
    commands::run(server, report).await?;
    quorum::run(rounds, report).await
}

/// Plays a part until its input ends.
pub(crate) async fn play(part: Part) -> anyhow::Result<()> {
    match part {
        Part::Worker(options) => worker::run(options).await,
        Part::Writers(options) => writers::run(options).await,
    }
}

/// Locks over connections of their own.
async fn locks(url: &str) -> anyhow::Result<Locks> {
    Ok(Locks::new(store::open(url, &StoreOptions::default()).await?))
}

/// How locks are measured: as they come.
fn options() -> LockOptions {
    LockOptions { lease: Some(LEASE), ..LockOptions::default() }
}
