//! Locks under faults. Many client processes take locks on real Redis servers and write under them, while servers, network and
//! clients are made to fail; what happened is written down, and judged against what each kind of lock promises.
//!
//! `cargo xtask chaos` runs this program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

mod check;
mod client;
mod clock;
mod fleet;
mod history;
mod kind;
mod nemesis;
mod network;
mod register;
mod report;
mod site;
mod trial;

use kind::{Kind, Topology};
use trial::Trial;

#[derive(Debug, Parser)]
#[command(version, about = "Locks under faults, and whether they keep their promises")]
struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Starts servers and clients, torments them, and judges what happened.
    Run(Options),
    /// Judges a history that was kept.
    Judge {
        /// What the servers were.
        #[arg(long)]
        topology: Topology,
        /// The history.
        history: PathBuf,
    },
    /// Uses locks and writes down what happens; started by the other.
    #[command(hide = true)]
    Client(client::Options),
}

#[derive(Debug, clap::Args)]
struct Options {
    /// How long faults go on, in seconds, all topologies together.
    #[arg(long, default_value_t = 75)]
    seconds: u64,
    /// What all choices come from: the same seed brings the same faults. One is made up and printed if none is given.
    #[arg(long)]
    seed: Option<u64>,
    /// The kinds of locks; all that there are if none is named.
    #[arg(long)]
    kind: Vec<Kind>,
    /// The topologies, one after the other; all if none is named.
    #[arg(long)]
    topology: Vec<Topology>,
    /// A fault of servers, as `split`; can be given again. All if none is named.
    #[arg(long)]
    fault: Vec<String>,
    /// Prints the schedule of faults, and does nothing.
    #[arg(long)]
    plan: bool,
    /// Keeps the history of every run in this directory, as JSON. Otherwise only that of a run that broke a promise is kept.
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    match Args::parse().role {
        Role::Client(options) => runtime.block_on(client::run(&options)),
        Role::Judge { topology, history } => judge(topology, &history),
        Role::Run(options) => run(&options, runtime.handle()),
    }
}

fn judge(topology: Topology, history: &Path) -> Result<()> {
    let history = serde_json::from_slice(&std::fs::read(history)?)?;
    let verdict = check::check(&history, &trial::rules(topology));
    print!("{}", report::verdict(&verdict));
    ensure!(verdict.broken.is_empty(), "{} promises were broken", verdict.broken.len());
    Ok(())
}

fn run(options: &Options, runtime: &tokio::runtime::Handle) -> Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1_000_000));
    let topologies = chosen(&options.topology);
    let kinds = chosen(&options.kind);
    let (kinds, missing): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|kind| kind.is_built());
    for kind in missing {
        println!("left out: this build has no {} locks", kind.name());
    }
    if bellwether_tests::clock::faketime().is_none() {
        println!("left out: no clock is set, as libfaketime is not installed");
    }
    let time = Duration::from_secs(options.seconds) / u32::try_from(topologies.len())?;
    println!("seed {seed}: the same faults again with --seed {seed}");
    let mut broken = 0;
    for topology in topologies {
        let kinds: Vec<_> = kinds.iter().copied().filter(|kind| kind.works_on(topology)).collect();
        let trial = Trial { topology, kinds, seed, time, faults: options.fault.clone() };
        if options.plan {
            print!("{}", trial.plan());
            continue;
        }
        if trial.kinds.is_empty() {
            continue;
        }
        let outcome = trial.run(runtime)?;
        print!("{}", report::report(&trial, &outcome));
        broken += outcome.verdict.broken.len();
        let kept = if outcome.verdict.broken.is_empty() { options.keep.clone() } else { Some(keep(options)?) };
        if let Some(directory) = kept {
            std::fs::create_dir_all(&directory)?;
            let file = directory.join(format!("{}-{seed}.json", topology.name()));
            std::fs::write(&file, serde_json::to_vec(&outcome.history)?)?;
            println!("  the history is in {}", file.display());
        }
    }
    ensure!(broken == 0, "{broken} promises were broken: try it again with --seed {seed}");
    Ok(())
}

fn keep(options: &Options) -> Result<PathBuf> {
    let beside = std::env::current_exe()?.parent().context("this program is in no directory")?.join("chaos");
    Ok(options.keep.clone().unwrap_or(beside))
}

fn chosen<T: clap::ValueEnum + Clone>(named: &[T]) -> Vec<T> {
    if named.is_empty() { T::value_variants().to_vec() } else { named.to_vec() }
}
