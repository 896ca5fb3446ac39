//! The figures of the design, each beside its raw reference in the same run.

#[cfg(feature = "components")]
mod cache;
#[cfg(feature = "components")]
mod document;
mod lock;
mod measure;
mod report;
#[cfg(feature = "components")]
mod stage;

use clap::{Parser, ValueEnum};
use tokio::runtime;

use self::report::Report;

/// Measures figures and prints each beside its raw reference.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    /// What to measure; everything if nothing is named.
    what: Vec<What>,
    /// The component `bench-stage`.
    #[cfg(feature = "components")]
    #[arg(long, value_name = "FILE")]
    stage: Option<std::path::PathBuf>,
    /// The component `bench-guest`.
    #[cfg(feature = "components")]
    #[arg(long, value_name = "FILE")]
    guest: Option<std::path::PathBuf>,
    /// Print the figures of this case only, or of all that begin so if it ends in `*`. Can be repeated.
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// Print one line of JSON a figure.
    #[arg(long)]
    json: bool,
    /// How often to repeat each measurement.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    #[command(subcommand)]
    part: Option<lock::Part>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What it costs that a stage is a component.
    #[cfg(feature = "components")]
    Stage,
    /// What the pipeline costs beside a bare GET.
    #[cfg(feature = "components")]
    Cache,
    /// What it costs that the caller is a guest.
    #[cfg(feature = "components")]
    Guest,
    /// What a lock costs beside a bare SET NX, a hand-over beside a BLPOP, and both beside other libraries.
    Lock,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match args.part {
        Some(part) => runtime::Builder::new_current_thread().enable_all().build()?.block_on(lock::play(part)),
        None => runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(args)),
    }
}

async fn measure(args: Args) -> anyhow::Result<()> {
    let wanted = |what| args.what.is_empty() || args.what.contains(&what);
    let mut report = Report::new(args.cases.clone(), args.json);
    let server = bellwether_tests::Server::start()?;
    let rounds = usize::from(args.rounds);
    #[cfg(feature = "components")]
    {
        use anyhow::Context as _;

        let mut print = |figure: measure::Figure| report.print(&figure);
        let component =
            |given: &Option<std::path::PathBuf>| given.clone().context("say where the components are: --stage, --guest");
        if wanted(What::Stage) {
            let stage = component(&args.stage)?;
            // On a thread without a runtime every call is made at once, whatever its size.
            std::thread::scope(|scope| scope.spawn(|| stage::run(&stage, rounds, &mut print)).join())
                .map_err(|_| anyhow::anyhow!("the measurement of stages panicked"))??;
        }
        if wanted(What::Cache) {
            cache::run(&server.url(), &component(&args.stage)?, rounds, &mut print).await?;
        }
        if wanted(What::Guest) {
            cache::guest(&server.url(), &component(&args.guest)?, rounds, &mut print).await?;
        }
    }
    if wanted(What::Lock) {
        lock::run(&server, rounds, &mut report).await?;
    }
    report.finish()
}
