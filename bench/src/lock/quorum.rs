//! `lock-quorum`: a lock that a majority of the replicas was seen to hold, beside bare commands to the primary alone; and
//! `lock-quorum-raw`, beside the same: what bare commands take that ask the replicas too, which is the least that such a lock can take.
//! Each with nobody else there, and with writers that load all primaries.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::clock::Wait;
use bellwether::lock::{Kind, Lock, LockOptions};
use bellwether_tests::{Cluster, Server};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

use super::TURN;
use super::raw::{self, RawLock};
use crate::measure::{Figure, each, median, micros};
use crate::processes::this_program;
use crate::report::Report;

/// How many attempts there are, idle and loaded.
const ATTEMPTS: usize = 10_000;

/// How many write while it is loaded.
const WRITERS: &str = "50";

/// A case, the same by bare commands, and whether writers load the cluster meanwhile.
const CASES: [(&str, &str, bool); 2] =
    [("lock-quorum", "lock-quorum-raw", false), ("lock-quorum-loaded", "lock-quorum-raw-loaded", true)];

/// Measures the wanted cases.
pub(super) async fn run(report: &mut Report) -> anyhow::Result<()> {
    let cases = CASES.map(|(case, bare, loaded)| (case, report.wants(case) || report.wants(&failed(case)), bare, loaded));
    if cases.iter().all(|(_, wanted, bare, _)| !wanted && !report.wants(bare)) {
        return Ok(());
    }
    let cluster = Cluster::start()?;
    let options = LockOptions { kind: Kind::Quorum, ..super::options() };
    let lock = super::locks(&cluster.url()).await?.open("bench-quorum", options)?;
    // In the slot of the lock, so that all have the same primary.
    let key = "{bench-quorum}raw";
    let mut raw = RawLock::connect(&cluster.primary_of(key)?.url(), key).await?;
    let replicas = raw::readonly(cluster.replicas_of(key)?.into_iter().map(Server::url)).await?;
    for (case, wanted, bare, loaded) in cases {
        let wants_bare = report.wants(bare);
        if !wanted && !wants_bare {
            continue;
        }
        let writers = if loaded { Some(writers(&cluster).await?) } else { None };
        let mut tried = Tried::default();
        let (mut confirmed, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ATTEMPTS / TURN {
            if wanted {
                tried.attempt(&lock).await?;
            }
            if wants_bare {
                confirmed.extend(each(TURN, async || raw.confirmed_cycle(&replicas).await).await?);
            }
            theirs.extend(each(TURN, async || raw.cycle().await).await?);
        }
        drop(writers);
        let reference = micros(median(&mut theirs));
        if wants_bare {
            let figure = Figure::new(bare, "µs", (micros(median(&mut confirmed)), reference), confirmed.len());
            report.print(&figure.against(raw::NAME).goal("report"))?;
        }
        if wanted {
            tried.print(case, reference, report)?;
        }
    }
    Ok(())
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
    async fn attempt(&mut self, lock: &Lock) -> anyhow::Result<()> {
        for _ in 0..TURN {
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
