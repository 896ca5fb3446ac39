//! `cache-*`, `near-*`, `herd-claim` and `entry-overhead`: what caches cost beside bare commands on the same bytes, and beside the
//! crate `cached`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::cache::{Cache, CacheOptions, Caches, StageChoice};
use bellwether::store::{self, StoreOptions};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;

use crate::cached::Cached;
use crate::document::document;
use crate::measure::{Figure, in_turn_async, median};
use crate::report::Report;

#[cfg(feature = "components")]
pub(crate) mod components;
mod entry;
mod many;
mod near;
mod sweep;

const KEY: &str = "document";
const TASKS: usize = 64;

/// How many calls a task makes in a round.
const CALLS: usize = 500;

/// Measures the wanted cases that need no component.
pub(crate) async fn run(url: &str, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    hits(url, rounds, report).await?;
    many::run(url, rounds, report).await?;
    near::run(url, rounds, report).await?;
    entry::overhead(url, report).await?;
    entry::claims(url, rounds, report).await?;
    sweep::run(url, report).await
}

/// Measures `cache-hit` and `cache-throughput-64*`.
async fn hits(url: &str, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    const HIT: &str = "cache-hit";
    const HIT_CACHED: &str = "cache-hit-cached";
    const THROUGHPUT: &str = "cache-throughput-64";
    const THROUGHPUT_ZLIB: &str = "cache-throughput-64-zlib-native";
    const THROUGHPUT_CACHED: &str = "cache-throughput-64-cached";
    const RAW: &str = "raw GET of the same bytes, p50";
    const RAW_TASKS: &str = "raw GET of the same bytes, 64 tasks";

    let caches = Caches::new(store::open(url, &StoreOptions::default()).await?);
    let value = document_value();
    let zlib = prepare(&caches, "bench-zlib", StageChoice::Default, &value).await?;
    let bare = prepare(&caches, "bench-bare", StageChoice::None, &value).await?;
    let connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let raw = async |cache: &Cache| anyhow::Ok(raw_get(&connection, cache.entry_key(KEY).await?));

    let calls = 2_000;
    if report.wants(HIT) {
        let (ours, reference) = (get(&zlib), raw(&zlib).await?);
        let times = in_turn_async(rounds, calls, async || ours().await, async || reference().await).await?;
        let figure = Figure::of_times(HIT, times, rounds * calls);
        report.print(&figure.against(RAW).goal("≤ 1.15 ×"))?;
    }
    if report.wants(THROUGHPUT) {
        let figure = throughput(THROUGHPUT, get(&bare), raw(&bare).await?, rounds).await?;
        report.print(&figure.against(RAW_TASKS).goal("≥ 0.8 ×"))?;
    }
    if report.wants(THROUGHPUT_ZLIB) {
        let figure = throughput(THROUGHPUT_ZLIB, get(&zlib), raw(&zlib).await?, rounds).await?;
        report.print(&figure.against(RAW_TASKS).goal("report"))?;
    }
    if !report.wants(HIT_CACHED) && !report.wants(THROUGHPUT_CACHED) {
        return Ok(());
    }
    let peer = match Cached::open(url, "bench-cached", None, false).await {
        Ok(peer) => peer,
        Err(why) => {
            report.skip(HIT_CACHED, &why);
            report.skip(THROUGHPUT_CACHED, &why);
            return Ok(());
        }
    };
    peer.set(KEY, document_text()?).await?;
    let peer_get = || {
        let peer = peer.clone();
        move || {
            let peer = peer.clone();
            async move { peer.get(KEY).await?.context("the entry is gone").map(drop) }.boxed()
        }
    };
    if report.wants(HIT_CACHED) {
        let (theirs, reference) = (peer_get(), raw_get(&connection, peer.entry_key(KEY)));
        let times = in_turn_async(rounds, calls, async || theirs().await, async || reference().await).await?;
        report.print(&Figure::of_times(HIT_CACHED, times, rounds * calls).against(RAW).goal("report"))?;
    }
    if report.wants(THROUGHPUT_CACHED) {
        let reference = raw_get(&connection, peer.entry_key(KEY));
        let figure = throughput(THROUGHPUT_CACHED, peer_get(), reference, rounds).await?;
        report.print(&figure.against(RAW_TASKS).goal("report"))?;
    }
    Ok(())
}

/// A cache that holds the document, with this compressor.
async fn prepare(caches: &Caches, name: &str, compressor: StageChoice, value: &Bytes) -> anyhow::Result<Cache> {
    let options = CacheOptions { serializer: StageChoice::Named("cbor".into()), compressor, ..CacheOptions::default() };
    let cache = caches.open(name, Some(options))?;
    cache.set_cbor(KEY, value.clone(), None, None).await?;
    Ok(cache)
}

/// Gets the entry of a cache.
fn get(cache: &Cache) -> impl Fn() -> BoxFuture<'static, anyhow::Result<()>> + Clone + Send + Sync + use<> {
    let cache = cache.clone();
    move || {
        let cache = cache.clone();
        async move { cache.get_cbor(KEY, None).await?.context("the entry is gone").map(drop) }.boxed()
    }
}

/// Gets a key without us.
fn raw_get(
    connection: &MultiplexedConnection,
    key: String,
) -> impl Fn() -> BoxFuture<'static, anyhow::Result<()>> + Clone + Send + Sync + use<> {
    let raw = (connection.clone(), key);
    move || {
        let (mut connection, key) = raw.clone();
        async move { connection.get::<_, Option<Bytes>>(key).await?.context("the entry is gone").map(drop) }.boxed()
    }
}

/// Calls a second by [`TASKS`] tasks, of a subject and its reference.
async fn throughput<F, G>(
    case: &'static str,
    subject: impl Fn() -> F + Clone + Send + Sync + 'static,
    reference: impl Fn() -> G + Clone + Send + Sync + 'static,
    rounds: usize,
) -> anyhow::Result<Figure>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
    G: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(by_tasks(subject.clone()).await?);
        theirs.push(by_tasks(reference.clone()).await?);
    }
    #[allow(clippy::cast_precision_loss, reason = "a count of calls")]
    let rate = |times: &mut Vec<Duration>| (TASKS * CALLS) as f64 / median(times).as_secs_f64();
    Ok(Figure::new(case, "op/s", (rate(&mut ours), rate(&mut theirs)), rounds * TASKS * CALLS))
}

/// The time that [`TASKS`] tasks need for [`CALLS`] calls each.
async fn by_tasks<F>(call: impl Fn() -> F + Clone + Send + Sync + 'static) -> anyhow::Result<Duration>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let call = call.clone();
        tasks.spawn(async move {
            for _ in 0..CALLS {
                call().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(start.elapsed())
}

/// A document of about 1 KiB as a CBOR text string.
fn document_value() -> Bytes {
    let text = document(1 << 10);
    let mut value = vec![0x79];
    value.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    value.extend_from_slice(&text);
    value.into()
}

/// The same document for a cache that serializes itself.
fn document_text() -> anyhow::Result<String> {
    let text = String::from_utf8(document(1 << 10))?;
    ensure!(text.len() > 900, "the document is of {} bytes", text.len());
    Ok(text)
}
