//! `entry-overhead` and `herd-claim`: what an entry takes, and what it costs to claim one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bellwether::cache::{CacheOptions, Caches, Herd, StageChoice};
use bellwether::clock::Span;
use bellwether::envelope::Claim;
use bellwether::store::{self, Bid, Standing, StoreOptions};
use redis::AsyncCommands as _;
use tokio::time::sleep;

use super::document_value;
use crate::measure::{Figure, median, micros};

/// How many entries are claimed in a round.
const ENTRIES: usize = 500;

/// Measures both cases.
pub(super) async fn run(url: &str, rounds: usize, print: &mut dyn FnMut(Figure) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let store = store::open(url, &StoreOptions::default()).await?;
    let mut raw = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let options = CacheOptions {
        herd: Some(Herd { herd_timeout: Duration::from_mins(10), extend_timeout: Duration::from_mins(1) }),
        serializer: StageChoice::Named("cbor".into()),
        compressor: StageChoice::None,
        ..CacheOptions::default()
    };
    let cache = Caches::new(store.clone()).open("bench-herd", Some(options))?;
    let value = document_value();
    let keys: Vec<_> = (0..ENTRIES).map(|number| format!("key-{number}")).collect();

    // Beside a plain key of as long a name and the same payload, that expires too.
    cache.set_cbor("one", value.clone(), None, Some(Duration::from_mins(10))).await?;
    let stored = cache.entry_key("one").await?;
    let plain = "x".repeat(stored.len());
    let _: () = raw.pset_ex(&plain, &value[..], 600_000).await?;
    let mut takes = async |key: &str| -> anyhow::Result<f64> {
        let bytes: Option<u32> = redis::cmd("MEMORY").arg("USAGE").arg(key).query_async(&mut raw).await?;
        Ok(f64::from(bytes.context("the entry is gone")?))
    };
    let (ours, theirs) = (takes(&stored).await?, takes(&plain).await?);
    let figure = Figure::new("entry-overhead", "bytes", (ours, theirs), 1).of(format!("{} bytes more", ours - theirs));
    print(figure.against("a plain SET PX of the payload").goal("≤ 64 bytes more"))?;

    let script = redis::Script::new("return redis.call('GET', KEYS[1])");
    let (mut claims, mut evals) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut entries = Vec::with_capacity(ENTRIES);
        for key in &keys {
            cache.set_cbor(key, value.clone(), None, Some(Duration::from_millis(1))).await?;
            entries.push(cache.entry_key(key.as_str()).await?);
        }
        sleep(Duration::from_millis(20)).await;
        for entry in &entries {
            let seen = store.get(entry).await?;
            let bid =
                Bid { claim: Claim::random()?, lease: Span::new("lease", Duration::from_mins(1))?, cold: false, early: 0, seen };
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
    let figure = Figure::new("herd-claim", "µs", (micros(median(&mut claims)), micros(median(&mut evals))), n);
    print(figure.against("raw EVALSHA of a GET, p50").goal("≤ 1.3 ×"))
}
