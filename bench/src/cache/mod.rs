//! `cache-*` and `guest-*`: what the pipeline costs beside a bare `GET` of the same bytes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::cache::{Cache, CacheOptions, Caches, StageChoice};
use bellwether::guest::Grant;
use bellwether::runtime::{Capture, GuestRun, Output, Runtime};
use bellwether::stage::Stages;
use bellwether::stage::component::{StageEngine, StageEngineOptions, StageLimits};
use bellwether::store::{self, StoreOptions};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use redis::AsyncCommands as _;

use crate::document::document;
use crate::measure::{Figure, in_turn_async, median, micros};

mod entry;
mod many;
mod near;

const KEY: &str = "document";
const TASKS: usize = 64;

/// Measures every `cache-*` case and hands each figure to `print`.
pub(crate) async fn run(
    url: &str,
    stage: &Path,
    rounds: usize,
    print: &mut dyn FnMut(Figure) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let wasm = std::fs::read(stage).with_context(|| format!("cannot read {}", stage.display()))?;
    let stage = StageEngine::new(&StageEngineOptions::default())?.load("bench", &wasm, StageLimits::default())?;
    let stages = Stages::builtin().with_compressor("bench", stage.compressor().context("the component has no compressor")?)?;
    let caches = Caches::new(store::open(url, &StoreOptions::default()).await?).with_stages(stages);
    let mut raw = redis::Client::open(url)?.get_multiplexed_async_connection().await?;

    let value = document_value();
    let zlib = prepare(&caches, "bench-zlib", StageChoice::Default, &value).await?;
    let bare = prepare(&caches, "bench-bare", StageChoice::None, &value).await?;
    let wasm_zlib = prepare(&caches, "bench-wasm", StageChoice::Named("bench".into()), &value).await?;

    let stored = "cache:bench-zlib:document";
    let size: usize = raw.strlen(stored).await?;
    ensure!(size > 0, "the entry is not stored as {stored}");
    let calls = 2_000;
    let (ours, theirs) = in_turn_async(
        rounds,
        calls,
        async || zlib.get_cbor(KEY, None).await?.context("the entry is gone").map(drop),
        async || raw.get::<_, Option<Bytes>>(stored).await?.context("the entry is gone").map(drop),
    )
    .await?;
    let figure = Figure::new("cache-hit", "µs", (micros(ours), micros(theirs)), rounds * calls);
    print(figure.against("raw GET of the same bytes, p50").goal("≤ 1.15 ×"))?;

    let raw_get = |stored: &'static str| {
        let raw = raw.clone();
        move || {
            let mut raw = raw.clone();
            async move { raw.get::<_, Option<Bytes>>(stored).await?.context("the entry is gone").map(drop) }
        }
    };
    let figure = throughput("cache-throughput-64", get(&bare), raw_get("cache:bench-bare:document"), rounds).await?;
    print(figure.against("raw GET of the same bytes, 64 tasks").goal("≥ 0.8 ×"))?;
    let figure = throughput("cache-throughput-64-zlib-native", get(&zlib), raw_get(stored), rounds).await?;
    print(figure.against("raw GET of the same bytes, 64 tasks").goal("report"))?;
    let figure = throughput("cache-throughput-64-zlib", get(&wasm_zlib), get(&zlib), rounds).await?;
    print(figure.against("the same natively, 64 tasks").goal("≥ 0.35 ×"))?;
    many::run(url, rounds, print).await?;
    near::run(url, rounds, print).await?;
    entry::run(url, rounds, print).await
}

/// Measures `guest-1000-gets`.
pub(crate) async fn guest(
    url: &str,
    component: &Path,
    rounds: usize,
    print: &mut dyn FnMut(Figure) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let caches = Caches::new(store::open(url, &StoreOptions::default()).await?);
    let cache = prepare(&caches, "bench-bare", StageChoice::None, &document_value()).await?;
    print(thousand_gets(url, component, &cache, rounds).await?)?;
    near::guest(url, component, rounds, print).await
}

/// A cache that holds the document, with this compressor.
async fn prepare(caches: &Caches, name: &str, compressor: StageChoice, value: &Bytes) -> anyhow::Result<Cache> {
    let options = CacheOptions { serializer: StageChoice::Named("cbor".into()), compressor, ..CacheOptions::default() };
    let cache = caches.open(name, Some(options))?;
    cache.set_cbor(KEY, value.clone(), None, None).await?;
    Ok(cache)
}

/// Gets the entry of a cache.
fn get(cache: &Cache) -> impl Fn() -> BoxFuture<'static, anyhow::Result<()>> + Clone + Send + Sync + 'static {
    let cache = cache.clone();
    move || {
        let cache = cache.clone();
        async move { cache.get_cbor(KEY, None).await?.context("the entry is gone").map(drop) }.boxed()
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
    const CALLS: usize = 500;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours.push(many(CALLS, subject.clone()).await?);
        theirs.push(many(CALLS, reference.clone()).await?);
    }
    #[allow(clippy::cast_precision_loss, reason = "a count of calls")]
    let rate = |times: &mut Vec<Duration>| (TASKS * CALLS) as f64 / median(times).as_secs_f64();
    Ok(Figure::new(case, "op/s", (rate(&mut ours), rate(&mut theirs)), rounds * TASKS * CALLS))
}

/// The time that [`TASKS`] tasks need for `calls` calls each.
async fn many<F>(calls: usize, call: impl Fn() -> F + Clone + Send + Sync + 'static) -> anyhow::Result<Duration>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let call = call.clone();
        tasks.spawn(async move {
            for _ in 0..calls {
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

/// 1,000 gets at once, from inside a guest and natively. The guest prints how long its gets took.
async fn thousand_gets(url: &str, component: &Path, cache: &Cache, rounds: usize) -> anyhow::Result<Figure> {
    const CALLS: usize = 1_000;
    let runtime = Runtime::builder().store(url).grant(Grant::all()).build().await?;
    let guest = runtime.load(component)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let stdout = Capture::default();
        let status = guest.run(GuestRun::default().args([cache.name(), KEY]).stdout(Output::Capture(stdout.clone()))).await?;
        ensure!(status.success(), "the guest ended with {status}");
        for line in stdout.text().lines() {
            ours.push(Duration::from_nanos(line.parse().with_context(|| format!("the guest printed {line:?}"))?));
        }
        for _ in 0..10 {
            let start = Instant::now();
            let gets = (0..CALLS).map(|_| cache.get_cbor(KEY, None));
            for got in futures_util::future::join_all(gets).await {
                ensure!(got?.is_some(), "the entry is gone");
            }
            theirs.push(start.elapsed());
        }
    }
    let n = ours.len() * CALLS;
    #[allow(clippy::cast_precision_loss, reason = "a count of calls")]
    let each = |times: &mut Vec<Duration>| micros(median(times)) / CALLS as f64;
    let figure = Figure::new("guest-1000-gets", "µs", (each(&mut ours), each(&mut theirs)), n);
    runtime.shutdown().await;
    Ok(figure.against("the same natively, a get").goal("≤ 2 ×"))
}

/// A document of about 1 KiB as a CBOR text string.
fn document_value() -> Bytes {
    let text = document(1 << 10);
    let mut value = vec![0x79];
    value.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
    value.extend_from_slice(&text);
    value.into()
}
