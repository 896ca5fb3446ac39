//! Entries of earlier stages, and entries without an envelope.

use super::*;
use crate::stage::{Compressor, Work};

fn with(serializer: &str, compressor: &str) -> CacheOptions {
    CacheOptions { serializer: serializer.into(), compressor: compressor.into(), ..CacheOptions::default() }
}

fn plain(serializer: &str, compressor: &str) -> CacheOptions {
    CacheOptions { envelope: EnvelopeChoice::None, ..with(serializer, compressor) }
}

#[allow(clippy::unnecessary_wraps, reason = "as options have them")]
fn choices(names: &[&str]) -> Option<Vec<StageChoice>> {
    Some(names.iter().map(|name| StageChoice::from(*name)).collect())
}

#[tokio::test]
async fn entries_of_earlier_stages_are_read_while_new_ones_are_written() {
    let caches = caches();
    let old = caches.open("pages", Some(with("json", "none"))).unwrap();
    old.set("old", &page(1), None).await.unwrap();
    let older = caches.open("pages", Some(with("none", "zlib"))).unwrap();
    older.set_bytes("older", &[7; 1_000], None).await.unwrap();
    let moving = CacheOptions {
        reads_serializers: choices(&["json", "none"]),
        reads_compressors: choices(&["none"]),
        ..with("postcard", "zlib")
    };
    let new = caches.open("pages", Some(moving)).unwrap();
    assert_eq!(new.get::<Page>("old").await.unwrap(), Some(page(1)));
    assert_eq!(new.get_bytes("older").await.unwrap().unwrap(), [7; 1_000][..]);
    assert_eq!(new.get_many::<Page, _>(["old", "none"]).await.unwrap(), [Some(page(1)), None]);
    new.set("old", &page(2), None).await.unwrap();
    assert!(matches!(old.get::<Page>("old").await, Err(Error::Corrupt(Corrupt::OtherStage { .. }))), "it is written anew");
    assert_eq!(caches.open("pages", Some(with("postcard", "zlib"))).unwrap().get("old").await.unwrap(), Some(page(2)));
    // What none of them wrote is what it was.
    caches.open("pages", Some(with("cbor", "zlib"))).unwrap().set("cbor", &1, None).await.unwrap();
    let Err(Error::Corrupt(Corrupt::OtherStage { wrote, reads, .. })) = new.get::<u8>("cbor").await else { panic!() };
    assert_eq!((wrote.as_str(), reads.as_str()), ("`cbor`", "`postcard`, `json`, `none`"));
}

#[test]
fn the_platform_decides_what_is_read_too() {
    let defaults = CacheOptions { reads_serializers: choices(&["default", "json"]), ..with("postcard", "none") };
    let pins = Pins { reads_serializers: true, envelope: true, ..Pins::default() };
    let policy = CachePolicy { defaults, pins, ..CachePolicy::default() };
    let caches = caches().with_policy(policy);
    caches.open("pages", None).unwrap();
    caches.open("pages", Some(CacheOptions::default())).unwrap();
    let spelt = CacheOptions { reads_serializers: choices(&["postcard", "json"]), ..CacheOptions::default() };
    caches.open("pages", Some(spelt)).unwrap();
    let other = CacheOptions { reads_serializers: choices(&[]), ..CacheOptions::default() };
    let Err(Error::Denied(Denied::Pinned { part, pinned, wish })) = caches.open("pages", Some(other)) else { panic!() };
    assert_eq!((part, pinned.as_str(), wish.as_str()), ("reads-serializers", "[`postcard`, `json`]", "[]"));
    let Err(Error::Denied(Denied::Pinned { part, pinned, wish })) = caches.open("pages", Some(plain("json", "none"))) else {
        panic!()
    };
    assert_eq!((part, pinned.as_str(), wish.as_str()), ("envelope", "`standard`", "`none`"));
    let unknown = CacheOptions { reads_compressors: choices(&["nobody"]), ..CacheOptions::default() };
    assert!(matches!(caches.open("pages", Some(unknown)), Err(Error::Invalid(Invalid::UnknownStage { .. }))));
}

