//! `entry-overhead` and `herd-claim`: what an entry takes, and what it costs to claim one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::cache::{Cache, CacheOptions, Caches, Herd, StageChoice};
use bellwether::clock::Span;
use bellwether::envelope::Claim;
use bellwether::store::{self, Bid, Standing, StoreOptions};
use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use tokio::time::sleep;

use super::document_value;
use crate::cached::Cached;
use crate::measure::{Figure, median, micros};
use crate::report::Report;

/// How many entries are claimed in a round.
const ENTRIES: usize = 500;

/// Of how many bytes the payloads are whose entries are weighed: the server allocates in classes that are up to 512 bytes apart here,
/// so that one size tells nothing. Each so many bytes apart.
const SIZES: std::ops::RangeInclusive<usize> = 64..=4096;
const APART: usize = 17;

/// How long what is stored stays.
const KEPT: Duration = Duration::from_mins(10);

/// Measures `entry-overhead`, beside a plain key of as long a name and the same payload, that expires too.
pub(super) async fn overhead(url: &str, report: &mut Report) -> anyhow::Result<()> {
    const CASE: &str = "entry-overhead";
    const CASE_CACHED: &str = "entry-overhead-cached";
    if !report.wants(CASE) && !report.wants(CASE_CACHED) {
        return Ok(());
    }
    let mut raw = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    if report.wants(CASE) {
        let (cache, mut weights) = (open(url).await?, Weights::default());
        for size in SIZES.step_by(APART) {
            let payload = cbor_bytes(size)?;
            cache.set_cbor("one", payload.clone().into(), None, Some(KEPT)).await?;
            weights.add(&mut raw, &cache.entry_key("one").await?, &payload).await?;
        }
        report.print(&weights.figure(CASE).goal("≤ 64 bytes more"))?;
    }
    if report.wants(CASE_CACHED) {
        let peer = match Cached::open(url, "bench-weight", Some(KEPT), false).await {
            Ok(peer) => peer,
            Err(why) => {
                report.skip(CASE_CACHED, &why);
                return Ok(());
            }
        };
        let mut weights = Weights::default();
        for size in SIZES.step_by(APART) {
            let payload = "x".repeat(size);
            peer.set("one", payload.clone()).await?;
            weights.add(&mut raw, &peer.entry_key("one"), payload.as_bytes()).await?;
        }
        report.print(&weights.figure(CASE_CACHED).goal("report"))?;
    }
    Ok(())
}

/// What entries take in the server's memory, and plain keys, in bytes.
#[derive(Default)]
struct Weights(Vec<(u32, u32)>);

impl Weights {
    async fn add(&mut self, raw: &mut MultiplexedConnection, stored: &str, payload: &[u8]) -> anyhow::Result<()> {
        let plain = "x".repeat(stored.len());
        let _: () = raw.pset_ex(&plain, payload, u64::try_from(KEPT.as_millis())?).await?;
        let mut takes = async |key: &str| -> anyhow::Result<u32> {
            let bytes: Option<u32> = redis::cmd("MEMORY").arg("USAGE").arg(key).query_async(raw).await?;
            bytes.with_context(|| format!("{key} is gone"))
        };
        self.0.push((takes(stored).await?, takes(&plain).await?));
        Ok(())
    }

    fn figure(&self, case: &str) -> Figure {
        #[allow(clippy::cast_precision_loss, reason = "a count of entries")]
        let mean = |bytes: fn(&(u32, u32)) -> u32| self.0.iter().map(bytes).map(f64::from).sum::<f64>() / self.0.len() as f64;
        let (ours, theirs) = (mean(|(ours, _)| *ours), mean(|(_, theirs)| *theirs));
        let more = self.0.iter().map(|(ours, theirs)| i64::from(*ours) - i64::from(*theirs));
        let (least, most) = (more.clone().min().unwrap_or_default(), more.max().unwrap_or_default());
        let detail = format!("{:.0} bytes more on average, {least} to {most} for one", ours - theirs);
        Figure::new(case, "bytes", (ours, theirs), self.0.len())
            .of(detail)
            .against("a plain SET PX of the payload, mean of sizes")
    }
}

/// Measures `herd-claim`.
pub(super) async fn claims(url: &str, rounds: usize, report: &mut Report) -> anyhow::Result<()> {
    const CASE: &str = "herd-claim";
    if !report.wants(CASE) {
        return Ok(());
    }
    let store = store::open(url, &StoreOptions::default()).await?;
    let mut raw = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let (cache, value) = (open(url).await?, document_value());
    // The least that one can do which looks at what is claimed: a claim has no bytes sent that its caller has seen.
    let script = redis::Script::new("return redis.call('GETRANGE', KEYS[1], 0, 49)");
    let (mut claims, mut evals) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut entries = Vec::with_capacity(ENTRIES);
        for number in 0..ENTRIES {
            let key = format!("key-{number}");
            cache.set_cbor(&key, value.clone(), None, Some(Duration::from_millis(1))).await?;
            entries.push(cache.entry_key(key.as_str()).await?);
        }
        sleep(Duration::from_millis(20)).await;
        for entry in &entries {
            let seen = store.get(entry).await?;
            let lease = Span::new("lease", Duration::from_mins(1))?;
            let bid = Bid { claim: Claim::random()?, lease, cold: false, early: 0, seen };
            let start = Instant::now();
            let standing = store.claim(entry, &bid).await?;
            claims.push(start.elapsed());
            ensure!(matches!(standing, Standing::Yours { .. }), "an entry was not due");
            let start = Instant::now();
            let _: Vec<u8> = script.key(entry).invoke_async(&mut raw).await?;
            evals.push(start.elapsed());
        }
    }
    let n = claims.len();
    let figure = Figure::new(CASE, "µs", (micros(median(&mut claims)), micros(median(&mut evals))), n);
    report.print(&figure.against("raw EVALSHA that reads an envelope, p50").goal("≤ 1.3 ×"))
}

/// A cache whose entries can be claimed, and whose payload is the value as it is.
async fn open(url: &str) -> anyhow::Result<Cache> {
    let options = CacheOptions {
        herd: Some(Herd { herd_timeout: KEPT, extend_timeout: Duration::from_mins(1) }),
        serializer: StageChoice::Named("cbor".into()),
        compressor: StageChoice::None,
        ..CacheOptions::default()
    };
    Ok(Caches::new(store::open(url, &StoreOptions::default()).await?).open("bench-herd", Some(options))?)
}

/// A CBOR byte string of so many bytes altogether.
fn cbor_bytes(size: usize) -> anyhow::Result<Vec<u8>> {
    let mut value = vec![0x59];
    value.extend_from_slice(&u16::try_from(size - 3)?.to_be_bytes());
    value.resize(size, b'x');
    Ok(value)
}
