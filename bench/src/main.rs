//! The figures of the design, each beside its raw reference in the same run.

mod cache;
mod lock;
mod measure;
mod stage;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Measures figures and prints each beside its raw reference.
#[derive(Debug, Parser)]
struct Args {
    /// What to measure; everything if nothing is named.
    what: Vec<What>,
    /// The component `bench-stage`.
    #[arg(long, value_name = "FILE")]
    stage: PathBuf,
    /// The component `bench-guest`.
    #[arg(long, value_name = "FILE")]
    guest: PathBuf,
    /// Print one line of JSON a figure.
    #[arg(long)]
    json: bool,
    /// How often to repeat each measurement.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What it costs that a stage is a component.
    Stage,
    /// What the pipeline costs beside a bare GET.
    Cache,
    /// What it costs that the caller is a guest.
    Guest,
    /// What a lock costs beside a bare SET NX.
    Lock,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let wanted = |what| args.what.is_empty() || args.what.contains(&what);
    let mut print = |figure: measure::Figure| figure.print(args.json);
    let server = bellwether_tests::Server::start()?;
    if wanted(What::Stage) {
        // On a thread without a runtime every call is made at once, whatever its size.
        std::thread::scope(|scope| scope.spawn(|| stage::run(&args.stage, args.rounds, &mut print)).join())
            .map_err(|_| anyhow::anyhow!("the measurement of stages panicked"))??;
    }
    if wanted(What::Cache) {
        cache::run(&server.url(), &args.stage, args.rounds, &mut print).await?;
    }
    if wanted(What::Guest) {
        cache::guest(&server.url(), &args.guest, args.rounds, &mut print).await?;
    }
    if wanted(What::Lock) {
        lock::run(&server.url(), args.rounds, &mut print).await?;
    }
    Ok(())
}

/// A JSON document of about `size` bytes, such as caches hold: keys that repeat, values that do not.
fn document(size: usize) -> Vec<u8> {
    let mut text = String::from("[");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    while text.len() + 120 < size {
        // xorshift64 (Marsaglia, 2003): the same document in every run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let comma = if text.len() > 1 { "," } else { "" };
        let (id, price) = (state % 1_000_000, state % 9_973);
        let item = format!(r#"{comma}{{"id":{id},"name":"item {state:x}","price":{price},"tags":["new","sale"],"stock":true}}"#);
        text.push_str(&item);
    }
    text.push(']');
    text.into_bytes()
}
