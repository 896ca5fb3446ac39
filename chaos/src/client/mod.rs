//! The client program: takes locks, holds them, writes under them and lets them go, and writes down what happened.
//!
//! One JSON line an event goes to standard output. The end of standard input tells it to come to an end.

use std::io::Read;
use std::time::Duration;

use anyhow::Result;
use bellwether::lock::Locks;
use bellwether::store::{self, StoreOptions};
use clap::Args;
use tokio::sync::watch;

use crate::kind::Kind;

mod journal;
mod stay;
mod taken;
mod way;
mod worker;

use journal::Journal;
pub(crate) use taken::is_held;
use worker::Worker;

/// How long a connection and an operation may take.
pub(crate) const STORE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long releases in the background may take once all is well.
const SETTLES: Duration = Duration::from_secs(8);

/// How many tasks of a client use the locks of each kind.
pub(crate) const WORKERS: usize = 2;

/// How a client process is started.
#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Where the locks are.
    #[arg(long)]
    pub(crate) store: String,
    /// The port of the register.
    #[arg(long)]
    pub(crate) register: u16,
    /// The number of this process.
    #[arg(long)]
    pub(crate) process: u32,
    /// What all its choices come from.
    #[arg(long)]
    pub(crate) seed: u64,
    /// How many tasks use the locks of each kind.
    #[arg(long, default_value_t = WORKERS)]
    pub(crate) workers: usize,
    /// The kinds of locks it uses.
    #[arg(long)]
    pub(crate) kind: Vec<Kind>,
}

/// Runs until told to end.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let stop = watch_input();
    let store_options = StoreOptions { connect_timeout: STORE_TIMEOUT, response_timeout: STORE_TIMEOUT };
    let store = loop {
        // It may be started in the middle of a fault.
        match store::open(&options.store, &store_options).await {
            Ok(store) => break store,
            Err(_) if *stop.borrow() => return Ok(()),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    let locks = Locks::new(store);
    let journal = Journal::new(options.process);
    let mut tasks = tokio::task::JoinSet::new();
    for (number, kind) in options.kind.iter().flat_map(|kind| (0..options.workers).map(move |_| *kind)).enumerate() {
        let seed = options.seed.wrapping_mul(1_000_003).wrapping_add(u64::try_from(number)?);
        let worker = Worker::new(kind, &locks, journal.clone(), options.register, fastrand::Rng::with_seed(seed)).await?;
        tasks.spawn(worker.run(stop.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    tokio::time::timeout(SETTLES, locks.settled()).await?;
    Ok(())
}

/// Turns true when the input ends: when the harness says so, or is gone.
fn watch_input() -> watch::Receiver<bool> {
    let (tell, told) = watch::channel(false);
    // A thread of its own: reading standard input blocks, and must not keep the runtime from ending.
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        tell.send_replace(true);
    });
    told
}
