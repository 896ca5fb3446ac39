//! `lock-renewal`: what it costs a process to keep many locks.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::clock::Wait;
use bellwether::lock::Guard;
use bellwether_tests::Server;
use futures_util::future::try_join_all;
use rustix::time::ClockId;
use tokio::time::sleep;

use crate::measure::Figure;
use crate::processes::monotonic;
use crate::report::Report;

const CASE: &str = "lock-renewal";
const GUARDS: usize = 10_000;

/// Two renewals of each guard: a lease is renewed when a third of it is over.
const COUNTED: Duration = Duration::from_secs(20);

/// Until the middle between two renewals, and all that acquiring left to do is done.
const SETTLE: Duration = Duration::from_secs(5);

/// Measures the case if it is wanted.
pub(super) async fn run(server: &Server, report: &mut Report) -> anyhow::Result<()> {
    if !report.wants(CASE) {
        return Ok(());
    }
    let locks = super::locks(&server.url()).await?;
    let mut guards: Vec<Guard> = Vec::with_capacity(GUARDS);
    for names in (0..GUARDS).collect::<Vec<_>>().chunks(100) {
        let acquired = names.iter().map(|n| {
            let lock = locks.open(&format!("bench-renewal-{n}"), super::options());
            async { lock?.acquire(Wait::None).await?.context("the lock is held by somebody else") }
        });
        guards.extend(try_join_all(acquired).await?);
    }
    sleep(SETTLE).await;
    let (used, began) = (monotonic(ClockId::ProcessCPUTime), Instant::now());
    sleep(COUNTED).await;
    let (used, took) = (monotonic(ClockId::ProcessCPUTime).saturating_sub(used), began.elapsed());

    for guard in guards.iter().step_by(GUARDS / 100) {
        let left = guard.remaining().await?.context("a lock has lost its lease")?;
        ensure!(left > super::LEASE / 2, "a lock is not renewed: {left:?} are left");
    }
    drop(guards);
    locks.settled().await;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let figure = Figure::new(CASE, "ms", (milliseconds(used), milliseconds(took)), GUARDS);
    report.print(&figure.against("as long on one core, two renewals of each guard").goal("≤ 0.01 ×"))
}
