//! What a recorder is told.

use super::*;
use crate::told::Told;

const SECOND: Duration = Duration::from_secs(1);

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

/// A cache of herds as two processes would have it.
fn herds() -> [Cache; 2] {
    let store = Arc::new(MemoryStore::new());
    let herd = Some(Herd { herd_timeout: 60 * SECOND, extend_timeout: 10 * SECOND });
    [Caches::new(store.clone()), Caches::new(store)].map(|caches| {
        let options = CacheOptions { herd, expire: Some(10 * SECOND), compressor: StageChoice::None, ..CacheOptions::default() };
        caches.open("pages", Some(options)).unwrap()
    })
}

async fn vacancy(cache: &Cache, wait: Duration) -> Vacancy {
    match cache.lookup::<u8>("b", wait).await.unwrap() {
        Found::Vacant(vacancy) => vacancy,
        other => panic!("{other:?} where there should be a vacancy"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_herds_do_is_told() {
    let recorder = Told::of("bellwether_cache_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let [here, there] = herds();
    here.set("a", &1, None).await.unwrap();
    assert_eq!(there.get("a").await.unwrap(), Some(1));
    tokio::time::sleep(10 * SECOND).await;
    // The first who finds it due is to compute it, and all others get the old value, each by whatever call.
    assert_eq!(here.get::<u8>("a").await.unwrap(), None);
    assert_eq!(there.get("a").await.unwrap(), Some(1));
    assert_eq!(there.get_many::<u8, _>(["a", "none"]).await.unwrap(), [Some(1), None]);
    assert!(matches!(there.lookup("a", SECOND).await.unwrap(), Found::Hit(1_u8)));
    here.set("a", &2, None).await.unwrap();
    assert_eq!(there.get("a").await.unwrap(), Some(2));

    // One waits in vain, one until it has the value, and one until its turn comes.
    let first = vacancy(&here, Duration::ZERO).await;
    assert!(matches!(there.lookup::<u8>("b", 2 * SECOND).await.unwrap(), Found::Busy));
    assert!(matches!(there.lookup::<u8>("b", Duration::ZERO).await.unwrap(), Found::Busy), "it did not wait");
    let waiting = there.lookup::<u8>("b", 60 * SECOND);
    let filling = async {
        tokio::time::sleep(3 * SECOND).await;
        assert!(first.fill(&1, None).await.unwrap());
    };
    assert!(matches!(tokio::join!(waiting, filling).0.unwrap(), Found::Hit(1)));
    assert!(there.delete("b").await.unwrap());
    let second = vacancy(&here, Duration::ZERO).await;
    let dropping = async {
        tokio::time::sleep(4 * SECOND).await;
        drop(second);
    };
    let (third, ()) = tokio::join!(vacancy(&there, 60 * SECOND), dropping);
    // It comes too late.
    here.set("b", &3, None).await.unwrap();
    assert!(!third.fill(&2, None).await.unwrap());

    let told = recorder.all();
    let header = crate::envelope::CLAIMABLE_HEADER as u64 + 1;
    for (name, expected) in [
        ("reads_total cache=other outcome=hit", (3, 0)),
        ("reads_total cache=other outcome=stale", (3, 0)),
        // The first reader, and three vacancies.
        ("reads_total cache=other outcome=claim", (4, 0)),
        ("reads_total cache=other outcome=miss", (3, 0)),
        ("read_bytes_total cache=other", (6 * header, 0)),
        // By `set` and by `fill`.
        ("fills_total cache=other outcome=stored", (2, 0)),
        ("fills_total cache=other outcome=void", (1, 0)),
        ("writes_total cache=other", (4, 0)),
        ("wait_seconds cache=other outcome=busy", (1, 2)),
        ("wait_seconds cache=other outcome=filled", (1, 3)),
        ("wait_seconds cache=other outcome=vacant", (1, 4)),
    ] {
        assert_eq!(told.get(name), Some(&expected), "{name} in {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_are_left_out_are_told_as_such_and_not_as_written() {
    let recorder = Told::of("bellwether_cache_");
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let [here, there] = herds();
    here.set_many([("a", 1), ("b", 1), ("c", 1)], None).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(here.get_many::<u8, _>(["a", "b", "c"]).await.unwrap(), [None; 3]);
    assert_eq!(there.delete_many(&["a".to_owned(), "b".to_owned()], None).await.unwrap(), 2);
    here.set("a", &2, None).await.unwrap();
    // Of one call, one is left out, one is the answer to a claim, and one was not claimed.
    here.set_many([("b", 2), ("c", 2), ("d", 2)], None).await.unwrap();
    let told = recorder.all();
    let header = crate::envelope::CLAIMABLE_HEADER as u64 + 1;
    for (name, expected) in [
        ("fills_total cache=other outcome=stored", (1, 0)),
        ("fills_total cache=other outcome=void", (2, 0)),
        ("writes_total cache=other", (3 + 2, 0)),
        ("written_bytes_total cache=other", (5 * header, 0)),
    ] {
        assert_eq!(told.get(name), Some(&expected), "{name} in {told:?}");
    }
}
