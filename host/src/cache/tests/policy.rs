//! What the platform decides.

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

fn open(policy: &CachePolicy, options: Option<CacheOptions>) -> Result<Cache, Error> {
    caches().with_policy(policy.clone()).open("pages", options)
}

fn stages(cache: &Cache) -> [&str; 3] {
    [StageKind::Identity, StageKind::Serializer, StageKind::Compressor].map(|kind| cache.stage(kind))
}

fn part(result: Result<Cache, Error>) -> (&'static str, String, String) {
    match result {
        Err(Error::Denied(Denied::Pinned { part, pinned, wish })) => (part, pinned, wish),
        other => panic!("{other:?}"),
    }
}

fn platform() -> CachePolicy {
    let defaults =
        CacheOptions { expire: Some(MINUTE), serializer: "json".into(), compressor: "none".into(), ..Default::default() };
    CachePolicy { defaults, ..Default::default() }
}

#[test]
fn without_options_a_cache_has_the_platforms() {
    let cache = open(&platform(), None).unwrap();
    assert_eq!(stages(&cache), ["default", "json", "none"]);
    assert_eq!(cache.expire(), Some(MINUTE));
    // With options, only `default` means the platform's.
    let cache = open(&platform(), options("none", "default", "zlib")).unwrap();
    assert_eq!(stages(&cache), ["none", "json", "zlib"]);
    assert_eq!(cache.expire(), None);
}

#[test]
fn pinned_parts_cannot_be_chosen_otherwise() {
    let mut policy = platform();
    policy.pins =
        Pins { herd: true, expire: true, near: true, identity: true, serializer: true, compressor: true, ..Pins::default() };
    assert!(open(&policy, None).is_ok());
    let wish = CacheOptions { expire: Some(MINUTE), ..Default::default() };
    assert_eq!(stages(&open(&policy, Some(wish.clone())).unwrap()), ["default", "json", "none"]);
    // What is pinned can be spelt out.
    let spelt =
        CacheOptions { serializer: "json".into(), compressor: StageChoice::None, identity: "default".into(), ..wish.clone() };
    assert!(open(&policy, Some(spelt)).is_ok());
    let named = CacheOptions { identity: StageChoice::Named("default".into()), ..wish.clone() };
    assert!(open(&policy, Some(named)).is_ok());
    let other = |change: fn(&mut CacheOptions)| {
        let mut wish = wish.clone();
        change(&mut wish);
        part(open(&policy, Some(wish)))
    };
    assert_eq!(other(|it| it.expire = None), ("expire", "60s".into(), "none".into()));
    assert_eq!(other(|it| it.identity = StageChoice::None), ("identity", "`default`".into(), "`none`".into()));
    assert_eq!(other(|it| it.serializer = "cbor".into()), ("serializer", "`json`".into(), "`cbor`".into()));
    assert_eq!(other(|it| it.compressor = "zlib".into()), ("compressor", "`none`".into(), "`zlib`".into()));
    assert_eq!(other(|it| it.herd = Some(Herd { herd_timeout: MINUTE, extend_timeout: MINUTE })).0, "herd");
}

#[tokio::test]
async fn a_pinned_expiry_is_that_of_every_entry() {
    let mut policy = platform();
    policy.pins.expire = true;
    let cache = open(&policy, None).unwrap();
    cache.set("a", &1, None).await.unwrap();
    cache.set("a", &1, Some(MINUTE)).await.unwrap();
    let denied = cache.set("a", &1, Some(2 * MINUTE)).await;
    assert!(matches!(denied, Err(Error::Denied(Denied::Pinned { part: "expire", .. }))), "{denied:?}");
}

#[test]
fn options_that_cannot_be_are_refused() {
    let refused = |options: CacheOptions| match caches().open("pages", Some(options)) {
        Err(Error::Invalid(why)) => why,
        other => panic!("{other:?}"),
    };
    let herd = |herd_timeout, extend_timeout| Some(Herd { herd_timeout, extend_timeout });
    let with = |herd| refused(CacheOptions { herd, expire: Some(MINUTE), ..Default::default() });
    assert_eq!(with(herd(Duration::ZERO, MINUTE)), Invalid::TooShort { what: "herd-timeout" });
    assert_eq!(with(herd(MINUTE, Duration::from_micros(999))), Invalid::TooShort { what: "extend-timeout" });
    assert!(matches!(with(herd(MINUTE, Duration::MAX)), Invalid::TooLong { what: "extend-timeout", .. }));
    let both = with(herd(crate::clock::MAX_TIME, MINUTE));
    assert!(matches!(both, Invalid::TooLong { what: "expire with the herd-timeout", .. }), "{both}");
    let expire = Some(Duration::ZERO);
    assert_eq!(refused(CacheOptions { expire, ..Default::default() }), Invalid::TooShort { what: "expire" });
    let serializer = "nobody's".into();
    let unknown = refused(CacheOptions { serializer, ..Default::default() });
    assert!(matches!(unknown, Invalid::UnknownStage { kind: StageKind::Serializer, .. }), "{unknown}");
    for name in ["", "a\0", "a\nb"] {
        assert!(matches!(caches().open(name, None), Err(Error::Invalid(_))), "{name:?}");
    }
    assert!(matches!(caches().open(&"n".repeat(10_000), None), Err(Error::Limit(_))));
    assert!(caches().open("{a}*[b]?\\", None).is_ok());
}

