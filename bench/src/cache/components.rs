//! Where the stage or the caller is a component: `cache-throughput-64-zlib`, `guest-1000-gets` and `near-hit-guest`.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::cache::{Caches, StageChoice};
use bellwether::guest::Grant;
use bellwether::runtime::{Capture, Guest, GuestRun, Output, Runtime};
use bellwether::stage::Stages;
use bellwether::stage::component::{StageEngine, StageEngineOptions, StageLimits};
use bellwether::store::{self, StoreOptions};

use super::{KEY, document_value, get, near, prepare, throughput};
use crate::measure::{Figure, median, micros};
use crate::report::Report;

/// How many gets of one entry the guest makes at once.
const GETS: u32 = 1_000;

/// Measures `cache-throughput-64-zlib`.
pub(crate) async fn stage(url: &str, component: &Path, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    const CASE: &str = "cache-throughput-64-zlib";
    if !report.wants(CASE) {
        return Ok(());
    }
    let wasm = std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
    let stage = StageEngine::new(&StageEngineOptions::default())?.load("bench", &wasm, StageLimits::default())?;
    let stages = Stages::builtin().with_compressor("bench", stage.compressor().context("the component has no compressor")?)?;
    let caches = Caches::new(store::open(url, &StoreOptions::default()).await?).with_stages(stages);
    let value = document_value();
    let native = prepare(&caches, "bench-zlib", StageChoice::Default, &value).await?;
    let wasm = prepare(&caches, "bench-wasm", StageChoice::Named("bench".into()), &value).await?;
    let figure = throughput(CASE, get(&wasm), get(&native), rounds).await?;
    report.print(&figure.against("the same natively, 64 tasks").goal("≥ 0.35 ×"))
}

/// Measures what guests do.
pub(crate) async fn guest(url: &str, component: &Path, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    thousand_gets(url, component, rounds, report).await?;
    near_hit(url, component, rounds, report).await
}

/// 1,000 gets at once, from inside a guest and natively.
async fn thousand_gets(url: &str, component: &Path, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    const CASE: &str = "guest-1000-gets";
    if !report.wants(CASE) {
        return Ok(());
    }
    let caches = Caches::new(store::open(url, &StoreOptions::default()).await?);
    let cache = prepare(&caches, "bench-bare", StageChoice::None, &document_value()).await?;
    let runtime = Runtime::builder().store(url).grant(Grant::all()).build().await?;
    let guest = runtime.load(component)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.extend(run(&guest, cache.name()).await?);
        for _ in 0..10 {
            let start = Instant::now();
            let gets = (0..GETS).map(|_| cache.get_cbor(KEY, None));
            for got in futures_util::future::join_all(gets).await {
                ensure!(got?.is_some(), "the entry is gone");
            }
            theirs.push(start.elapsed() / GETS);
        }
    }
    let n = ours.len() * GETS as usize;
    runtime.shutdown().await;
    let figure = Figure::new(CASE, "µs", (micros(median(&mut ours)), micros(median(&mut theirs))), n);
    report.print(&figure.against("the same natively, a get").goal("≤ 2 ×"))
}

/// The same where there are copies in the process.
async fn near_hit(url: &str, component: &Path, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    const CASE: &str = "near-hit-guest";
    if !report.wants(CASE) {
        return Ok(());
    }
    let native = near::open(url, true).await?;
    native.set_cbor(KEY, document_value(), None, None).await?;
    near::copied(&native).await?;
    let runtime = Runtime::builder().store(url).grant(Grant::all()).cache_policy(near::policy(true)).build().await?;
    // Guests run one after the other on what the first has copied.
    near::copied(&runtime.caches().open(near::CACHE, Some(near::options(true)))?).await?;
    let guest = runtime.load(component)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.extend(run(&guest, near::CACHE).await?);
        theirs.push(near::batch(&native).await?);
    }
    let n = ours.len() * GETS as usize;
    let figure = Figure::new(CASE, "µs", (micros(median(&mut ours)), micros(median(&mut theirs))), n);
    runtime.shutdown().await;
    report.print(&figure.against("the same natively").goal("≤ 4 µs"))
}

/// Runs the guest on a cache. Gives how long each of its gets took on average, for each time that it made [`GETS`] at once.
async fn run(guest: &Guest, cache: &str) -> anyhow::Result<Vec<Duration>> {
    let stdout = Capture::default();
    let status = guest.run(GuestRun::default().args([cache, KEY]).stdout(Output::Capture(stdout.clone()))).await?;
    ensure!(status.success(), "the guest ended with {status}");
    let text = stdout.text();
    let times = text.lines().map(|line| {
        let nanos = line.parse().with_context(|| format!("the guest printed {line:?}"))?;
        Ok(Duration::from_nanos(nanos) / GETS)
    });
    times.collect()
}
