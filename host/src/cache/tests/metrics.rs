//! What a recorder is told.

use super::*;
use crate::told::Told;

#[tokio::test]
async fn reads_writes_and_deletes_are_told() {
    let recorder = Told::of("bellwether_cache_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let store = Arc::new(MemoryStore::new());
    let policy = CachePolicy { in_metrics: vec!["pages".to_owned()], ..CachePolicy::default() };
    let caches = Caches::new(store.clone()).with_policy(policy);
    let pages = caches.open("pages", options("default", "cbor", "none")).unwrap();
    let many: Vec<String> = (0..1_000).map(|n| format!("cache {n}")).collect();
    for name in &many {
        caches.open(name, None).unwrap().get::<u8>("a").await.unwrap();
    }
    pages.set("a", &1, None).await.unwrap();
    pages.set_many([("b", 2), ("c", 3)], None).await.unwrap();
    pages.get::<u8>("a").await.unwrap();
    pages.get_many::<u8, _>(["a", "b", "none"]).await.unwrap();
    pages.exists("a").await.unwrap();
    pages.ttl("a").await.unwrap();
    pages.delete("a").await.unwrap();
    pages.delete_many(&["a".into(), "b".into()], None).await.unwrap();
    pages.delete_pattern("?").await.unwrap();
    pages.clear().await.unwrap();

    let told = recorder.all();
    let count = |name: &str| told.get(name).map_or(0, |(count, _)| *count);
    let bytes = crate::envelope::HEADER as u64 + 1;
    for (name, expected) in [
        ("reads_total cache=pages outcome=hit", 3),
        ("reads_total cache=pages outcome=miss", 1),
        ("reads_total cache=other outcome=miss", 1_000),
        ("writes_total cache=pages", 3),
        ("written_bytes_total cache=pages", 3 * bytes),
        ("read_bytes_total cache=pages", 3 * bytes),
        ("deletes_total cache=pages", 3),
    ] {
        assert_eq!(count(name), expected, "{name} in {told:?}");
    }
    for operation in ["get", "get_many", "set", "set_many", "exists", "ttl", "delete", "delete_many", "delete_pattern", "clear"] {
        assert_eq!(count(&format!("operation_seconds cache=pages operation={operation}")), 1, "{operation}");
    }
    assert!(told.keys().all(|name| name.contains("cache=pages") || name.contains("cache=other")), "{told:?}");
}

#[tokio::test]
async fn invalidations_are_told() {
    let recorder = Told::of("bellwether_cache_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let pages = cache();
    pages.with_tags(["x"]).unwrap().set("a", &1, None).await.unwrap();
    for _ in 0..2 {
        pages.invalidate_tag("x").await.unwrap();
    }
    pages.get::<u8>("a").await.unwrap();
    let told = recorder.all();
    let count = |name: &str| told.get(name).map_or(0, |(count, _)| *count);
    assert_eq!(count("tag_invalidations_total cache=other"), 1, "{told:?}");
    assert_eq!(count("operation_seconds cache=other operation=invalidate_tag"), 2, "{told:?}");
    assert_eq!(count("reads_total cache=other outcome=miss"), 1, "{told:?}");
    assert_eq!(count("deletes_total cache=other"), 0, "{told:?}");
}

#[tokio::test]
async fn errors_are_told_with_the_stage_that_failed() {
    let recorder = Told::of("bellwether_cache_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let store = Arc::new(MemoryStore::new());
    let caches = Caches::new(store.clone());
    let open = |serializer, compressor| caches.open("pages", options("default", serializer, compressor)).unwrap();
    open("json", "none").set_bytes("a", b"no JSON", None).await.unwrap_err();
    open("cbor", "zlib").set("", &1, None).await.unwrap_err();
    open("json", "none").set("a", &1, None).await.unwrap();
    open("cbor", "none").get::<u8>("a").await.unwrap_err();
    let envelope = Envelope { compressed: true, serializer: StageId::CBOR, compressor: StageId::ZLIB, ..Envelope::default() };
    let entry = Entry { key: "cache:pages:a".to_owned(), bytes: envelope.seal(b"no zlib").unwrap() };
    store.set(&entry, None).await.unwrap();
    open("cbor", "zlib").get::<u8>("a").await.unwrap_err();
    let told = recorder.all();
    for stage in ["serializer", "caller", "corrupt", "compressor"] {
        assert_eq!(told.get(&format!("errors_total cache=other stage={stage}")), Some(&(1, 0)), "{told:?}");
    }
}

#[test]
fn what_herds_do_is_told() {
    let recorder = Told::of("bellwether_cache_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    super::super::metrics::describe();
    let metrics = super::super::metrics::ByName::new(&[]).of("pages");
    metrics.stale(10);
    metrics.claim();
    metrics.filled(true);
    metrics.filled(false);
    metrics.waited(Duration::from_secs(2), super::super::metrics::Waited::Filled);
    let expected = [
        ("fills_total cache=other outcome=stored", (1, 0)),
        ("fills_total cache=other outcome=void", (1, 0)),
        ("read_bytes_total cache=other", (10, 0)),
        ("reads_total cache=other outcome=claim", (1, 0)),
        ("reads_total cache=other outcome=stale", (1, 0)),
        ("wait_seconds cache=other outcome=filled", (1, 2)),
    ];
    assert_eq!(recorder.all(), expected.map(|(name, value)| (name.to_owned(), value)).into());
}
