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

/// How many cycles of one lock follow each other before it is another's turn. A kernel that finds two processes waking each other puts them
/// on one processor or on two as it happens, and in long turns one side can have the one and the other the other: hops of 35 µs and of 110.
const TURN: usize = 10;

/// Measures the wanted `lock-*` cases in which one task takes and releases a lock. To be called on a runtime of one thread, as in the processes
/// that hand a lock over: else most of what is measured, of both sides, is how threads wake each other.
pub(crate) async fn run_alone(server: &Server, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    uncontended::run(server, rounds, report).await?;
    quorum::run(report).await
}

/// Measures the wanted other `lock-*` cases.
pub(crate) async fn run(server: &Server, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    handoff::run(server, rounds, report).await?;
    local::run(server, rounds, report).await?;
    renewal::run(server, report).await?;
    commands::run(server, report).await
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