#[tokio::test]
async fn without_an_envelope_the_payload_is_all_there_is() {
    let store = Arc::new(MemoryStore::new());
    let caches = Caches::new(store.clone());
    for (serializer, compressor) in [("json", "none"), ("cbor", "zlib"), ("json", "zlib"), ("postcard", "none")] {
        let cache = caches.open("pages", Some(plain(serializer, compressor))).unwrap();
        for value in [page(1), Page { links: vec![], ..page(2) }] {
            cache.set("a", &value, None).await.unwrap();
            assert_eq!(cache.get("a").await.unwrap(), Some(value), "{serializer} and {compressor}");
        }
        cache.set("a", &None::<u8>, None).await.unwrap();
        assert_eq!(cache.get::<Option<u8>>("a").await.unwrap(), Some(None), "however small it is");
    }
    let bare = caches.open("pages", Some(plain("none", "none"))).unwrap();
    bare.set_bytes("a", b"", None).await.unwrap();
    assert_eq!(bare.get_bytes("a").await.unwrap().unwrap(), b""[..]);
    assert_eq!(store.get("cache:pages:a").await.unwrap().unwrap(), b""[..]);
    caches.open("pages", Some(plain("json", "none"))).unwrap().set("a", &(1, "b"), None).await.unwrap();
    assert_eq!(store.get("cache:pages:a").await.unwrap().unwrap(), br#"[1,"b"]"#[..]);
}

#[tokio::test]
async fn the_compressor_of_bare_payloads_compresses_whatever_it_is_given() {
    let caches = caches();
    let bare = caches.open("pages", Some(plain("none", "zlib"))).unwrap();
    // Incompressible, as is what is too short.
    let noise: Vec<u8> = (0_u32..50_000).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ n.to_be_bytes()[3]).collect();
    let zeros = vec![0; 70_000];
    for bytes in [&b""[..], b"a", &zeros, &noise, &noise[..100]] {
        bare.set_bytes("a", bytes, None).await.unwrap();
        assert_eq!(bare.get_bytes("a").await.unwrap().unwrap(), bytes);
        let stored = caches.open("pages", Some(plain("none", "none"))).unwrap().get_bytes("a").await.unwrap().unwrap();
        assert_eq!(miniz_oxide::inflate::decompress_to_vec_zlib(&stored).unwrap(), bytes, "it is compressed");
    }
}

#[tokio::test]
async fn what_others_wrote_is_bounded_and_never_more_than_an_error() {
    let store = Arc::new(MemoryStore::new());
    let limits = CacheLimits { value_bytes: 1_000, ..CacheLimits::default() };
    let caches = Caches::new(store.clone()).with_policy(CachePolicy { limits, ..CachePolicy::default() });
    let stage = async |serializer, compressor, bytes: &[u8]| {
        store.set(&Entry { key: "cache:pages:a".to_owned(), bytes: Bytes::copy_from_slice(bytes) }, None).await.unwrap();
        caches.open("pages", Some(plain(serializer, compressor))).unwrap().get_cbor("a", None).await
    };
    for (serializer, bytes) in [("json", &b""[..]), ("json", b"{"), ("json", b"NaN"), ("json", b"\xff"), ("json", &[b'['; 900])] {
        let Err(Error::Stage(why)) = stage(serializer, "none", bytes).await else { panic!("{bytes:?}") };
        assert_eq!(why.kind, StageKind::Serializer);
    }
    for bytes in [&b""[..], b"\x01\x01", b"\x61\xff", &[0x81; 200]] {
        let Err(Error::Stage(why)) = stage("cbor", "none", bytes).await else { panic!("{bytes:?}") };
        assert!(matches!(why.why, StageFault::NotCbor(_)), "{why}");
    }
    assert!(matches!(stage("postcard", "none", b"\xff\xff").await, Err(Error::Stage(_))));
    for bytes in [&b""[..], b"{}", b"\x78\x9c"] {
        let Err(Error::Stage(why)) = stage("json", "zlib", bytes).await else { panic!("{bytes:?}") };
        assert_eq!(why.kind, StageKind::Compressor);
    }
    let bomb = miniz_oxide::deflate::compress_to_vec_zlib(&vec![b' '; 100_000], 9);
    let Err(Error::Stage(why)) = stage("json", "zlib", &bomb).await else { panic!() };
    assert_eq!(why.why, StageFault::Output { size: 1_001, max: 1_000 });
    assert!(matches!(stage("none", "none", &[0; 1_001]).await, Err(Error::Limit(Limit::Size { what: "stored value", .. }))));
    // Null is a value here too.
    assert_eq!(stage("json", "none", b" null\n").await.unwrap().unwrap(), b"\xf6"[..]);
}

