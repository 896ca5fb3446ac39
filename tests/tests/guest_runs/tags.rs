//! Tags, as guests use them, and as they may not.

use bellwether::cache::{CacheOptions, CachePolicy, EnvelopeChoice};
use bellwether::guest::{Names, Quotas};

use super::*;

#[tokio::test]
async fn entries_go_with_their_tags() {
    let server = bellwether_tests::Server::start().unwrap();
    let on_server = load(builder().store(server.url())).await;
    for (runtime, guest) in [probe().await, on_server] {
        let ran = run(&guest, "tags life a").await;
        let expected = [
            "set Ok(())",
            "set Ok(())",
            "get Ok(Some([1]))",
            "invalidate Ok(true)",
            "invalidate Ok(false)",
            "many Ok([None, Some([1])])",
            "exists Ok(false)",
            "fill Ok(true)",
            "invalidate Ok(true)",
            "invalidate Ok(true)",
            "fill Ok(false)",
            "get Ok(None)",
            "empty Err(Error::Invalid(\"the tag is empty: give it at least one character\"))",
            "long Err(Error::Limit(\"the tag has 129 bytes, and at most 128 are allowed\"))",
            "many Err(Error::Limit(\"tags of an entry: at most 16 are allowed at once\"))",
        ];
        assert_eq!(ran.lines(), expected);
        // Natively it is the same tag.
        let cache = runtime.caches().open("a", None).unwrap();
        assert!(cache.exists("other").await.unwrap() && cache.invalidate_tag("y").await.unwrap());
        assert!(!cache.exists("other").await.unwrap());
    }
}

#[tokio::test]
async fn tags_that_are_too_many_or_too_long_are_refused_and_nothing_comes_of_it() {
    let (_runtime, guest) = probe().await;
    // Room for the cache and for one vacancy: a lookup that is refused takes none.
    let quotas = Quotas { resources: 2, ..Quotas::default() };
    let limits = GuestLimits { quotas, ..GuestLimits::default() };
    let ran = run_with(&guest, "tags limits a", GuestRun::default().limits(limits)).await;
    let refusals = [
        ("many", "tags of an entry: at most 16 are allowed at once"),
        ("long", "the tag has 129 bytes, and at most 128 are allowed"),
    ];
    let expected = refusals.map(|(what, why)| {
        [
            format!("{what} set Err(Error::Limit({why:?}))"),
            format!("{what} set-many Err(Error::Limit({why:?}))"),
            format!("{what} lookup Err(Error::Limit({why:?}))"),
            "exists Ok(false)".to_owned(),
            format!("{what} fill Err(Error::Limit({why:?}))"),
            // 15 of the lookup, one of them again, and another.
            "fill Ok(true)".to_owned(),
            "invalidate Ok(true)".to_owned(),
            "get Ok(None)".to_owned(),
        ]
    });
    assert_eq!(ran.lines(), expected.concat());
}

#[tokio::test]
async fn a_value_that_is_too_large_is_refused_whatever_its_tags() {
    let (_runtime, guest) = probe().await;
    let large = "Err(Error::Limit(\"the value has 17825797 bytes, and at most 16777216 are allowed\"))";
    let expected = [
        "set Ok(())",
        &format!("large {large}"),
        &format!("large {large}"),
        // It is as it was, with the tag that it had.
        "get Ok(Some([1]))",
        "invalidate Ok(true)",
        "get Ok(None)",
        &format!("large {large}"),
        // The vacancy is still there to be filled.
        "fill Ok(true)",
        "get Ok(Some([2]))",
    ];
    assert_eq!(run(&guest, "tags large a").await.lines(), expected);
}

#[tokio::test]
async fn tags_count_among_the_arguments_of_a_call() {
    let (_runtime, guest) = probe().await;
    let with = |bytes| {
        let quotas = Quotas { bytes, ..Quotas::default() };
        GuestRun::default().limits(GuestLimits { quotas, ..GuestLimits::default() })
    };
    // Each has 100 bytes, and costs some more.
    assert_eq!(run_with(&guest, "tags many a 10", with(2_000)).await.lines(), ["Ok(())"]);
    let ran = run_with(&guest, "tags many a 15", with(2_000)).await;
    assert!(ran.lines()[0].starts_with("Err(Error::Limit(\"bytes of arguments in flight"), "{ran:?}");
    let ran = run_with(&guest, "tags many a 100000", GuestRun::default()).await;
    assert_eq!(ran.lines(), ["Err(Error::Limit(\"tags of an entry: at most 16 are allowed at once\"))"]);
}

#[tokio::test]
async fn a_guest_invalidates_only_in_the_caches_that_it_was_granted() {
    let grant = Grant { caches: Names::matching(["pages"]).unwrap(), ..Grant::none() };
    let (runtime, guest) = load(builder().prefix("tenant-a:").grant(grant)).await;
    let own = runtime.caches();
    let others = [
        own.open("other", None).unwrap(),
        own.open("pages:", None).unwrap(),
        bellwether::Caches::new(runtime.store()).open("pages", None).unwrap(),
    ];
    for cache in &others {
        cache.with_tags(["x"]).unwrap().set("key", &1, None).await.unwrap();
    }
    let ran = run(&guest, "tags invalidate other x").await;
    let denied = "open Error::Denied(\"the cache \\\"other\\\" is not granted to this guest: ask the platform for it\")";
    assert_eq!(ran.lines(), [denied]);
    assert_eq!(run(&guest, "tags set pages x").await.lines(), ["Ok(())"]);
    assert_eq!(run(&guest, "tags invalidate pages x").await.lines(), ["Ok(true)"]);
    assert!(!own.open("pages", None).unwrap().exists("key").await.unwrap());
    for cache in &others {
        assert_eq!(cache.get::<u8>("key").await.unwrap(), Some(1), "{}", cache.name());
    }
}

#[tokio::test]
async fn where_the_platform_has_no_envelope_there_are_no_tags() {
    let defaults = CacheOptions { envelope: EnvelopeChoice::None, ..CacheOptions::default() };
    let (_runtime, guest) = load(builder().cache_policy(CachePolicy { defaults, ..CachePolicy::default() })).await;
    for doing in ["tags set pages x", "tags invalidate pages x"] {
        let ran = run(&guest, doing).await;
        assert!(ran.lines()[0].starts_with("Err(Error::Invalid(\""), "{ran:?}");
    }
}
