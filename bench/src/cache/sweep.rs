//! `cache-sweep`: how long another client waits for its answers while a million entries are deleted by a pattern.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use bellwether::cache::{CacheOptions, Caches, StageChoice};
use bellwether::store::{self, StoreOptions};
use redis::Commands as _;

use crate::measure::{Figure, median, micros, percentile};
use crate::report::Report;

const CASE: &str = "cache-sweep-p99";

const ENTRIES: u32 = 1_000_000;

/// How many are set in one call.
const BATCH: u32 = 10_000;

/// How often the other client asks before.
const BEFORE: usize = 20_000;

/// Measures it on the server at `url`, on which nothing else is left.
pub(super) async fn run(url: &str, report: &mut Report) -> anyhow::Result<()> {
    if !report.wants(CASE) {
        return Ok(());
    }
    let options = CacheOptions { compressor: StageChoice::None, ..CacheOptions::default() };
    let cache = Caches::new(store::open(url, &StoreOptions::default()).await?).open("bench-sweep", Some(options))?;
    for batch in 0..ENTRIES / BATCH {
        cache.set_many((0..BATCH).map(|n| (format!("{batch}/{n}"), "x".repeat(100))), None).await?;
    }
    let other = Other::start(url, BEFORE)?;
    let mut before = other.join()?;
    let other = Other::start(url, usize::MAX)?;
    let began = Instant::now();
    let deleted = cache.delete_pattern("*").await?;
    let took = began.elapsed();
    let mut meanwhile = other.join()?;
    ensure!(deleted == u64::from(ENTRIES), "{deleted} of {ENTRIES} were deleted");
    let worst = meanwhile.iter().max().copied().unwrap_or_default();
    let detail = format!(
        "all deleted in {:.1} s, meanwhile p50 {:.0} µs, at most {:.1} ms",
        took.as_secs_f64(),
        micros(median(&mut meanwhile)),
        micros(worst) / 1e3
    );
    let times = (micros(percentile(&mut meanwhile, 99)), micros(percentile(&mut before, 99)));
    report.print(&Figure::new(CASE, "µs", times, meanwhile.len()).of(detail).against("the same before, p99").goal("report"))
}

/// Another client, in a thread of its own, which has one question after another answered.
struct Other {
    over: Arc<AtomicBool>,
    thread: thread::JoinHandle<anyhow::Result<Vec<Duration>>>,
    endless: bool,
}

impl Other {
    fn start(url: &str, times: usize) -> anyhow::Result<Self> {
        let mut connection = redis::Client::open(url)?.get_connection()?;
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut waits = Vec::new();
            while waits.len() < times && !seen.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let _: Option<Vec<u8>> = connection.get("bench-sweep-other")?;
                waits.push(asked.elapsed());
            }
            Ok(waits)
        });
        Ok(Self { over, thread, endless: times == usize::MAX })
    }

    /// How long it waited each time.
    fn join(self) -> anyhow::Result<Vec<Duration>> {
        self.over.store(self.endless, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the other client ended early"))?
    }
}
