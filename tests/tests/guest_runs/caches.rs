//! Caches, as guests use them.

use super::*;

#[tokio::test]
async fn an_entry_has_a_life() {
    let (_runtime, guest) = probe().await;
    assert_eq!(
        run(&guest, "cache life a").await.lines(),
        [
            "get Ok(None)",
            "ttl Ok(TimeToLive::Absent)",
            "set Ok(())",
            "get Ok(true)",
            "ttl Ok(TimeToLive::Persistent)",
            "set Ok(())",
            "ttl true",
            "exists Ok(true)",
            "delete Ok(true)",
            "delete Ok(false)",
            "exists Ok(false)",
        ]
    );
}

#[tokio::test]
async fn many_entries_are_one_call() {
    let (_runtime, guest) = probe().await;
    assert_eq!(
        run(&guest, "cache many a").await.lines(),
        [
            "set Ok(())",
            "get Ok([None, Some([97, 49]), Some([97, 50]), Some([97, 51]), None])",
            "delete Ok(1)",
            "pattern Ok(2)",
            "none Ok(true)",
        ]
    );
}

#[tokio::test]
async fn content_is_canonical_and_null_is_a_value() {
    let (_runtime, guest) = probe().await;
    assert_eq!(run(&guest, "cache content a").await.lines(), ["set Ok(())", "same Ok(true)", "without Ok(false)"]);
    assert_eq!(run(&guest, "cache null b").await.lines(), ["set Ok(())", "get Ok(Some([246]))"]);
}

#[tokio::test]
async fn guests_and_natives_share_entries() {
    let (runtime, guest) = probe().await;
    assert_eq!(run(&guest, "cache set shared key from-the-guest").await.lines(), ["Ok(())"]);
    let cache = runtime.caches().open("shared", None).unwrap();
    assert_eq!(cache.get::<String>("key").await.unwrap().as_deref(), Some("from-the-guest"));
    cache.set("key", "native", None).await.unwrap();
    let ran = run(&guest, "cache get shared key").await;
    assert_eq!(ran.lines(), ["Ok(Some([102, 110, 97, 116, 105, 118, 101]))"]);
}

#[tokio::test]
async fn a_thousand_calls_are_in_flight_at_once() {
    let (_runtime, guest) = probe().await;
    assert_eq!(run(&guest, "cache concurrent a 1000").await.lines(), ["set 1000", "get 1000"]);
}

#[tokio::test]
async fn input_that_cannot_be_is_refused_with_what_is_wrong() {
    let (_runtime, guest) = probe().await;
    let ran = run(&guest, "cache invalid a").await;
    let expected = [
        ("truncated Err(Error::Invalid(", "the value is not one CBOR data item: the bytes end within the item"),
        ("trailing Err(Error::Invalid(", "from byte 1"),
        ("empty Err(Error::Invalid(", "there are no bytes"),
        ("content Err(Error::Invalid(", "the content is not one CBOR data item"),
        ("no key Err(Error::Invalid(", "the key is empty"),
        ("long key Err(Error::Limit(", "10000000 bytes"),
        ("large value Err(Error::Limit(", "at most 16777216"),
        ("pattern Err(Error::Invalid(", "ends within a set"),
        ("nothing Ok(false)", ""),
    ];
    let lines = ran.lines();
    assert_eq!(lines.len(), expected.len());
    for (line, (start, part)) in lines.iter().zip(expected) {
        assert!(line.starts_with(start) && line.contains(part), "{line}: {start} {part}");
    }
}

#[tokio::test]
async fn a_cache_picks_its_stages() {
    let (_runtime, guest) = probe().await;
    for stages in ["default default default", "default json none", "default postcard zlib", "none cbor none"] {
        let ran = run(&guest, &format!("cache stages {stages}")).await;
        assert_eq!(ran.lines(), ["set Ok(())", "get Ok(true)"], "{stages}");
    }
    let ran = run(&guest, "cache stages default nobody none").await;
    assert!(ran.lines()[0].starts_with("open Error::Invalid(\"no serializer is registered as \\\"nobody\\\""), "{ran:?}");
    let ran = run(&guest, "cache stages none none none").await;
    assert!(
        ran.lines()[0].starts_with("set Err(Error::Invalid(\"with serializer `none` a value is a CBOR byte string"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn a_part_that_the_platform_pins_cannot_be_chosen() {
    use bellwether::cache::{CachePolicy, Pins};
    let policy = CachePolicy { pins: Pins { serializer: true, ..Pins::default() }, ..CachePolicy::default() };
    let (_runtime, guest) = load(builder().cache_policy(policy)).await;
    let ran = run(&guest, "cache stages default json default").await;
    assert!(ran.lines()[0].starts_with("open Error::Denied(\"the platform pins serializer to "), "{ran:?}");
    assert_eq!(run(&guest, "cache stages default default none").await.lines(), ["set Ok(())", "get Ok(true)"]);
}
