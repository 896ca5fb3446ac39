//! `lock-local-1000`: many tasks of one process that want one lock, beside one task that has it for itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bellwether::clock::Wait;
use bellwether::lock::{Lock, Locks};
use bellwether_tests::Server;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::measure::Figure;
use crate::report::Report;

const CASE: &str = "lock-local-1000";
const TASKS: usize = 1_000;

/// How long cycles are counted in a round, and how long all may take before that until they wait.
const COUNTED: Duration = Duration::from_secs(1);
const SETTLE: Duration = Duration::from_millis(500);

/// Measures the case if it is wanted.
pub(super) async fn run(server: &Server, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    if !report.wants(CASE) {
        return Ok(());
    }
    let locks = super::locks(&server.url()).await?;
    let (mut many, mut one) = (Vec::new(), Vec::new());
    let mut counted = 0;
    for _ in 0..rounds {
        let (cycles, rate) = cycles(&locks, TASKS).await?;
        counted += cycles;
        many.push(rate);
        one.push(self::cycles(&locks, 1).await?.1);
    }
    let figure = Figure::new(CASE, "cycles/s", (middle(&mut many), middle(&mut one)), counted);
    report.print(&figure.against("one task, uncontended").goal("≥ 0.5 ×"))
}

/// How many acquires and releases `tasks` tasks did while they were counted, and how many a second.
async fn cycles(locks: &Locks, tasks: usize) -> anyhow::Result<(usize, f64)> {
    let lock = locks.open(&format!("bench-local-{tasks}"), super::options())?;
    let (done, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut running = JoinSet::new();
    for _ in 0..tasks {
        running.spawn(cycle(lock.clone(), Arc::clone(&done), Arc::clone(&over)));
    }
    sleep(SETTLE).await;
    let (before, began) = (done.load(Ordering::Relaxed), Instant::now());
    sleep(COUNTED).await;
    let (after, took) = (done.load(Ordering::Relaxed), began.elapsed());
    over.store(true, Ordering::Relaxed);
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let cycles = after - before;
    #[allow(clippy::cast_precision_loss, reason = "a count of cycles")]
    let rate = cycles as f64 / took.as_secs_f64();
    Ok((cycles, rate))
}

async fn cycle(lock: Lock, done: Arc<AtomicUsize>, over: Arc<AtomicBool>) -> anyhow::Result<()> {
    while !over.load(Ordering::Relaxed) {
        let guard = lock.acquire(Wait::Forever).await?.context("it waits for ever, and gave up")?;
        guard.release().await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn middle(rates: &mut [f64]) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}
