//! `lock-handoff-*`: how long it takes from the start of a release to the return of the next acquire, in another process.
//!
//! The workers of a fleet take turns: one holds the lock for [`HOLD`] while all others wait for it, then releases it, and waits
//! for it again only once another has it. So each figure is of real hand-offs, and a lock that can be taken again by whoever
//! has just released it gains nothing by that. It is the same for every contender, and contenders take turns round by round.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::lock::LockOptions;
use bellwether_tests::Server;
use tokio::time::sleep;

use super::contender::Contender;
use super::fleet::Fleet;
use crate::measure::{Figure, micros, percentile};
use crate::report::Report;

/// How many processes take turns.
const SIZES: [usize; 3] = [2, 8, 64];

/// How long a worker holds the lock: long enough for the one before it to be waiting in earnest.
const HOLD: Duration = Duration::from_millis(2);

/// How long all workers of a fleet may take until they wait.
const SETTLE: Duration = Duration::from_millis(100);

/// How many hand-offs a round has at most, and how long it takes at most: those who poll are slow.
const HANDOFFS: usize = 200;
const ROUND: Duration = Duration::from_secs(2);

/// Measures the wanted cases.
pub(super) async fn run(server: &Server, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    for size in SIZES {
        let mut contenders = vec![Contender::Bellwether, Contender::Fair, Contender::RedisPy, Contender::Rslock];
        contenders.retain(|contender| {
            let case = case(*contender, size);
            (*contender != Contender::Fair || size == 8) && (report.wants(&case) || report.wants(&p99(&case)))
        });
        if !contenders.is_empty() {
            among(&contenders, size, server, rounds, report).await?;
        }
    }
    Ok(())
}

/// Measures these contenders beside the raw reference.
async fn among(contenders: &[Contender], size: usize, server: &Server, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    let mut raw = Entrant::start(Contender::Blpop, size, server).await?;
    server.command::<u64>(&["RPUSH", &name(Contender::Blpop, size), "token"])?;
    let mut entrants = Vec::new();
    for &contender in contenders {
        match Entrant::start(contender, size, server).await {
            Ok(entrant) => entrants.push(entrant),
            Err(why) if contender != Contender::Bellwether => report.skip(&case(contender, size), &why),
            Err(why) => return Err(why),
        }
    }
    for _ in 0..rounds {
        for entrant in entrants.iter_mut().chain([&mut raw]) {
            entrant.round().await?;
        }
    }
    for mut entrant in entrants {
        let (middle, tail) = match entrant.contender {
            Contender::Bellwether => ("≤ 1.6 ×", "≤ 5 ×"),
            Contender::Fair => ("≤ 1.2 ×", "≤ 5 ×"),
            _ => ("report", "report"),
        };
        let case = case(entrant.contender, size);
        let mut figure = |case: String, percent| {
            let values = (micros(percentile(&mut entrant.times, percent)), micros(percentile(&mut raw.times, percent)));
            Figure::new(case, "µs", values, entrant.times.len())
        };
        report.print(&figure(case.clone(), 50).against("raw BLPOP hand-off, p50").goal(middle))?;
        report.print(&figure(p99(&case), 99).against("raw BLPOP hand-off, p99").goal(tail))?;
    }
    Ok(())
}

fn case(contender: Contender, size: usize) -> String {
    match contender {
        Contender::Bellwether => format!("lock-handoff-{size}"),
        Contender::Fair => format!("lock-fair-handoff-{size}"),
        other => format!("lock-handoff-{size}-{}", other.name()),
    }
}

fn p99(case: &str) -> String {
    format!("{case}-p99")
}

/// The name of a contender's lock.
fn name(contender: Contender, size: usize) -> String {
    format!("bench-handoff-{size}-{}", contender.name())
}

/// A contender, and how it has done.
struct Entrant {
    contender: Contender,
    fleet: Fleet,
    times: Vec<Duration>,
}

impl Entrant {
    async fn start(contender: Contender, size: usize, server: &Server) -> anyhow::Result<Self> {
        let (url, name) = (server.url(), name(contender, size));
        if contender == Contender::Fair {
            // Said here and not by every worker, should there be none.
            super::locks(&url).await?.open(&name, LockOptions { fair: true, ..super::options() })?;
        }
        Ok(Self { contender, fleet: Fleet::start(contender, size, &url, &name).await?, times: Vec::new() })
    }

    /// Has the workers take turns, and leaves all idle.
    async fn round(&mut self) -> anyhow::Result<()> {
        let fleet = &mut self.fleet;
        for worker in 0..fleet.size() {
            fleet.order(worker, "acquire\n").await?;
        }
        let (mut holder, _) = fleet.acquired().await?;
        sleep(SETTLE).await;
        let began = Instant::now();
        for _ in 0..HANDOFFS {
            fleet.order(holder, "release\n").await?;
            let (next, acquired) = fleet.acquired().await?;
            ensure!(next != holder, "a worker acquired the lock without having been told to");
            fleet.order(holder, "report\nacquire\n").await?;
            let released = fleet.released().await?;
            self.times.push(acquired.checked_sub(released).context("two workers held the lock at once")?);
            holder = next;
            sleep(HOLD).await;
            if began.elapsed() > ROUND {
                break;
            }
        }
        for _ in 1..fleet.size() {
            fleet.order(holder, "release\n").await?;
            holder = fleet.acquired().await?.0;
        }
        fleet.order(holder, "release\nreport\n").await?;
        fleet.released().await.map(drop)
    }
}
