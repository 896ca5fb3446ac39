//! The figures of the design, each beside its raw reference in the same run.

mod cache;
mod cached;
mod document;
mod herd;
mod lock;
mod measure;
mod processes;
mod report;
#[cfg(feature = "components")]
mod stage;

use clap::{Parser, ValueEnum};
use tokio::runtime;

use self::report::Report;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// How often to repeat each measurement: 7 times if this is not said, and for 30 expiries of herds.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// A part of a measurement that is played in a process of its own: this program, started again.
#[derive(Debug, clap::Subcommand)]
#[command(hide = true)]
enum Part {
    #[command(flatten)]
    Lock(lock::Part),
    /// Reads an entry, and computes it if it is asked to.
    #[command(hide = true)]
    Reader(herd::reader::Options),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What it costs that a stage is a component.
    #[cfg(feature = "components")]
    Stage,
    /// What the pipeline costs beside a bare GET.
    Cache,
    /// How often a value is computed that many want when it expires, and how long they wait.
    Herd,
    /// What it costs that the caller is a guest.
    #[cfg(feature = "components")]
    Guest,
    /// What a lock costs beside a bare SET NX, a hand-over beside a BLPOP, and both beside other libraries.
    Lock,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match args.part {
        Some(Part::Lock(part)) => alone()?.block_on(lock::play(part)),
        Some(Part::Reader(options)) => alone()?.block_on(herd::reader::run(options)),
        None => runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(args)),
    }
}

/// A runtime of one thread.
fn alone() -> std::io::Result<runtime::Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

async fn measure(args: Args) -> anyhow::Result<()> {
    let wanted = |what| args.what.is_empty() || args.what.contains(&what);
    let mut report = Report::new(args.cases.clone(), args.json);
    let server = bellwether_tests::Server::start()?;
    let rounds = args.rounds.map_or(7, usize::from);
    #[cfg(feature = "components")]
    if wanted(What::Stage) {
        let stage = component(args.stage.as_deref())?;
        let mut print = |figure: measure::Figure| report.print(&figure);
        // On a thread without a runtime every call is made at once, whatever its size.
        std::thread::scope(|scope| scope.spawn(|| stage::run(stage, rounds, &mut print)).join())
            .map_err(|_| anyhow::anyhow!("the measurement of stages panicked"))??;
    }
    if wanted(What::Cache) {
        cache::run(&server.url(), rounds, &mut report).await?;
        #[cfg(feature = "components")]
        cache::components::stage(&server.url(), component(args.stage.as_deref())?, rounds, &mut report).await?;
    }
    #[cfg(feature = "components")]
    if wanted(What::Guest) {
        cache::components::guest(&server.url(), component(args.guest.as_deref())?, rounds, &mut report).await?;
    }
    if wanted(What::Herd) {
        herd::run(&server, args.rounds.map_or(30, usize::from), &mut report).await?;
    }
    if wanted(What::Lock) {
        let (server, report) = (&server, &mut report);
        std::thread::scope(|scope| scope.spawn(|| alone()?.block_on(lock::run_alone(server, rounds, report))).join())
            .map_err(|_| anyhow::anyhow!("the measurement of locks panicked"))??;
        lock::run(server, rounds, report).await?;
    }
    report.finish()
}

#[cfg(feature = "components")]
fn component(given: Option<&std::path::Path>) -> anyhow::Result<&std::path::Path> {
    anyhow::Context::context(given, "say where the components are: --stage, --guest")
}