#[tokio::test]
async fn nothing_is_larger_than_it_may_be() {
    let limits = CacheLimits { key_bytes: 100, content_bytes: 100, value_bytes: 1000, batch_entries: 3, batch_bytes: 2000 };
    let cache = open(&CachePolicy { limits, ..Default::default() }, None).unwrap();
    let too_large = |answer: Result<(), Error>| match answer {
        Err(Error::Limit(Limit::Size { what, size, max })) => (what, size, max),
        other => panic!("{other:?}"),
    };
    assert_eq!(cache.set("", &1, None).await, Err(Invalid::Empty { what: "key" }.into()));
    cache.set(&"k".repeat(100), &1, None).await.unwrap();
    assert_eq!(too_large(cache.set(&"k".repeat(101), &1, None).await), ("key", 101, 100));
    assert_eq!(too_large(cache.get::<u8>(&"k".repeat(10 << 20)).await.map(|_| ())), ("key", 10 << 20, 100));
    cache.set_bytes("a", &[0; 997], None).await.unwrap();
    assert_eq!(too_large(cache.set_bytes("a", &[0; 998], None).await), ("value", 1001, 1000));
    let content = crate::cbor::wrap_bytes(&[0; 98]);
    cache.set_cbor("a", Bytes::from_static(b"\x01"), Some(&content), None).await.unwrap();
    let content = crate::cbor::wrap_bytes(&[0; 99]);
    assert_eq!(too_large(cache.get_cbor("a", Some(&content)).await.map(|_| ())), ("content", 101, 100));
    let key = Key::with_cbor_content("a", &content).unwrap();
    assert_eq!(too_large(cache.exists(&key).await.map(|_| ())), ("content", 101, 100));
    let too_many =
        |answer: Result<(), Error>| assert!(matches!(answer, Err(Error::Limit(Limit::Count { max: 3, .. }))), "{answer:?}");
    let keys: Vec<String> = (0..4).map(|n| n.to_string()).collect();
    too_many(cache.get_many_cbor(&keys, None).await.map(|_| ()));
    too_many(cache.delete_many(&keys, None).await.map(|_| ()));
    too_many(cache.get_many::<u8, _>(std::iter::repeat("endless")).await.map(|_| ()));
    too_many(cache.set_many(std::iter::repeat(("endless", 1)), None).await);
    too_many(cache.set_many_cbor(keys.iter().map(|key| (key.clone(), Bytes::from_static(b"\x01"))).collect(), None, None).await);
    assert_eq!(cache.get_many::<u8, _>(&keys[..3]).await.unwrap(), [None, None, None]);
    assert!(matches!(cache.delete_pattern(&"*a".repeat(600)).await, Err(Error::Limit(Limit::Size { what: "pattern", .. }))));
}

#[tokio::test]
async fn the_values_of_one_call_are_limited_together() {
    let limits = CacheLimits { value_bytes: 1000, batch_bytes: 2000, ..CacheLimits::default() };
    let value = Bytes::from(crate::cbor::wrap_bytes(&[0; 997]));
    for compressor in ["none", "zlib"] {
        let cache = open(&CachePolicy { limits, ..Default::default() }, options("default", "cbor", compressor)).unwrap();
        let entries = |count: usize| (0..count).map(|n| (n.to_string(), value.clone())).collect::<Vec<_>>();
        let too_large = Limit::Size { what: "batch", size: 3000, max: 2000 };
        // More than that is read no further: the fourth would be larger still.
        assert_eq!(cache.set_many_cbor(entries(4), None, None).await, Err(too_large.clone().into()));
        assert!(!cache.exists("0").await.unwrap(), "nothing was written");
        cache.set_many_cbor(entries(2), None, None).await.unwrap();
        let keys = |count: usize| ["0", "1", "none", "0", "1"][..count].iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        assert_eq!(cache.get_many_cbor(&keys(3), None).await.unwrap(), [Some(value.clone()), Some(value.clone()), None]);
        assert_eq!(cache.get_many_cbor(&keys(5), None).await, Err(too_large.into()));
    }
}

#[tokio::test]
async fn a_key_that_is_asked_for_many_times_is_read_once() {
    let cache = cache();
    cache.set("a", &vec![0_u8; 500], None).await.unwrap();
    cache.set("b", &vec![1_u8; 500], None).await.unwrap();
    let keys = ["b", "a", "none", "a", "b", "none"].map(str::to_owned);
    let values = cache.get_many_cbor(&keys, None).await.unwrap();
    let [b, a] = [cache.get_cbor("b", None).await.unwrap(), cache.get_cbor("a", None).await.unwrap()];
    assert_eq!(values, [b.clone(), a.clone(), None, a, b, None]);
    // Decompressed once, not only alike.
    let at = |place: usize| values[place].as_ref().unwrap().as_ptr();
    assert_eq!((at(0), at(1)), (at(4), at(3)));
}

#[tokio::test]
async fn a_reader_with_smaller_limits_is_not_flooded() {
    let store = Arc::new(MemoryStore::new());
    let limits = CacheLimits { value_bytes: 1000, ..CacheLimits::default() };
    for (compressor, kind) in [("zlib", "stage"), ("none", "limit")] {
        let writer = Caches::new(store.clone());
        let reader = writer.with_policy(CachePolicy { limits, ..Default::default() });
        let [writer, reader] =
            [writer, reader].map(|caches| caches.open(compressor, options("default", "cbor", compressor)).unwrap());
        writer.set_bytes("a", &[0; 5000], None).await.unwrap();
        let error = reader.get_bytes("a").await.unwrap_err();
        assert!(error.to_string().starts_with(kind) && error.to_string().contains("1000"), "{error}");
    }
}
