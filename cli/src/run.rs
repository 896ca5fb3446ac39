//! `bellwether run`: a guest, with the standard streams and the exit status of this program.

use std::io::{self, IsTerminal};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bellwether::guest::{Directory, Grant};
use bellwether::runtime::Input;
use bellwether::{Guest, GuestError, GuestLimits, GuestRun, Runtime};
use clap::Args;

use crate::failure::{Failure, status};
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::signals::{self, Signals};
use crate::stages::Stages;
use crate::{cache, output, time};

/// Runs a guest: a WebAssembly component with locks and caches to import.
///
/// Its standard streams and its exit status are those of this program. It may open every lock and every cache under the prefix
/// unless the configuration says otherwise; of the machine it sees what --dir, --env and --network give it, and nothing else.
/// A guest that traps is named on stderr with its message and backtrace, and the exit status is 134. Whatever becomes of it, its
/// locks are released.
///
/// What is stable of `wasi:cli` knows success and failure only: a guest that ends by `exit`, as `std::process::exit(7)` of Rust does, has the
/// status 0 or 1.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The component, a .wasm file.
    component: PathBuf,

    #[command(flatten)]
    stages: Stages,

    /// Runs the guest this many times, one after the other, in this process; says how long each run took. Standard input that is
    /// no terminal is read first, and each run gets all of it.
    #[arg(long, value_name = "N", default_value = "1", value_parser = times)]
    repeat: NonZeroU32,

    /// Lets the guest read a directory, under the same name or another.
    #[arg(long, value_name = "HOST[::GUEST]")]
    dir: Vec<String>,

    /// Lets the guest read and change a directory.
    #[arg(long, value_name = "HOST[::GUEST]")]
    rw_dir: Vec<String>,

    /// Gives the guest a variable; by its name alone, this program's own.
    #[arg(long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,

    /// Lets the guest use the network.
    #[arg(long)]
    network: bool,

    /// Ends a guest that runs for longer.
    #[arg(long, value_name = "TIME", value_parser = time::parse_some, allow_hyphen_values = true)]
    timeout: Option<Duration>,

    #[command(flatten)]
    metrics: Metrics,

    /// The guest's arguments.
    #[arg(trailing_var_arg = true)]
    args: Vec<String>,
}

const EXAMPLES: &str = "\
Examples:
  bellwether run app.wasm -- report.json
  bellwether run app.wasm --dir ./data::/data --env LANG -- /data/report.json
  bellwether run app.wasm --serializer msgpack.wasm --compressor lz4.wasm
  bellwether run app.wasm --repeat 2     cold and warm, with the memory store";

/// Runs the guest.
pub(crate) async fn run(settings: &Settings, options: &Options) -> Result<u8, Failure> {
    let mut signals = Signals::listen()?;
    options.metrics.serve()?;
    let env = options.env.iter().map(|given| variable(given)).collect::<Result<Vec<_>, _>>()?;
    let prepare = async {
        let runtime = settings.runtime(&options.stages).await?;
        let guest = load(&runtime, &options.component).await?;
        let stdin = if options.repeat.get() > 1 && !io::stdin().is_terminal() {
            Input::Bytes(cache::read_stdin(u64::MAX).await?.into())
        } else {
            Input::Inherit
        };
        Ok::<_, Failure>((runtime, guest, stdin))
    };
    let (runtime, guest, stdin) = tokio::select! {
        prepared = prepare => prepared?,
        signal = signals.next() => return Ok(signals::exit_status(signal.as_raw())),
    };
    let run = GuestRun {
        args: options.args.clone(),
        env,
        grant: Some(options.grant(runtime.grant().clone())),
        limits: Some(GuestLimits {
            deadline: options.timeout.or(runtime.guest_limits().deadline),
            ..runtime.guest_limits().clone()
        }),
        ..GuestRun::default()
    }
    .inherit_stdio()
    .stdin(stdin);
    let status = tokio::select! {
        status = repeat(&guest, &run, options.repeat) => status,
        // Dropping the run ends the guest.
        signal = signals.next() => Ok(signals::exit_status(signal.as_raw())),
    };
    if signals.farewell(runtime.shutdown()).await.is_none() {
        output::note(
            "locks of the guest may not be released, for the store has not answered: their leases end them, and one without a lease stays",
        );
    }
    status
}

async fn load(runtime: &Runtime, component: &std::path::Path) -> Result<Guest, Failure> {
    // Told apart from a component that cannot be used.
    if let Err(why) = std::fs::File::open(component) {
        return Err(Failure::new(status::NOT_FOUND, format!("cannot read the component {}: {why}", component.display())));
    }
    let (runtime, component) = (runtime.clone(), component.to_owned());
    let loaded = tokio::task::spawn_blocking(move || runtime.load(component)).await;
    Ok(loaded.map_err(|why| Failure::system("cannot compile the component", &why))??)
}

/// Runs the guest until it fails, at most so many times.
async fn repeat(guest: &Guest, run: &GuestRun, times: NonZeroU32) -> Result<u8, Failure> {
    for turn in 1..=times.get() {
        let began = Instant::now();
        let status = guest.run(run.clone()).await?;
        if times.get() > 1 {
            output::note(&format!("run {turn} of {times} took {:.1} ms", began.elapsed().as_secs_f64() * 1000.0));
        }
        if !status.success() {
            return Ok(status.code());
        }
    }
    Ok(0)
}

impl Options {
    /// What the guest may do: what the platform grants, and the flags besides.
    fn grant(&self, mut grant: Grant) -> Grant {
        let flags = self.dir.iter().map(|dir| (dir, false)).chain(self.rw_dir.iter().map(|dir| (dir, true)));
        grant.directories.extend(flags.map(|(dir, write)| {
            let (host, guest) = dir.split_once("::").unwrap_or((dir, dir));
            Directory { host: host.into(), guest: guest.to_owned(), write }
        }));
        grant.network |= self.network;
        grant
    }
}

/// A number of runs.
fn times(given: &str) -> Result<NonZeroU32, String> {
    given.parse().map_err(|_| format!("give a whole number from 1 to {}", u32::MAX))
}

/// A variable as `--env` has it.
fn variable(given: &str) -> Result<(String, String), Failure> {
    if let Some((name, value)) = given.split_once('=') {
        return Ok((name.to_owned(), value.to_owned()));
    }
    match std::env::var(given) {
        Ok(value) => Ok((given.to_owned(), value)),
        Err(why) => Err(Failure::usage(format!("--env {given}: {why}; give {given}=VALUE"))),
    }
}

impl From<GuestError> for Failure {
    fn from(error: GuestError) -> Self {
        let status = match &error {
            GuestError::Trapped { .. } | GuestError::Memory { .. } => status::TRAPPED,
            GuestError::Deadline { .. } => status::DEADLINE,
            GuestError::Directory { .. } => status::NO_INPUT,
            _ => status::UNUSABLE,
        };
        let backtrace = error.backtrace().trim_end();
        Self::new(status, if backtrace.is_empty() { error.to_string() } else { format!("{error}\n{backtrace}") })
    }
}