#[tokio::test]
async fn what_has_an_envelope_and_what_has_none_are_not_taken_for_each_other() {
    let caches = caches();
    let enveloped = caches.open("pages", Some(with("json", "zlib"))).unwrap();
    let bare = caches.open("pages", Some(plain("json", "zlib"))).unwrap();
    enveloped.set("a", &1, None).await.unwrap();
    let key = || "cache:pages:a".to_owned();
    assert_eq!(bare.get::<u8>("a").await, Err(Corrupt::Enveloped { key: key() }.into()));
    bare.set("a", &1, None).await.unwrap();
    assert_eq!(enveloped.get::<u8>("a").await, Err(Corrupt::Foreign { key: key() }.into()));
    // A value that looks like an envelope is a value all the same.
    let bytes = caches.open("pages", Some(plain("none", "none"))).unwrap();
    enveloped.set("a", &1, None).await.unwrap();
    let stored = bytes.get_bytes("a").await.unwrap().unwrap();
    bytes.set_bytes("a", &stored, None).await.unwrap();
    assert_eq!(enveloped.get("a").await.unwrap(), Some(1));
}

#[test]
fn what_needs_an_envelope_is_refused_without() {
    let needs = |options| match caches().open("pages", Some(options)) {
        Err(Error::Invalid(Invalid::NeedsEnvelope { what })) => what,
        other => panic!("{other:?}"),
    };
    let herd = Herd { herd_timeout: Duration::from_secs(1), extend_timeout: Duration::from_secs(1) };
    assert_eq!(needs(CacheOptions { herd: Some(herd), ..plain("json", "none") }), "herd");
    assert_eq!(needs(CacheOptions { reads_serializers: choices(&["cbor"]), ..plain("json", "none") }), "reads-serializers");
    assert_eq!(needs(CacheOptions { reads_compressors: choices(&["none"]), ..plain("json", "zlib") }), "reads-compressors");
    let tuned = |tuning| CacheOptions { tuning: Some(tuning), ..plain("json", "none") };
    let second = Some(Duration::from_secs(1));
    assert_eq!(needs(tuned(Tuning { failures: second, ..Tuning::default() })), "failures");
    assert_eq!(needs(tuned(Tuning { stale_if_error: second, ..Tuning::default() })), "stale-if-error");
    assert_eq!(needs(tuned(Tuning { refresh_ahead: 1, ..Tuning::default() })), "refresh-ahead");
    caches().open("pages", Some(tuned(Tuning { jitter: 9, ..Tuning::default() }))).unwrap();
}

#[test]
fn a_platforms_tuning_that_needs_an_envelope_is_left_out_where_a_cache_wants_none() {
    let tuning = Some(Tuning { failures: Some(Duration::from_secs(1)), refresh_ahead: 1, ..Tuning::default() });
    let under = |defaults| caches().with_policy(CachePolicy { defaults, ..CachePolicy::default() });
    under(CacheOptions { tuning, ..CacheOptions::default() }).open("pages", Some(plain("json", "none"))).unwrap();
    // But not where the platform itself wants both.
    let contradiction = under(CacheOptions { tuning, ..plain("json", "none") }).open("pages", None);
    assert!(matches!(contradiction, Err(Error::Invalid(Invalid::NeedsEnvelope { .. }))), "{contradiction:?}");
}

#[tokio::test]
async fn nobody_is_told_to_compute_what_has_no_envelope() {
    let cache = caches().open("pages", Some(plain("json", "none"))).unwrap();
    cache.set("a", &1, None).await.unwrap();
    let refused = Error::from(Invalid::NeedsEnvelope { what: "lookup" });
    assert_eq!(cache.lookup::<u8>("a", Duration::ZERO).await.unwrap_err(), refused);
    assert_eq!(cache.lookup_cbor("a", None, Duration::MAX).await.unwrap_err(), refused);
    let computed = cache.get_or_try_insert_with("b", || async { panic!("it cannot be stored") as Result<u8, &str> }).await;
    assert_eq!(computed, Err(ComputeError::Cache(refused)));
}

/// Leaves everything as it is.
#[derive(Debug)]
struct Idle;

impl Compressor for Idle {
    fn compress(&self, _: Bytes) -> Work<'_, Option<Bytes>> {
        Work::done(Ok(None))
    }

    fn decompress(&self, bytes: Bytes, _: u64) -> Work<'_, Bytes> {
        Work::done(Ok(bytes))
    }
}

#[tokio::test]
async fn a_compressor_that_leaves_a_value_as_it_is_fails_without_an_envelope() {
    let stages = Stages::builtin().with_compressor("idle", Arc::new(Idle)).unwrap();
    let cache = caches().with_stages(stages).open("pages", Some(plain("json", "idle"))).unwrap();
    let Err(Error::Stage(why)) = cache.set("a", &1, None).await else { panic!() };
    assert_eq!((why.name.as_str(), why.why), ("idle", StageFault::Declined));
}
