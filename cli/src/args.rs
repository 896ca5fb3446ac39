//! The command line as a whole.

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::settings::{Settings, VARIABLES};
use crate::{cache, caches, lock, locks, run};

/// Runs guests with locks and caches, and looks into both from a shell.
///
/// Guests are WebAssembly components that import the interfaces `lock` and `cache`. The commands for one entry or one lock go
/// through the same stages and the same names as guests do: what a guest stored, `get` prints; what a guest locked, `lock` waits for.
#[derive(Debug, Parser)]
#[command(name = "bellwether", version, arg_required_else_help = true, propagate_version = true, after_help = EXAMPLES, after_long_help = LONG)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) settings: Settings,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// The arguments of this process; ends it if they cannot be what they are. Empty variables of the environment count as unset.
    pub(crate) fn of_process() -> Self {
        let mut command = Self::command();
        for (argument, variable) in VARIABLES {
            if std::env::var_os(variable).is_some_and(|value| value.is_empty()) {
                command = command.mut_arg(argument, |argument| argument.env(Resettable::Reset));
            }
        }
        let cli = Self::from_arg_matches(&command.clone().get_matches());
        cli.unwrap_or_else(|why| why.format(&mut command).exit())
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(run::Options),
    Get(cache::Get),
    Set(cache::Set),
    Delete(cache::Delete),
    Ttl(cache::Ttl),
    Cache(caches::Options),
    Lock(lock::Options),
    Locks(locks::Options),
    /// Prints the completions of a shell.
    #[command(after_help = "Example:\n  bellwether completions bash > ~/.local/share/bash-completion/completions/bellwether")]
    Completions {
        /// Which shell.
        shell: Shell,
    },
}

/// The examples, before what else a help text says.
macro_rules! examples_and {
    ($rest:literal) => {
        concat!(
            "\
Examples:
  bellwether run app.wasm -- report.json
  export BELLWETHER_STORE=redis://127.0.0.1:6379
  bellwether set prices apple '{\"eur\": 1.20}' --expire 10m
  bellwether get prices apple
  bellwether cache stats prices
  bellwether lock nightly --wait 10s -- ./backup.sh
  bellwether locks

",
            $rest
        )
    };
}

const EXAMPLES: &str =
    examples_and!("See `bellwether COMMAND --help` for each command, and `bellwether --help` for stores and exit statuses.");

const LONG: &str = examples_and!(
    "\
Stores:
  memory:                                      within this process; the default of `run`
  redis://[USER:PASSWORD@]HOST[:PORT][/DB]     a Redis server
  redis+sentinel://HOST[:PORT],HOST…/SERVICE   the primary that Sentinels know by this name
  redis+cluster://HOST[:PORT],HOST…            a Redis Cluster, found from any of its nodes
  rediss://, rediss+sentinel://, rediss+cluster://
                                               the same over TLS

Exit statuses:
  0    done; `run` and `lock` end with the status of the guest or command,
       which is 128 + N if signal N ended it
  1    there is no such entry; nobody holds the lock to break, or it was
       left as it is
  2    the command line, a name or a value cannot be what it is
  65   stored bytes cannot be read
  66   a file cannot be read
  69   the store cannot be reached, did not answer in time, or refuses;
       of `lock`, also if only the release failed: the command succeeded
  70   a stage failed
  71   the system refused something this program needs
  73   a value or key is over its limit, or the store is full
  75   somebody else held the lock until the wait was over, or by the time
       it was to be broken
  77   the platform's configuration does not allow it
  78   the configuration cannot be used
  79   the lock was lost while the command ran
  124  the guest ran into its deadline
  126  the component or command cannot be run
  127  there is no such component or command
  134  the guest trapped"
);
