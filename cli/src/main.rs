//! The `bellwether` program: runs guests, and looks into caches and locks from a shell.

use std::process::ExitCode;

use crate::args::{Cli, Command};
use crate::failure::Failure;

mod args;
mod cache;
mod caches;
mod child;
mod failure;
mod lock;
mod locks;
mod metrics;
mod output;
mod prompt;
mod run;
mod settings;
mod signals;
mod stages;
mod time;
mod value;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::of_process();
    output::trace(cli.settings.verbose, &cli.command);
    let status = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(tokio) => {
            let done = tokio.block_on(dispatch(cli));
            // A read of standard input that is still under way would keep the program from ending.
            tokio.shutdown_background();
            done
        }
        Err(why) => Err(Failure::system("cannot start threads", &why)),
    };
    ExitCode::from(status.unwrap_or_else(|failure| {
        output::complain(&failure);
        failure.status()
    }))
}

/// Performs a command; the answer is the program's exit status.
async fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let settings = &cli.settings;
    match &cli.command {
        Command::Run(command) => run::run(settings, command).await,
        Command::Get(command) => cache::get(settings, command).await,
        Command::Set(command) => cache::set(settings, command).await,
        Command::Delete(command) => cache::delete(settings, command).await,
        Command::Ttl(command) => cache::ttl(settings, command).await,
        Command::Cache(command) => caches::cache(settings, command).await,
        Command::Lock(command) => lock::lock(settings, command).await,
        Command::Locks(command) => locks::locks(settings, command).await,
        Command::Completions { shell } => output::completions(*shell),
    }
}
