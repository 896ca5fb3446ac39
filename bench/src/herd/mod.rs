//! `herd-hot`, `herd-cold` and `herd-p99`: how often a value is computed that many readers want when it expires, and how long they
//! wait meanwhile.
//!
//! [`PROCESSES`] processes of [`READERS`] readers each read one entry of one server. Computing its value takes [`COMPUTES`], and it
//! expires [`EXPIRES`] after it was stored. Each reader reads every [`PACE`], at a moment of its own, so that some 5,100 reads a second
//! ask for it: that is far from what the server can do, and latencies are those of the service and not of a queue. The computation is a
//! pause and takes no processor time from anybody. It is the same for every contender; contenders read one after the other.

use std::time::Duration;

use anyhow::Context as _;
use bellwether_tests::Server;
use tokio::time::timeout;

use self::side::Contender;
use self::tally::Tally;
use crate::cached::Cached;
use crate::measure::{Figure, micros, percentile};
use crate::processes::{Workers, this_program};
use crate::report::Report;

pub(crate) mod reader;
mod side;
mod tally;

const PROCESSES: usize = 4;
const READERS: u32 = 64;

/// How often a reader reads.
const PACE: Duration = Duration::from_millis(50);

/// How long it takes to compute the value.
const COMPUTES: Duration = Duration::from_millis(200);

/// How long after it was stored a value expires.
const EXPIRES: Duration = Duration::from_secs(1);

/// How long after the first all computations of one expiry have ended: they began before that did.
const SETTLE: Duration = Duration::from_millis(500);

const HOT: &str = "herd-hot";
const COLD: &str = "herd-cold";
const P99: &str = "herd-p99";
const P99_CACHED: &str = "herd-p99-cached";

/// Measures the wanted cases over so many expiries.
pub(crate) async fn run(server: &Server, expiries: usize, report: &mut Report) -> anyhow::Result<()> {
    let computations = report.wants(HOT) || report.wants(COLD);
    let peer = if computations || report.wants(P99_CACHED) {
        // Whether it can be had is asked here, before each of its processes would fail for itself.
        let peer = match Cached::open(&server.url(), "bench-herd", None, false).await {
            Ok(_) => herd(Contender::Cached, server, expiries).await,
            Err(why) => Err(why),
        };
        peer.inspect_err(|why| report.skip(P99_CACHED, why)).ok()
    } else {
        None
    };
    if report.wants(HOT) || report.wants(P99) {
        let hot = herd(Contender::Hot, server, expiries).await?;
        report.print(&computed(HOT, &hot, peer.as_ref()))?;
        report.print(&waited(P99, &hot).goal("≤ 3 ×"))?;
    }
    if report.wants(COLD) {
        let cold = herd(Contender::Cold, server, expiries).await?;
        report.print(&computed(COLD, &cold, peer.as_ref()))?;
    }
    if let Some(peer) = &peer {
        report.print(&waited(P99_CACHED, peer).goal("report"))?;
    }
    Ok(())
}

/// Has the processes read until the entry has been computed anew for so many expiries.
async fn herd(contender: Contender, server: &Server, expiries: usize) -> anyhow::Result<Tally> {
    let command = || {
        let mut command = this_program(&["reader", contender.name()])?;
        command.arg(server.url());
        anyhow::Ok(command)
    };
    let commands = (0..PROCESSES).map(|_| command()).collect::<Result<Vec<_>, _>>()?;
    let mut workers = Workers::start(contender.name(), commands)?;
    for _ in 0..PROCESSES {
        let (_, line) = workers.said().await?;
        anyhow::ensure!(line == "ready", "a reader of {} said {line:?}", contender.name());
    }
    workers.order_all("read\n").await?;
    // At the first there is no value that could have expired.
    let mut tally = Tally::default();
    while tally.expiries() < expiries {
        tally.hear(&workers.said().await?.1)?;
    }
    while let Ok(said) = timeout(SETTLE, workers.said()).await {
        tally.hear(&said?.1)?;
    }
    workers.order_all("stop\n").await?;
    while tally.told() < PROCESSES {
        tally.hear(&workers.said().await?.1).context("a reader that was stopped")?;
    }
    Ok(tally)
}

/// How often the value was computed an expiry.
fn computed(case: &str, ours: &Tally, peer: Option<&Tally>) -> Figure {
    let (reference, against) = match peer {
        Some(peer) => (peer.mean(), "the crate `cached`, a mean of as many expiries"),
        None => (1.0, "the least there can be"),
    };
    let figure = Figure::new(case, "times", (ours.mean(), reference), ours.expiries());
    let mut reads = ours.reads(|_| true);
    let [p50, p99] = [50, 99].map(|percent| micros(percentile(&mut reads, percent)));
    let detail = format!("at most {}; {} reads, p50 {p50:.0} µs, p99 {p99:.0} µs", ours.worst(), reads.len());
    figure.against(against).goal("exactly 1").of(detail)
}

/// How long the slowest reads take while the value is computed, and while it is not.
fn waited(case: &str, tally: &Tally) -> Figure {
    let (mut during, mut calm) = (tally.reads(|computed| computed), tally.reads(|computed| !computed));
    let [during_p50, calm_p50] = [&mut during, &mut calm].map(|times| micros(percentile(times, 50)));
    let values = (micros(percentile(&mut during, 99)), micros(percentile(&mut calm, 99)));
    let detail = format!("p50 {during_p50:.0} µs, and {calm_p50:.0} µs while nobody computes");
    Figure::new(case, "µs", values, during.len()).against("p99 while nobody computes").of(detail)
}
