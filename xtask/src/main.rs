//! The chores of this workspace, as `cargo xtask CHORE`.

use clap::{Parser, Subcommand};

mod bench;
mod chaos;
mod components;
mod demo;
mod fuzz;
mod packages;
mod redis;
mod steps;
mod test;
mod toolchain;

/// The chores of this workspace.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", after_help = EXAMPLES)]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask demo                                  the example application, cold and warm; needs nothing but rustup
  cargo xtask demo --store redis://127.0.0.1:6379   the same on a server, from two processes that share one cache
  cargo xtask redis --cluster                       a local Redis Cluster to play with, until Ctrl-C
  cargo xtask bench cache --json                    figures of caches beside their raw references, a line of JSON each
  cargo xtask bench herd --rounds 5                 how often four processes compute a value that expires, and how long they wait
  cargo xtask chaos --minutes 30 --seed 7           locks on real servers that are made to fail, and what became of them
  cargo xtask fuzz --seconds 60                     readers of foreign bytes, tried with bytes that libFuzzer makes up
  cargo xtask test                                  everything that must pass before a change is merged";

#[derive(Debug, Subcommand)]
enum Chore {
    Demo(demo::Options),
    Test(test::Options),
    Redis(redis::Options),
    Bench(bench::Options),
    Chaos(chaos::Options),
    Fuzz(fuzz::Options),
    /// Builds the example guests and stages as WebAssembly components.
    Components,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let steps = steps::Steps::new()?;
    match args.chore {
        Chore::Demo(options) => demo::run(&steps, &options),
        Chore::Test(options) => test::run(&steps, &options),
        Chore::Bench(options) => bench::run(&steps, &options),
        Chore::Chaos(options) => chaos::run(&steps, &options),
        Chore::Fuzz(options) => fuzz::run(&steps, &options),
        Chore::Redis(options) => redis::run(&steps, &options),
        Chore::Components => components::build(&steps, &components::EXAMPLES).map(|built| {
            for (_, file) in built.all() {
                println!("{}", file.display());
            }
        }),
    }
}
