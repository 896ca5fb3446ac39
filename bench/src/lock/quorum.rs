//! `lock-quorum`: a lock that a majority of the replicas was seen to hold, beside bare commands to the primary alone; and
//! `lock-quorum-raw`, beside the same: what bare commands take that ask the replicas too, which is the least that such a lock can take.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::clock::Wait;
use bellwether::lock::{Kind, Lock, LockOptions};
use bellwether_tests::{Cluster, Server};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use super::raw::{self, RawLock};
use crate::measure::{Figure, each, median, micros};
use crate::processes::this_program;
use crate::report::Report;

/// How many attempts there are at least, idle and loaded.
const ATTEMPTS: usize = 10_000;

const RAW: &str = "lock-quorum-raw";

/// How many write while it is loaded.
const WRITERS: &str = "50";

/// Measures the wanted cases.
pub(super) async fn run(rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let cases = [("lock-quorum", false), ("lock-quorum-loaded", true)];
    let wanted = |case: &str| report.wants(case) || report.wants(&failed(case));
    let cases: Vec<_> = cases.into_iter().filter(|(case, _)| wanted(case)).collect();
    if cases.is_empty() && !report.wants(RAW) {
        return Ok(());
    }
    let cluster = Cluster::start()?;
    if report.wants(RAW) {
        let figure = confirmed(&cluster, rounds).await?;
        report.print(&figure.against(raw::NAME).goal("report"))?;
    }
    let options = LockOptions { kind: Kind::Quorum, ..super::options() };
    let lock = match super::locks(&cluster.url()).await?.open("bench-quorum", options) {
        Ok(lock) => lock,
        Err(why) => {
            for (case, _) in cases {
                report.skip(case, &why);
                report.skip(&failed(case), &why);
            }
            return Ok(());
        }
    };
    // In the slot of the lock, so that both have the same primary.
    let mut raw = RawLock::connect(&cluster.primary_of("bench-quorum")?.url(), "{bench-quorum}raw").await?;
    for (case, loaded) in cases {
        let writers = if loaded { Some(writers(&cluster).await?) } else { None };
        let mut tried = Tried::default();
        let mut theirs = Vec::new();
        for _ in 0..rounds {
            let attempts = ATTEMPTS.div_ceil(rounds);
            tried.attempt(&lock, attempts).await?;
            theirs.extend(each(attempts, async || raw.cycle().await).await?);
        }
        drop(writers);
        tried.print(case, micros(median(&mut theirs)), report)?;
    }
    Ok(())
}

/// The steps of a quorum lock by bare commands.
async fn confirmed(cluster: &Cluster, rounds: usize) -> anyhow::Result<Figure> {
    const KEY: &str = "bench-quorum-raw";
    let mut raw = RawLock::connect(&cluster.primary_of(KEY)?.url(), KEY).await?;
    let replicas = raw::readonly(cluster.replicas_of(KEY)?.into_iter().map(Server::url)).await?;
    let calls = ATTEMPTS.div_ceil(rounds);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.extend(each(calls, async || raw.confirmed_cycle(&replicas).await).await?);
        theirs.extend(each(calls, async || raw.cycle().await).await?);
    }
    let samples = ours.len();
    Ok(Figure::new(RAW, "µs", (micros(median(&mut ours)), micros(median(&mut theirs))), samples))
}

fn failed(case: &str) -> String {
    format!("{case}-failed")
}

/// Attempts at a lock that nobody else wants.
#[derive(Default)]
struct Tried {
    times: Vec<Duration>,
    failed: usize,
}

impl Tried {
    async fn attempt(&mut self, lock: &Lock, attempts: usize) -> anyhow::Result<()> {
        for _ in 0..attempts {
            let began = Instant::now();
            match lock.acquire(Wait::None).await {
                Ok(Some(guard)) => {
                    guard.release().await?;
                    self.times.push(began.elapsed());
                }
                Ok(None) | Err(_) => self.failed += 1,
            }
        }
        Ok(())
    }

    fn print(mut self, case: &str, reference: f64, report: &mut Report) -> anyhow::Result<()> {
        let attempts = self.times.len() + self.failed;
        let figure = Figure::new(case, "µs", (micros(median(&mut self.times)), reference), self.times.len());
        report.print(&figure.against(raw::NAME).goal("≤ 1.8 ×"))?;
        #[allow(clippy::cast_precision_loss, reason = "a count of attempts")]
        let counts = (self.failed as f64, attempts as f64);
        report.print(&Figure::new(failed(case), "attempts", counts, attempts).against("all attempts").goal("0"))
    }
}

/// Starts writers, each of which loads one of the primaries. They end when dropped.
async fn writers(cluster: &Cluster) -> anyhow::Result<Child> {
    let mut command = this_program(&["writers", "--tasks", WRITERS])?;
    let primaries = cluster.primaries()?;
    for primary in primaries {
        let mut keys = (0..10_000).map(|n| format!("load-{n}"));
        let key = keys.find(|key| cluster.primary_of(key).is_ok_and(|of_key| of_key.port() == primary.port()));
        command.arg(format!("{}={}", primary.url(), key.context("no key is on one of the primaries")?));
    }
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().context("the writers have no output")?).lines();
    ensure!(lines.next_line().await?.as_deref() == Some("ready"), "the writers cannot write");
    Ok(child)
}
