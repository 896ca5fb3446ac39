//! The figures of the design, measured.

use anyhow::{Result, anyhow};
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
    /// Prints the figures of this case only, or of all that begin so if it ends in `*`. Can be repeated.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// Prints a line of JSON for each figure: case, value, unit, reference, ratio, n.
    #[arg(long)]
    json: bool,
    /// How often each measurement is repeated: 7 times if this is not said, and for 30 expiries of herds.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What it costs that a stage is a component.
    Stage,
    /// What the pipeline costs beside a bare GET.
    Cache,
    /// How often a value is computed that many want when it expires, and how long they wait.
    Herd,
    /// What it costs that the caller is a guest.
    Guest,
    /// What a lock costs beside a bare SET NX, a hand-over beside a BLPOP, and both beside other libraries.
    Lock,
}

/// Runs the chore.
pub(crate) fn run(steps: &Steps, options: &Options) -> Result<()> {
    let what = options.groups()?;
    let locks = what.is_empty() || what.contains(&What::Lock);
    // What locks and herds need is built without wasmtime, in a fraction of the time.
    let components = what.is_empty() || what.iter().any(|what| !matches!(what, What::Lock | What::Herd));
    if locks {
        packages::ensure_all(steps)?;
    } else {
        packages::ensure_redis(steps)?;
    }

    let shell = steps.shell();
    let mut command = cmd!(shell, "cargo run --quiet --release --package bellwether-bench --features peers");
    if components {
        let built = components::build(steps, &components::BENCH)?;
        command = command.arg("--").arg("--stage").arg(built.of("bench-stage")).arg("--guest").arg(built.of("bench-guest"));
    } else {
        command = command.args(["--no-default-features", "--"]);
    }
    let names = what.iter().filter_map(What::to_possible_value);
    command = command.args(names.map(|name| name.get_name().to_owned()));
    command = command.args(options.cases.iter().flat_map(|case| ["--case", case.as_str()]));
    let rounds = options.rounds.map(|rounds| format!("--rounds={rounds}"));
    command = command.args(rounds).args(options.json.then_some("--json"));
    let note = if components { " (the first time this compiles wasmtime, optimised)" } else { "" };
    steps.step(&format!("measuring{note}"), || Ok(command.run()?))
}

impl Options {
    /// What to measure: what is named, or else what the cases are of, or else everything.
    fn groups(&self) -> Result<Vec<What>> {
        if !self.what.is_empty() {
            return Ok(self.what.clone());
        }
        let group = |case: &String| {
            let name = match case.split('-').next().unwrap_or_default().trim_end_matches('*') {
                "near" if case == "near-hit-guest" => "guest",
                "near" | "entry" => "cache",
                "herd" if case == "herd-claim" => "cache",
                name => name,
            };
            What::from_str(name, false).map_err(|_| anyhow!("no figure is called {case}"))
        };
        let mut groups = self.cases.iter().map(group).collect::<Result<Vec<_>>>()?;
        groups.dedup();
        Ok(groups)
    }
}
