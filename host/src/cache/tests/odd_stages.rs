//! Stages that are not built in: each call is checked, whatever they answer.

use std::borrow::Cow;

use super::*;
use crate::error::StageError;
use crate::stage::{Compressor, Identity, Serializer, Work};

/// A stage of all kinds that does what its function says.
struct Odd<F>(F);

impl<F> std::fmt::Debug for Odd<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Odd")
    }
}

impl<F: Fn(&str) -> Result<String, StageFault> + Send + Sync + 'static> Identity for Odd<F> {
    fn generate<'a>(&'a self, _: &'a str, key: &'a str, _: Option<&'a [u8]>) -> Work<'a, String> {
        Work::later(async move {
            tokio::task::yield_now().await;
            (self.0)(key)
        })
    }
}

/// Puts every key under one tenant.
#[derive(Debug)]
struct Tenant;

impl Identity for Tenant {
    fn generate<'a>(&'a self, cache: &'a str, key: &'a str, content: Option<&'a [u8]>) -> Work<'a, String> {
        Work::done(Ok(format!("{cache}/{{tenant}}/{key}/{}", content.map_or(0, <[u8]>::len))))
    }

    fn matched<'a>(&self, identity: &'a str) -> Cow<'a, str> {
        identity.split('/').nth(2).unwrap_or_default().into()
    }
}

/// Gives this, whatever it is asked.
#[derive(Debug)]
struct Always(Result<Vec<u8>, StageFault>);

impl Serializer for Always {
    fn serialize(&self, _: Bytes) -> Work<'_, Bytes> {
        Work::done(self.0.clone().map(Bytes::from))
    }

    fn deserialize(&self, _: Bytes) -> Work<'_, Bytes> {
        Work::done(self.0.clone().map(Bytes::from))
    }
}

impl Compressor for Always {
    fn compress(&self, _: Bytes) -> Work<'_, Option<Bytes>> {
        Work::done(self.0.clone().map(|bytes| Some(bytes.into())))
    }

    fn decompress(&self, _: Bytes, _: u64) -> Work<'_, Bytes> {
        Work::done(self.0.clone().map(Bytes::from))
    }
}

fn failed(error: &Error) -> &StageError {
    match error {
        Error::Stage(failed) => failed,
        other => panic!("{other:?}"),
    }
}

fn with_identity(stage: impl Identity) -> Cache {
    let stages = Stages::builtin().with_identity("odd", Arc::new(stage)).unwrap();
    caches().with_stages(stages).open("pages", options("odd", "cbor", "none")).unwrap()
}

fn with(answer: Result<Vec<u8>, StageFault>) -> [Cache; 2] {
    let stage = Arc::new(Always(answer));
    let stages = Stages::builtin().with_serializer("odd", stage.clone()).unwrap().with_compressor("odd", stage).unwrap();
    let caches = caches().with_stages(stages);
    [options("default", "odd", "none"), options("default", "cbor", "odd")].map(|options| caches.open("pages", options).unwrap())
}

#[tokio::test]
async fn an_identity_cannot_leave_its_cache_or_choose_a_slot() {
    let cache = with_identity(Odd(|key: &str| Ok(format!("../{{slot}}\n\0:{key}"))));
    assert_eq!(cache.entry_key("a").await.unwrap(), "cache:pages:../%7Bslot%7D%0A%00:a");
    cache.set("a", &1, None).await.unwrap();
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(1));
    // Patterns mean what the identity gave.
    assert_eq!(cache.delete_pattern("a").await.unwrap(), 0);
    assert_eq!(cache.delete_pattern("*{slot}\n*:a").await.unwrap(), 1);
    // What looks escaped and what is escaped stay apart.
    let plain = with_identity(Odd(|key: &str| Ok(key.to_owned())));
    for key in ["{", "%7B", "%257B"] {
        plain.set(key, key, None).await.unwrap();
    }
    for key in ["{", "%7B", "%257B"] {
        assert_eq!(plain.get::<String>(key).await.unwrap().as_deref(), Some(key));
    }
}

#[tokio::test]
async fn an_identity_that_knows_its_keys_can_be_asked_for_them() {
    let cache = with_identity(Tenant);
    cache.set("a{}", &1, None).await.unwrap();
    cache.set(Key::with_content("a{}", &1).unwrap(), &1, None).await.unwrap();
    cache.set("b", &1, None).await.unwrap();
    assert_eq!(cache.delete_pattern("a{*").await.unwrap(), 2);
    assert!(cache.exists("b").await.unwrap());
}

