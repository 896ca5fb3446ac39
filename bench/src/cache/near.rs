//! `near-*`: copies in the process.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::cache::{Cache, CacheOptions, CachePolicy, Caches, StageChoice};
use bellwether::store::{self, StoreOptions};
use redis::aio::MultiplexedConnection;

use super::{KEY, document_text, document_value, raw_get};
use crate::cached::Cached;
use crate::measure::{Figure, each, median, micros, percentile};
use crate::report::Report;

pub(super) const CACHE: &str = "bench-near";

const HIT: &str = "near-hit";
const HIT_CACHED: &str = "near-hit-cached";
const STALE: &str = "near-stale-p99";
const STALE_CUT: &str = "near-stale-cut-p99";

/// How often each is called in a round.
const CALLS: u32 = 20_000;

/// Measures the wanted cases.
pub(super) async fn run(url: &str, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    if ![HIT, HIT_CACHED, STALE, STALE_CUT].into_iter().any(|case| report.wants(case)) {
        return Ok(());
    }
    let (near, far) = (open(url, true).await?, open(url, false).await?);
    far.set_cbor(KEY, document_value(), None, None).await?;
    copied(&near).await?;
    let connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let get = raw_get(&connection, far.entry_key(KEY).await?);
    let peer = if report.wants(HIT_CACHED) { peer(url).await.inspect_err(|why| report.skip(HIT_CACHED, why)).ok() } else { None };
    let (mut hits, mut gets, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        hits.push(batch(&near).await?);
        gets.extend(each(1_000, async || get().await).await?);
        if let Some(peer) = &peer {
            peers.extend(each(1_000, async || peer.get(KEY).await?.context("the entry is gone").map(drop)).await?);
        }
    }
    let raw = micros(median(&mut gets));
    let figure = Figure::new(HIT, "µs", (micros(median(&mut hits)), raw), rounds * CALLS as usize);
    report.print(&figure.against("raw GET of the same bytes, p50").goal("≤ 1 µs"))?;
    if !peers.is_empty() {
        let figure = Figure::new(HIT_CACHED, "µs", (micros(median(&mut peers)), raw), peers.len());
        report.print(&figure.against("raw GET of the same bytes, p50").goal("report"))?;
    }
    if report.wants(STALE) {
        let mut ages = stale(500, &near, &far, async || Ok(())).await?;
        report.print(&stale_figure(STALE, &mut ages, raw))?;
    }
    if report.wants(STALE_CUT) {
        let mut ages = stale(100, &near, &far, async || cut(&mut connection.clone()).await).await?;
        report.print(&stale_figure(STALE_CUT, &mut ages, raw))?;
    }
    Ok(())
}

/// The peer, with copies in this process by client-side caching. It does not find what it has set itself: its `set` reads first, and it
/// keeps the copy of nothing.
async fn peer(url: &str) -> anyhow::Result<Cached> {
    let open = async |near| Cached::open(url, "bench-near-cached", None, near).await;
    open(false).await?.set(KEY, document_text()?).await?;
    open(true).await
}

/// From the answer to a write elsewhere until no read here gives the old value any more. Something happens just before the write.
async fn stale(
    rounds: u32,
    near: &Cache,
    far: &Cache,
    before: impl AsyncFn() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Duration>> {
    let mut ages = Vec::new();
    for round in 0..rounds {
        near.set(KEY, &round, None).await?;
        copied(near).await?;
        before().await?;
        far.set(KEY, &(round + 1), None).await?;
        let written = Instant::now();
        while near.get::<u32>(KEY).await? != Some(round + 1) {
            ensure!(written.elapsed() < Duration::from_secs(10), "the copy stays");
            tokio::task::yield_now().await;
        }
        ages.push(written.elapsed());
    }
    Ok(ages)
}

fn stale_figure(case: &'static str, ages: &mut [Duration], raw: f64) -> Figure {
    let most = ages.iter().max().copied().unwrap_or_default();
    let detail = format!("p50 {:.0} µs, at most {:.0} µs", micros(median(ages)), micros(most));
    let figure = Figure::new(case, "µs", (micros(percentile(ages, 99)), raw), ages.len());
    figure.of(detail).against("raw GET, p50").goal("report")
}

/// Closes the connection over which changes are told, so that the next one goes unheard.
async fn cut(connection: &mut MultiplexedConnection) -> anyhow::Result<()> {
    let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(connection).await?;
    let field = |client: &'_ str, name: &str| client.split(' ').find_map(|field| field.strip_prefix(name)).map(str::to_owned);
    let tracking = clients.lines().find(|client| field(client, "flags=").is_some_and(|flags| flags.contains('B')));
    let id = tracking.and_then(|client| field(client, "id=")).context("nobody is told of changes")?;
    let closed: u32 = redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).query_async(connection).await?;
    ensure!(closed == 1, "the connection was closed already");
    Ok(())
}

/// The cache over a connection of its own, with copies or without.
pub(super) async fn open(url: &str, near: bool) -> anyhow::Result<Cache> {
    let caches = Caches::new(store::open(url, &StoreOptions::default()).await?).with_policy(policy(near));
    Ok(caches.open(CACHE, Some(options(near)))?)
}

/// A policy under which no copy gets too old.
pub(super) fn policy(near: bool) -> CachePolicy {
    let mut policy = CachePolicy { defaults: options(near), ..CachePolicy::default() };
    policy.near.age = Duration::from_hours(1);
    policy
}

/// The same options as the guest opens it with.
pub(super) fn options(near: bool) -> CacheOptions {
    let serializer = StageChoice::Named("cbor".into());
    CacheOptions { near: Some(near), serializer, compressor: StageChoice::None, ..CacheOptions::default() }
}

/// The mean time of a hit.
pub(super) async fn batch(cache: &Cache) -> anyhow::Result<Duration> {
    let start = Instant::now();
    for _ in 0..CALLS {
        cache.get_cbor(KEY, None).await?.context("the entry is gone")?;
    }
    Ok(start.elapsed() / CALLS)
}

/// Waits until there is a copy: a read of the store takes longer than one by far.
pub(super) async fn copied(cache: &Cache) -> anyhow::Result<()> {
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
