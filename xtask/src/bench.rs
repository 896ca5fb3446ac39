//! The figures of the design, measured.

use anyhow::Result;
use clap::{Args, ValueEnum};
use xshell::cmd;

use crate::components;
use crate::packages;
use crate::steps::Steps;

/// Measures figures and prints each beside its raw reference of the same run.
///
/// Builds everything optimised first. Machines are noisy: compare the ratios, which meet the same machine, and not the absolute
/// values of two runs.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// What to measure; everything if nothing is named.
    what: Vec<What>,
    /// Prints a line of JSON for each figure: case, value, unit, reference, ratio, n.
    #[arg(long)]
    json: bool,
    /// How often each measurement is repeated.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// What it costs that a stage is a component.
    Stage,
    /// What the pipeline costs beside a bare GET.
    Cache,
    /// What it costs that the caller is a guest.
    Guest,
    /// What a lock costs beside a bare SET NX and a compare-and-delete.
    Lock,
}

/// Runs the chore.
pub(crate) fn run(steps: &Steps, options: &Options) -> Result<()> {
    packages::ensure_redis(steps)?;
    let built = components::build(steps, &components::BENCH)?;
    let (stage, guest) = (built.of("bench-stage"), built.of("bench-guest"));
    let names = options.what.iter().filter_map(What::to_possible_value);
    let what: Vec<_> = names.map(|name| name.get_name().to_owned()).collect();
    let rounds = options.rounds.to_string();
    let json = options.json.then_some("--json");
    let shell = steps.shell();
    steps.step("measuring (the first time this compiles wasmtime, optimised)", || {
        let flags = ["--rounds", &rounds];
        let command = cmd!(shell, "cargo run --quiet --release --package bellwether-bench --");
        Ok(command.args(flags).args(json).arg("--stage").arg(stage).arg("--guest").arg(guest).args(what).run()?)
    })
}