#[tokio::test]
async fn an_identity_that_answers_nonsense_is_named() {
    for (answer, why) in [
        (Ok(String::new()), "empty text"),
        (Ok("x".repeat(16 << 10) + &"y".repeat(1025)), "over the limit of 17408"),
        (Err(StageFault::Refused("no tenant".into())), "no tenant"),
    ] {
        let cache = with_identity(Odd(move |_: &str| answer.clone()));
        let error = cache.get::<u8>("a").await.unwrap_err();
        let text = failed(&error).to_string();
        assert!(text.starts_with(r#"identity "odd" failed to name an entry"#) && text.contains(why), "{text}");
        assert_eq!(cache.set("a", &1, None).await.unwrap_err(), error);
        assert_eq!(cache.delete_many(&["a".into()], None).await.unwrap_err(), error);
    }
}

#[tokio::test]
async fn stages_that_fail_are_named_on_both_ways() {
    let answer = Err(StageFault::Trapped("unreachable".into()));
    let [serializer, compressor] = with(answer);
    let doing = async |cache: &Cache| failed(&cache.set("a", &page(1), None).await.unwrap_err()).clone();
    assert_eq!(doing(&serializer).await.to_string(), r#"serializer "odd" failed to serialize a value: it trapped: unreachable"#);
    assert_eq!(doing(&compressor).await.to_string(), r#"compressor "odd" failed to compress a value: it trapped: unreachable"#);
}

#[tokio::test]
async fn what_is_no_cbor_is_not_passed_on() {
    let [serializer, _] = with(Ok(vec![0xff]));
    serializer.set("a", &1, None).await.unwrap();
    let error = serializer.get_cbor("a", None).await.unwrap_err();
    assert!(matches!(failed(&error).why, StageFault::NotCbor(_)), "{error}");
    assert_eq!(failed(&error).doing, "deserialize a value");
}

#[tokio::test]
async fn what_is_decompressed_to_no_cbor_is_not_passed_on() {
    // One byte, which the compressor also gives back: a break with nothing before it.
    let [_, compressor] = with(Ok(vec![0xff]));
    compressor.set("a", "compressed", None).await.unwrap();
    let error = compressor.get_cbor("a", None).await.unwrap_err();
    assert!(matches!(failed(&error).why, StageFault::NotCbor(_)), "{error}");
    assert_eq!((failed(&error).kind, failed(&error).doing), (StageKind::Compressor, "decompress a value"));
    assert_eq!(compressor.get_many_cbor(&["a".into()], None).await.unwrap_err(), error);
    // What it does not compress does not pass through it, and what it gives that is CBOR is a value.
    compressor.set("b", &1, None).await.unwrap();
    assert_eq!(compressor.get::<u8>("b").await.unwrap(), Some(1));
    let [_, compressor] = with(Ok(vec![0x07]));
    compressor.set("a", "compressed", None).await.unwrap();
    assert_eq!(compressor.get::<u8>("a").await.unwrap(), Some(7));
}

#[tokio::test]
async fn outputs_have_limits() {
    let limits = CacheLimits { value_bytes: 1000, ..CacheLimits::default() };
    let stage = Arc::new(Always(Ok(vec![0; 1001])));
    let stages = Stages::builtin().with_serializer("odd", stage.clone()).unwrap().with_compressor("odd", stage).unwrap();
    let store = Arc::new(MemoryStore::new());
    let caches = Caches::new(store.clone()).with_stages(stages).with_policy(CachePolicy { limits, ..Default::default() });
    let cache = caches.open("pages", options("default", "odd", "none")).unwrap();
    let error = cache.set("a", &1, None).await.unwrap_err();
    assert_eq!(failed(&error).why, StageFault::Output { size: 1001, max: 1000 });
    // A compressor that makes more of it is not listened to.
    let cache = caches.open("pages", options("default", "cbor", "odd")).unwrap();
    cache.set("a", &1, None).await.unwrap();
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(1));
    // And what claims to be compressed cannot become too much.
    let key = cache.entry_key("a").await.unwrap();
    let (envelope, payload) = Envelope::open(&key, store.get(&key).await.unwrap().unwrap()).unwrap();
    let bytes = Envelope { compressed: true, ..envelope }.seal(&payload).unwrap();
    store.set(&Entry { key, bytes }, None).await.unwrap();
    let error = cache.get::<u8>("a").await.unwrap_err();
    assert_eq!(failed(&error).why, StageFault::Output { size: 1001, max: 1000 });
    assert_eq!(failed(&error).doing, "decompress a value");
}
