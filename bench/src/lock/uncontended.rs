//! `lock-acquire-release`: an uncontended lock, ours and others', beside two bare commands.

use std::time::Duration;

use anyhow::Context as _;
use bellwether::clock::Wait;
use bellwether_tests::Server;

use super::TURN;
use super::contender::{Contender, Side};
use super::fleet::Fleet;
use super::raw::{self, RawLock};
use crate::measure::{Figure, each, median, micros};
use crate::report::Report;

const OURS: &str = "lock-acquire-release";
const RSLOCK: &str = "lock-acquire-release-rslock";
const REDIS_PY: &str = "lock-acquire-release-redis-py";

/// How often each is called in a round.
const CALLS: usize = 1_000;

/// Measures the wanted cases.
pub(super) async fn run(server: &Server, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    if ![OURS, RSLOCK, REDIS_PY].into_iter().any(|case| report.wants(case)) {
        return Ok(());
    }
    let url = server.url();
    let lock = super::locks(&url).await?.open("bench-ours", super::options())?;
    let mut raw = RawLock::connect(&url, "bench-raw").await?;
    let mut rslock = Side::open(Contender::Rslock, &url, "bench-rslock").await?;
    let mut redis_py = python(&url, report).await;

    let (mut ours, mut theirs, mut of_rslock, mut of_redis_py) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        for _ in 0..CALLS / TURN {
            let cycle = async || {
                let guard = lock.acquire(Wait::None).await?.context("the lock is held by somebody else")?;
                Ok(guard.release().await?)
            };
            ours.extend(each(TURN, cycle).await?);
            theirs.extend(each(TURN, async || raw.cycle().await).await?);
            if report.wants(RSLOCK) {
                let cycle = async || {
                    rslock.acquire().await?;
                    rslock.release().await
                };
                of_rslock.extend(each(TURN, cycle).await?);
            }
        }
        if let Some(redis_py) = &mut redis_py {
            redis_py.order(0, &format!("cycles {CALLS}\n")).await?;
            of_redis_py.extend(redis_py.cycles().await?);
        }
    }
    let reference = micros(median(&mut theirs));
    let mut figure = |case, times: &mut Vec<Duration>, goal| {
        if times.is_empty() {
            return Ok(());
        }
        let figure = Figure::new(case, "µs", (micros(median(times)), reference), times.len());
        report.print(&figure.against(raw::NAME).goal(goal))
    };
    figure(OURS, &mut ours, "≤ 1.15 ×")?;
    figure(RSLOCK, &mut of_rslock, "report")?;
    figure(REDIS_PY, &mut of_redis_py, "report")
}

/// A worker with the lock of redis-py, if that is wanted and can be had.
async fn python(url: &str, report: &mut Report) -> Option<Fleet> {
    if !report.wants(REDIS_PY) {
        return None;
    }
    match Fleet::start(Contender::RedisPy, 1, url, "bench-redis-py").await {
        Ok(fleet) => Some(fleet),
        Err(why) => {
            report.skip(REDIS_PY, &why);
            None
        }
    }
}
