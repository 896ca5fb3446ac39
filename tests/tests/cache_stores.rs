//! Caches do the same on every store: in memory, on one Redis server, on a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bellwether::cache::{CacheOptions, Found, Herd, Key, StageChoice, Ttl};
use bellwether::error::{Corrupt, Error, Invalid};
use bellwether::names::Prefix;
use bellwether::store::{self, Store, StoreOptions};
use bellwether::{Cache, Caches};
use bellwether_tests::commands::Counting;
use bellwether_tests::{Cluster, Server};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

#[tokio::test]
async fn in_memory() -> Result<()> {
    all(store::open("memory:", &StoreOptions::default()).await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_redis_server() -> Result<()> {
    let server = tokio::task::spawn_blocking(Server::start).await??;
    all(store::open(&server.url(), &StoreOptions::default()).await?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_cluster() -> Result<()> {
    let cluster = tokio::task::spawn_blocking(Cluster::start).await??;
    all(store::open(&cluster.url(), &StoreOptions::default()).await?).await
}

const LONG: Duration = Duration::from_hours(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_hit_is_one_get_with_herd_protection_too() -> Result<()> {
    let server = tokio::task::spawn_blocking(Server::start).await??;
    let caches = Caches::new(store::open(&server.url(), &StoreOptions::default()).await?);
    let herd = Some(Herd { herd_timeout: LONG, extend_timeout: LONG });
    let cache = caches.open("pages", Some(CacheOptions { herd, ..CacheOptions::default() }))?;
    cache.set("a", &1, Some(LONG)).await?;
    let mut counting = Counting::on(&server)?;
    for reads in 1..=3 {
        assert_eq!(cache.get("a").await?, Some(1));
        assert!(matches!(cache.lookup("a", LONG).await?, Found::Hit(1)));
        let commands = counting.so_far()?;
        assert_eq!((commands.of("get"), commands.all() - commands.of("time")), (2 * reads, 2 * reads), "{commands}");
    }
    Ok(())
}

/// Everything, each part under a prefix of its own.
async fn all(store: Arc<dyn Store>) -> Result<()> {
    let caches = Caches::new(store);
    let under = |prefix: &str| Prefix::new(prefix).map(|prefix| caches.with_prefix(prefix));
    values_pass_through_every_stage(&under("values:")?).await?;
    many_entries_go_in_one_call(&under("many:")?).await?;
    any_key_and_name_will_do(&under("odd{0}:")?).await?;
    similar_names_are_other_caches(&under("similar:")?).await?;
    patterns_delete_what_they_match(&under("patterns:")?).await?;
    entries_expire(&under("expiry:")?).await?;
    large_values_fit_and_larger_do_not(&under("large:")?).await?;
    other_stages_are_told(&under("other:")?).await
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Package {
    name: String,
    version: (u64, u64, u64),
    score: f64,
    licences: Vec<String>,
    features: BTreeMap<String, Option<Vec<String>>>,
}

fn package(n: u64) -> Package {
    Package {
        name: format!("package-{n}"),
        version: (n, u64::MAX, 0),
        score: 0.1,
        licences: vec!["MIT OR Apache-2.0".into(); 20],
        features: [("default".into(), Some(vec!["std".into()])), ("nothing".into(), None)].into(),
    }
}

fn with(serializer: &str, compressor: &str) -> CacheOptions {
    CacheOptions { serializer: serializer.into(), compressor: compressor.into(), ..CacheOptions::default() }
}

async fn values_pass_through_every_stage(caches: &Caches) -> Result<()> {
    for serializer in ["cbor", "json", "postcard"] {
        for compressor in ["zlib", "none"] {
            let cache = caches.open(&format!("{serializer} {compressor}"), Some(with(serializer, compressor)))?;
            assert_eq!(cache.get::<Package>("a").await?, None);
            cache.set("a", &package(1), None).await?;
            let content = Key::with_content("a", &BTreeMap::from([("x", 1), ("y", 2)]))?;
            cache.set(&content, &package(2), None).await?;
            cache.set("null", &None::<Package>, None).await?;
            assert_eq!(cache.get::<Package>("a").await?, Some(package(1)));
            assert_eq!(cache.get::<Package>(&content).await?, Some(package(2)));
            assert_eq!(
                cache.get_cbor("a", Some(b"\xbf\x61y\x18\x02\x61x\x01\xff")).await?,
                cache.get_cbor("a", Some(b"\xa2\x61x\x01\x61y\x02")).await?
            );
            assert_eq!(cache.get::<Option<Package>>("null").await?, Some(None));
            assert!(cache.exists("null").await? && !cache.exists("nothing").await?);
            assert!(cache.delete("a").await? && !cache.delete("a").await?);
            assert!(cache.exists(&content).await?);
        }
    }
    let raw = caches.open("raw", Some(CacheOptions { serializer: StageChoice::None, ..CacheOptions::default() }))?;
    raw.set_bytes("a", b"\x00\xff\r\n", None).await?;
    assert_eq!(raw.get_bytes("a").await?.unwrap(), &b"\x00\xff\r\n"[..]);
    Ok(())
}

async fn many_entries_go_in_one_call(caches: &Caches) -> Result<()> {
    let cache = caches.open("packages", None)?;
    let keys: Vec<String> = (0..3_000).map(|n| format!("package {n}")).collect();
    let odd = keys.iter().enumerate().filter(|(n, _)| n % 2 == 1);
    cache.set_many(odd.map(|(n, key)| (key, n)), None).await?;
    let values: Vec<Option<usize>> = cache.get_many(&keys).await?;
    assert_eq!(values.len(), keys.len());
    for (n, value) in values.into_iter().enumerate() {
        assert_eq!(value, (n % 2 == 1).then_some(n));
    }
    cache.set_many([("twice", 1), ("other", 3), ("twice", 2)], None).await?;
    assert_eq!(cache.get_many::<u8, _>(["twice", "none", "twice"]).await?, [Some(2), None, Some(2)]);
    assert_eq!(cache.delete_many(&["twice".into(), "twice".into(), "none".into()], None).await?, 1);
    assert_eq!(cache.delete_many(&keys, None).await?, 1_500);
    assert_eq!(cache.get_many::<usize, _>(&keys[..10]).await?, [None; 10]);
    Ok(())
}

async fn any_key_and_name_will_do(caches: &Caches) -> Result<()> {
    let keys =
        ["a\0b", "a\nb", "a\r\nb", "{a}", "a}b{", "{}", "*", "[a]", "a?", "\\", "%", "%00", "a:b", "\u{85}", "ü", "🐑", " "];
    for name in ["{a}", "a}{b", "*", "[a]?", "a b", "ü"] {
        let cache = caches.open(name, None)?;
        cache.set_many(keys.map(|key| (key, key)), None).await?;
        for key in keys {
            assert_eq!(cache.get::<String>(key).await?.as_deref(), Some(key), "{name:?} {key:?}");
            let exactly: String = key.chars().flat_map(|c| ['\\', c]).collect();
            assert_eq!(cache.delete_pattern(&exactly).await?, 1, "{name:?} {key:?}");
        }
        assert_eq!(cache.delete_pattern("*").await?, 0);
    }
    for name in ["a\0b", "a\nb", ""] {
        assert!(matches!(caches.open(name, None), Err(Error::Invalid(_))));
    }
    let cache = caches.open("a", None)?;
    assert_eq!(cache.set("", &1, None).await, Err(Invalid::Empty { what: "key" }.into()));
    assert!(matches!(cache.set("k".repeat(10_000_000), &1, None).await, Err(Error::Limit(_))));
    Ok(())
}

async fn similar_names_are_other_caches(caches: &Caches) -> Result<()> {
    let names = ["a", "a:", "a:b", "a*", "*", "[a]", "?", "{a}", "a%3Ab", "aa", "A"];
    let open = |name: &str| caches.open(name, None).unwrap();
    for name in names {
        for name in names {
            open(name).set_many([("b", name), ("b:c", name)], None).await?;
        }
        assert_eq!(open(name).delete_pattern("*").await?, 2, "{name}");
        for other in names {
            let left = open(other).get::<String>("b").await?;
            assert_eq!(left.as_deref(), (other != name).then_some(other), "{name} touched {other}");
        }
    }
    Ok(())
}

async fn patterns_delete_what_they_match(caches: &Caches) -> Result<()> {
    let (cache, other) = (caches.open("sessions", None)?, caches.open("sessions:old", None)?);
    let fill = async |cache: &Cache| cache.set_many((0..2_500).map(|n| (format!("user:{}:{n}", n % 5), n)), None).await;
    fill(&cache).await?;
    fill(&other).await?;
    cache.set(Key::with_content("user:1:1", &"content")?, &1, None).await?;
    assert_eq!(cache.delete_pattern("user:1:*").await?, 501);
    assert_eq!(cache.delete_pattern("user:[23]:????").await?, 600);
    assert_eq!(cache.delete_pattern("user:[^0-9]:7").await?, 0);
    assert_eq!(cache.delete_pattern("USER*").await?, 0);
    assert_eq!(cache.delete_pattern("*").await?, 2_500 - 500 - 600);
    assert_eq!(other.delete_pattern("*").await?, 2_500);
    assert!(matches!(cache.delete_pattern("a\\").await, Err(Error::Invalid(Invalid::Pattern { .. }))));
    Ok(())
}

async fn entries_expire(caches: &Caches) -> Result<()> {
    let minute = Duration::from_mins(1);
    let cache = caches.open("passing", Some(CacheOptions { expire: Some(minute), ..CacheOptions::default() }))?;
    assert_eq!(cache.ttl("a").await?, Ttl::Absent);
    cache.set("a", &1, None).await?;
    cache.set_many([("b", 1)], Some(2 * minute)).await?;
    let within = |ttl, most| matches!(ttl, Ttl::Remaining(left) if left <= most && left > most / 2);
    assert!(within(cache.ttl("a").await?, minute));
    assert!(within(cache.ttl("b").await?, 2 * minute));
    let lasting = caches.open("passing", None)?;
    lasting.set("a", &2, None).await?;
    assert_eq!(cache.ttl("a").await?, Ttl::Persistent);
    assert_eq!(cache.set("a", &3, Some(Duration::ZERO)).await, Err(Invalid::TooShort { what: "expire" }.into()));
    assert_eq!(cache.get::<u8>("a").await?, Some(2));
    cache.set("a", &4, Some(Duration::from_millis(1))).await?;
    tokio::time::timeout(minute, async {
        while cache.exists("a").await? {
            tokio::task::yield_now().await;
        }
        Ok::<_, Error>(())
    })
    .await??;
    assert_eq!(cache.get::<u8>("a").await?, None);
    Ok(())
}

async fn large_values_fit_and_larger_do_not(caches: &Caches) -> Result<()> {
    // Numbers that no compressor makes much of.
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    })
    .take(16 << 20)
    .collect();
    for compressor in ["zlib", "none"] {
        let cache = caches.open("large", Some(with("cbor", compressor)))?;
        let most = &noise[..(16 << 20) - 5];
        cache.set_bytes("a", most, None).await?;
        assert!(cache.get_bytes("a").await?.unwrap() == most);
        cache.set_bytes("zeros", &vec![0; most.len()], None).await?;
        assert!(cache.get_bytes("zeros").await?.unwrap() == vec![0; most.len()]);
        assert!(matches!(cache.set_bytes("a", &noise, None).await, Err(Error::Limit(_))));
    }
    Ok(())
}

async fn other_stages_are_told(caches: &Caches) -> Result<()> {
    caches.open("pages", Some(with("json", "zlib")))?.set("a", &package(1), None).await?;
    let other = caches.open("pages", Some(with("postcard", "zlib")))?;
    let Err(Error::Corrupt(Corrupt::OtherStage { key, wrote, reads, .. })) = other.get::<Package>("a").await else { panic!() };
    assert_eq!((key.as_str(), wrote.as_str(), reads.as_str()), ("other:cache:pages:a", "`json`", "`postcard`"));
    let none = caches.open("pages", Some(with("json", "none")))?;
    assert!(matches!(none.get_many::<Package, _>(["b", "a"]).await, Err(Error::Corrupt(Corrupt::OtherStage { .. }))));
    other.set_cbor("a", Bytes::from_static(b"\xf6"), None, None).await?;
    assert_eq!(other.get::<Option<Package>>("a").await?, Some(None));
    Ok(())
}
