//! Locks under faults.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use xshell::cmd;

use crate::packages;
use crate::steps::Steps;

/// The program that does it.
const PROGRAM: &str = "bellwether-chaos";

/// What the short run among the tests is started with: always the same faults, and about two minutes in all.
const SHORT: [&str; 4] = ["--seed", "11", "--seconds", "75"];

/// Uses locks from many processes while servers, network and clients are made to fail, and checks what happened.
///
/// Prints a table for each topology: what was acquired, how often two held at once, which writes came with an old fence, how long
/// anybody waited. Fails if a promise was broken; docs/locks.md says which kind of lock promises what. The seed is printed, and
/// `--seed` brings the same faults again. Clocks are only stepped where libfaketime is installed.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How long faults go on, all topologies together.
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// What all choices come from.
    #[arg(long)]
    seed: Option<u64>,
    /// A kind of lock, as `simple`; can be given again. All kinds if none is given.
    #[arg(long)]
    kind: Vec<String>,
    /// `single`, `sentinel` or `cluster`; can be given again. All three if none is given.
    #[arg(long)]
    topology: Vec<String>,
    /// A fault of servers by its name in the report, as `split`; can be given again. All if none is given.
    #[arg(long)]
    fault: Vec<String>,
    /// Prints the schedule of faults, and does nothing.
    #[arg(long)]
    plan: bool,
    /// Keeps the history of every run in this directory. Otherwise only that of a run that broke a promise is kept.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// Runs the chore.
pub(crate) fn run(steps: &Steps, options: &Options) -> Result<()> {
    packages::ensure_redis(steps)?;
    let seconds = (options.minutes * 60).to_string();
    let mut flags = vec!["--seconds".into(), seconds];
    flags.extend(options.seed.iter().flat_map(|seed| ["--seed".into(), seed.to_string()]));
    flags.extend(options.kind.iter().flat_map(|kind| ["--kind".into(), kind.clone()]));
    flags.extend(options.topology.iter().flat_map(|topology| ["--topology".into(), topology.clone()]));
    flags.extend(options.fault.iter().flat_map(|fault| ["--fault".into(), fault.clone()]));
    flags.extend(options.plan.then(|| "--plan".into()));
    flags.extend(options.keep.iter().flat_map(|keep| ["--keep".into(), keep.display().to_string()]));
    let shell = steps.shell();
    Ok(cmd!(shell, "cargo run --quiet --package {PROGRAM} -- run {flags...}").run()?)
}

/// The short run among the tests.
pub(crate) fn short(steps: &Steps) -> Result<()> {
    let shell = steps.shell();
    // As a test of it is built, with the features that all tests have: `cargo build` leaves out those that only tests need, and would
    // compile everything once more for the others.
    cmd!(shell, "cargo test --workspace --test plan --no-run").run()?;
    let program = steps.target().join("debug").join(PROGRAM);
    Ok(cmd!(shell, "{program} run {SHORT...}").run()?)
}
