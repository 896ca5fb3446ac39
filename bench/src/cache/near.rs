//! `near-*`: copies in the process.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::cache::{Cache, CacheOptions, CachePolicy, Caches, StageChoice};
use bellwether::guest::Grant;
use bellwether::runtime::{Capture, GuestRun, Output, Runtime};
use bellwether::store::{self, StoreOptions};
use redis::AsyncCommands as _;

use super::{KEY, document_value};
use crate::measure::{Figure, each, median, micros, percentile};

const CACHE: &str = "bench-near";

/// How often each is called in a round.
const CALLS: u32 = 20_000;

/// Measures `near-hit` and `near-stale`.
pub(super) async fn run(url: &str, rounds: usize, print: &mut dyn FnMut(Figure) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let (near, far) = (open(url, true).await?, open(url, false).await?);
    let value = document_value();
    far.set_cbor(KEY, value.clone(), None, None).await?;
    copied(&near).await?;
    let mut raw = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let stored = far.entry_key(KEY).await?;
    let (mut hits, mut gets) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        hits.push(batch(&near).await?);
        let get = async || raw.get::<_, Option<Vec<u8>>>(&stored).await?.context("the entry is gone").map(drop);
        gets.extend(each(1_000, get).await?);
    }
    let figure = Figure::new("near-hit", "µs", (micros(median(&mut hits)), micros(median(&mut gets))), rounds * CALLS as usize);
    print(figure.against("raw GET of the same bytes, p50").goal("≤ 1 µs"))?;

    // From the answer to a write elsewhere until no read here gives the old value any more.
    let mut ages = Vec::new();
    for round in 0..500_u32 {
        near.set(KEY, &round, None).await?;
        copied(&near).await?;
        far.set(KEY, &(round + 1), None).await?;
        let written = Instant::now();
        while near.get::<u32>(KEY).await? != Some(round + 1) {
            ensure!(written.elapsed() < Duration::from_secs(10), "the copy stays");
            tokio::task::yield_now().await;
        }
        ages.push(written.elapsed());
    }
    let values = (micros(percentile(&mut ages, 99)), micros(median(&mut gets)));
    let figure = Figure::new("near-stale-p99", "µs", values, ages.len()).of(format!("p50 {:.0} µs", micros(median(&mut ages))));
    print(figure.against("raw GET, p50").goal("report"))
}

/// Measures `near-hit-guest`.
pub(super) async fn guest(
    url: &str,
    component: &Path,
    rounds: usize,
    print: &mut dyn FnMut(Figure) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let native = open(url, true).await?;
    native.set_cbor(KEY, document_value(), None, None).await?;
    copied(&native).await?;
    let runtime = Runtime::builder().store(url).grant(Grant::all()).cache_policy(policy(true)).build().await?;
    // Guests run one after the other on what the first has copied.
    copied(&runtime.caches().open(CACHE, Some(options(true)))?).await?;
    let guest = runtime.load(component)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let stdout = Capture::default();
        let status = guest.run(GuestRun::default().args([CACHE, KEY]).stdout(Output::Capture(stdout.clone()))).await?;
        ensure!(status.success(), "the guest ended with {status}");
        for line in stdout.text().lines() {
            ours.push(Duration::from_nanos(line.parse().with_context(|| format!("the guest printed {line:?}"))?) / 1_000);
        }
        theirs.push(batch(&native).await?);
    }
    let n = ours.len() * 1_000;
    let figure = Figure::new("near-hit-guest", "µs", (micros(median(&mut ours)), micros(median(&mut theirs))), n);
    runtime.shutdown().await;
    print(figure.against("the same natively").goal("≤ 4 µs"))
}

async fn open(url: &str, near: bool) -> anyhow::Result<Cache> {
    let caches = Caches::new(store::open(url, &StoreOptions::default()).await?).with_policy(policy(near));
    Ok(caches.open(CACHE, Some(options(near)))?)
}

fn policy(near: bool) -> CachePolicy {
    let mut policy = CachePolicy { defaults: options(near), ..CachePolicy::default() };
    policy.near.age = Duration::from_hours(1);
    policy
}

fn options(near: bool) -> CacheOptions {
    let serializer = StageChoice::Named("cbor".into());
    CacheOptions { near: Some(near), serializer, compressor: StageChoice::None, ..CacheOptions::default() }
}

/// The mean time of a hit.
async fn batch(cache: &Cache) -> anyhow::Result<Duration> {
    let start = Instant::now();
    for _ in 0..CALLS {
        cache.get_cbor(KEY, None).await?.context("the entry is gone")?;
    }
    Ok(start.elapsed() / CALLS)
}

/// Waits until there is a copy: a read of the store takes longer than one by far.
async fn copied(cache: &Cache) -> anyhow::Result<()> {
    let begun = Instant::now();
    loop {
        cache.get_cbor(KEY, None).await?;
        let start = Instant::now();
        cache.get_cbor(KEY, None).await?;
        if start.elapsed() < Duration::from_micros(15) {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(10), "nothing is copied");
    }
}
