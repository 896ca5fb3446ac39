#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::*;
use crate::envelope::{Envelope, StageId};
use crate::error::{Corrupt, Denied, Invalid, Limit, StageFault, StageKind};
use crate::store::memory::MemoryStore;
use crate::store::{Entry, EntryStore};

mod formats;
mod herd;
mod lookup;
mod metrics;
mod odd_stages;
mod policy;
mod survey;
mod tags;
mod tuning;

fn caches() -> Caches {
    Caches::new(Arc::new(MemoryStore::new()))
}

fn cache() -> Cache {
    caches().open("pages", None).unwrap()
}

#[allow(clippy::unnecessary_wraps, reason = "as `Caches::open` takes them")]
fn options(identity: &str, serializer: &str, compressor: &str) -> Option<CacheOptions> {
    let (identity, serializer, compressor) = (identity.into(), serializer.into(), compressor.into());
    Some(CacheOptions { identity, serializer, compressor, ..CacheOptions::default() })
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Page {
    title: String,
    size: u64,
    rank: f64,
    links: Vec<String>,
    more: BTreeMap<String, Option<i64>>,
}

fn page(n: u64) -> Page {
    Page {
        title: format!("page {n}"),
        size: u64::MAX - n,
        rank: 0.1,
        links: vec!["somewhere/else".repeat(3); 20],
        more: [("a".to_owned(), None), ("b".to_owned(), Some(i64::MIN))].into(),
    }
}

#[tokio::test]
async fn values_come_back_through_every_stage() {
    for serializer in ["default", "cbor", "json", "postcard"] {
        for compressor in ["default", "none", "zlib"] {
            for identity in ["default", "none"] {
                let cache = caches().open("pages", options(identity, serializer, compressor)).unwrap();
                assert_eq!(cache.get::<Page>("a").await.unwrap(), None);
                cache.set("a", &page(1), None).await.unwrap();
                assert_eq!(cache.get::<Page>("a").await.unwrap(), Some(page(1)), "{cache:?}");
                cache.set("a", &page(2), None).await.unwrap();
                assert_eq!(cache.get::<Page>("a").await.unwrap(), Some(page(2)), "{cache:?}");
            }
        }
    }
}

#[tokio::test]
async fn null_is_a_value() {
    for serializer in ["cbor", "json", "postcard"] {
        let cache = caches().open("pages", options("default", serializer, "zlib")).unwrap();
        cache.set("null", &None::<u8>, None).await.unwrap();
        assert_eq!(cache.get::<Option<u8>>("null").await.unwrap(), Some(None));
        assert_eq!(cache.get::<Option<u8>>("nothing").await.unwrap(), None);
        assert_eq!(cache.get_cbor("null", None).await.unwrap().unwrap(), &[0xf6][..]);
        assert!(cache.exists("null").await.unwrap());
    }
}

#[tokio::test]
async fn without_a_serializer_bytes_are_stored_as_they_are() {
    let store = Arc::new(MemoryStore::new());
    let cache = Caches::new(store.clone()).open("raw", options("default", "none", "none")).unwrap();
    cache.set_bytes("a", b"\x00\xffraw", None).await.unwrap();
    assert_eq!(cache.get_bytes("a").await.unwrap().unwrap(), &b"\x00\xffraw"[..]);
    assert!(store.get("cache:raw:a").await.unwrap().unwrap().ends_with(b"\x00\xffraw"));
    assert_eq!(cache.get_cbor("a", None).await.unwrap().unwrap(), &b"\x45\x00\xffraw"[..]);
    assert_eq!(cache.set("b", "text", None).await, Err(Invalid::NotByteString.into()));
    // In chunks it is the same byte string.
    cache.set_cbor("c", Bytes::from_static(b"\x5f\x41a\x41b\xff"), None, None).await.unwrap();
    assert_eq!(cache.get_bytes("c").await.unwrap().unwrap(), &b"ab"[..]);
    // Bytes pass through every other serializer that has them.
    let typed = caches().open("typed", options("default", "postcard", "zlib")).unwrap();
    typed.set_bytes("a", &[7; 1000], None).await.unwrap();
    assert_eq!(typed.get_bytes("a").await.unwrap().unwrap(), vec![7; 1000]);
    typed.set("b", &1, None).await.unwrap();
    assert_eq!(typed.get_bytes("b").await, Err(Invalid::NotByteString.into()));
}

#[tokio::test]
async fn a_hit_through_cbor_is_not_copied() {
    let store = Arc::new(MemoryStore::new());
    let cache = Caches::new(store.clone()).open("raw", options("default", "cbor", "none")).unwrap();
    cache.set("a", &page(1), None).await.unwrap();
    let stored = store.get("cache:raw:a").await.unwrap().unwrap();
    let value = cache.get_cbor("a", None).await.unwrap().unwrap();
    assert_eq!(value.as_ptr(), stored[crate::envelope::HEADER..].as_ptr());
}

#[tokio::test]
async fn content_makes_another_entry_whatever_its_order() {
    let cache = cache();
    let one = Key::with_content("a", &BTreeMap::from([("x", 1), ("y", 2)])).unwrap();
    let other = Key::with_content("a", &BTreeMap::from([("x", 1), ("y", 3)])).unwrap();
    cache.set(&one, "one", None).await.unwrap();
    cache.set(&other, "other", None).await.unwrap();
    cache.set("a", "none", None).await.unwrap();
    let get = async |content: Option<&[u8]>| cache.get_cbor("a", content).await.unwrap().map(|value| value[1..].to_vec());
    // Another order, longer integers, an indefinite length.
    assert_eq!(get(Some(b"\xbf\x61y\x18\x02\x61x\x01\xff")).await.unwrap(), b"one");
    assert_eq!(get(Some(b"\xa2\x61y\x03\x61x\x01")).await.unwrap(), b"other");
    assert_eq!(get(None).await.unwrap(), b"none");
    assert_eq!(get(Some(b"\xf6")).await, None);
    for (content, why) in [(&b"\xff"[..], "not allowed"), (b"", "no bytes"), (b"\xa2\x01\x01\x01\x02", "twice")] {
        let Err(Error::Invalid(Invalid::Cbor { what: "content", why: fault })) = cache.get_cbor("a", Some(content)).await else {
            panic!("{content:?}")
        };
        assert!(fault.to_string().contains(why), "{fault}");
    }
    let bare = caches().open("pages", options("none", "cbor", "none")).unwrap();
    assert_eq!(bare.exists(&one).await, Err(Invalid::ContentWithoutIdentity.into()));
}

#[tokio::test]
async fn any_text_can_be_a_key() {
    let store = Arc::new(MemoryStore::new());
    let keys = ["a\0b", "a\nb", "{a}", "a}b{", "*", "[a]", "a?", "%", "%00", "a:b", "\u{85}", "ü", " ", "a%0Ab"];
    for identity in ["default", "none"] {
        let cache = Caches::new(store.clone()).open(&format!("c {identity}"), options(identity, "cbor", "none")).unwrap();
        for key in keys {
            cache.set(key, key, None).await.unwrap();
            let stored = cache.entry_key(key).await.unwrap();
            assert!(stored.starts_with(&format!("cache:c {identity}:")));
            assert!(!stored.contains(|c: char| c.is_control() || matches!(c, '{' | '}')), "{stored:?}");
        }
        for key in keys {
            assert_eq!(cache.get::<String>(key).await.unwrap().as_deref(), Some(key));
        }
        // Each is deleted by the pattern that means exactly it, and by no other.
        for key in keys {
            let exactly: String = key.chars().flat_map(|c| ['\\', c]).collect();
            assert_eq!(cache.delete_pattern(&exactly).await.unwrap(), 1, "{key:?}");
            assert!(!cache.exists(key).await.unwrap());
        }
    }
}

#[tokio::test]
async fn caches_with_similar_names_never_touch_each_other() {
    let caches = caches();
    let names = ["a", "a:", "a:b", "a*", "*", "[a]", "?", "{a}", "a%3Ab", "aa", "A"];
    let open = |name: &str| caches.open(name, None).unwrap();
    let fill = async || {
        for name in names {
            open(name).set("b", name, None).await.unwrap();
            open(name).set("b:c", name, None).await.unwrap();
        }
    };
    for name in names {
        fill().await;
        assert_eq!(open(name).delete_pattern("*").await.unwrap(), 2, "{name}");
        assert!(!open(name).exists("b").await.unwrap());
        for other in names.into_iter().filter(|other| *other != name) {
            assert_eq!(open(other).get::<String>("b").await.unwrap().as_deref(), Some(other), "{name} touched {other}");
        }
    }
    let tenant = caches.with_prefix(Prefix::new("tenant:").unwrap());
    assert_eq!(tenant.open("a", None).unwrap().get::<String>("b").await.unwrap(), None);
}

#[tokio::test]
async fn many_entries_at_once() {
    let cache = cache();
    let keys: Vec<String> = (0..2_000).map(|n| format!("key {n}")).collect();
    cache.set_many(keys.iter().enumerate().filter(|(n, _)| n % 3 != 0).map(|(n, key)| (key, n)), None).await.unwrap();
    let values: Vec<Option<usize>> = cache.get_many(&keys).await.unwrap();
    assert!(values.iter().enumerate().all(|(n, value)| *value == (n % 3 != 0).then_some(n)));
    let twice = cache.get_many_cbor(&["key 1".into(), "none".into(), "key 1".into()], None).await.unwrap();
    assert_eq!(twice, [Some(Bytes::from_static(b"\x01")), None, Some(Bytes::from_static(b"\x01"))]);
    cache.set_many([("last", 1), ("last", 2)], None).await.unwrap();
    assert_eq!(cache.get::<u8>("last").await.unwrap(), Some(2));
    assert_eq!(cache.delete_many(&["last".into(), "last".into(), "none".into()], None).await.unwrap(), 1);
    let content = Some(&b"\x01"[..]);
    cache.set_many_cbor(vec![("x".into(), Bytes::from_static(b"\x05"))], content, None).await.unwrap();
    assert_eq!(cache.get_many_cbor(&["x".into()], content).await.unwrap(), [Some(Bytes::from_static(b"\x05"))]);
    assert_eq!(cache.delete_many(&["x".into()], None).await.unwrap(), 0);
    assert_eq!(cache.delete_many(&["x".into()], content).await.unwrap(), 1);
    let none: [&str; 0] = [];
    assert_eq!(cache.get_many::<u8, _>(none).await.unwrap(), []);
    assert_eq!(cache.delete_many(&[], None).await.unwrap(), 0);
    cache.set_many_cbor(vec![], None, None).await.unwrap();
}

#[tokio::test]
async fn patterns_choose_keys_whatever_their_content() {
    let cache = cache();
    for key in ["user:1", "user:2", "user:30", "users", "guest:1"] {
        cache.set(key, &1, None).await.unwrap();
        cache.set(Key::with_content(key, &"content").unwrap(), &2, None).await.unwrap();
    }
    assert_eq!(cache.delete_pattern("user:?").await.unwrap(), 4);
    assert_eq!(cache.delete_pattern("[^u]*:1").await.unwrap(), 2);
    assert_eq!(cache.delete_pattern("guest").await.unwrap(), 0);
    assert_eq!(cache.delete_pattern("user*").await.unwrap(), 4);
    assert!(matches!(cache.delete_pattern("[a").await, Err(Error::Invalid(Invalid::Pattern { .. }))));
    assert!(matches!(cache.delete_pattern("").await, Err(Error::Invalid(Invalid::Empty { what: "pattern" }))));
}

#[tokio::test(start_paused = true)]
async fn entries_live_as_long_as_they_were_given() {
    let second = Duration::from_secs(1);
    let cache = caches().open("pages", Some(CacheOptions { expire: Some(2 * second), ..CacheOptions::default() })).unwrap();
    assert_eq!(cache.ttl("a").await.unwrap(), Ttl::Absent);
    cache.set("a", &1, None).await.unwrap();
    cache.set("b", &1, Some(5 * second)).await.unwrap();
    assert_eq!(cache.ttl("a").await.unwrap(), Ttl::Remaining(2 * second));
    tokio::time::advance(2 * second).await;
    assert_eq!(cache.get::<u8>("a").await.unwrap(), None);
    assert_eq!(cache.ttl("b").await.unwrap(), Ttl::Remaining(3 * second));
    cache.set_many([("b", 2)], None).await.unwrap();
    assert_eq!(cache.ttl("b").await.unwrap(), Ttl::Remaining(2 * second));
    let lasting = caches().open("pages", None).unwrap();
    lasting.set("a", &1, None).await.unwrap();
    assert_eq!(lasting.ttl("a").await.unwrap(), Ttl::Persistent);
    for expire in [Duration::ZERO, Duration::from_micros(999)] {
        assert_eq!(lasting.set("a", &1, Some(expire)).await, Err(Invalid::TooShort { what: "expire" }.into()));
    }
    assert!(matches!(lasting.set("a", &1, Some(Duration::MAX)).await, Err(Error::Invalid(Invalid::TooLong { .. }))));
    assert!(lasting.delete("a").await.unwrap());
    assert!(!lasting.delete("a").await.unwrap());
}

#[tokio::test]
async fn what_was_written_through_other_stages_says_so() {
    let caches = caches();
    let open = |serializer, compressor| caches.open("pages", options("default", serializer, compressor)).unwrap();
    open("json", "zlib").set("a", &page(1), None).await.unwrap();
    let error = open("cbor", "zlib").get::<Page>("a").await.unwrap_err();
    let other = |kind, wrote: &str, reads: &str| {
        let (key, wrote, reads) = ("cache:pages:a".to_owned(), wrote.to_owned(), reads.to_owned());
        Error::Corrupt(Corrupt::OtherStage { key, kind, wrote, reads })
    };
    assert_eq!(error, other(StageKind::Serializer, "`json`", "`cbor`"));
    let error = open("json", "none").get::<Page>("a").await.unwrap_err();
    assert_eq!(error, other(StageKind::Compressor, "`zlib`", "`none`"));
    let error = open("json", "none").get_many::<Page, _>(["b", "a"]).await.unwrap_err();
    assert_eq!(error, other(StageKind::Compressor, "`zlib`", "`none`"));
    // It can still be replaced.
    open("cbor", "zlib").set("a", &page(1), None).await.unwrap();
    assert_eq!(open("cbor", "zlib").get::<Page>("a").await.unwrap(), Some(page(1)));
}

#[tokio::test]
async fn stored_bytes_that_cannot_be_read_say_why() {
    let store = Arc::new(MemoryStore::new());
    let cache = Caches::new(store.clone()).open("pages", None).unwrap();
    cache.set("a", &page(1), None).await.unwrap();
    let key = cache.entry_key("a").await.unwrap();
    let whole = store.get(&key).await.unwrap().unwrap();
    let with = async |bytes: Vec<u8>| {
        store.set(&Entry { key: key.clone(), bytes: bytes.into() }, None).await.unwrap();
        cache.get::<Page>("a").await.unwrap_err()
    };
    let changed = |at: usize, byte: u8| {
        let mut bytes = whole.to_vec();
        bytes[at] = byte;
        bytes
    };
    assert!(matches!(with(b"hello".to_vec()).await, Error::Corrupt(Corrupt::Foreign { .. })));
    assert!(matches!(with(whole[..50].to_vec()).await, Error::Corrupt(Corrupt::Length { size: 50, .. })));
    assert!(matches!(with(changed(4, 9)).await, Error::Corrupt(Corrupt::Version { version: 9, newest: 3, .. })));
    assert!(matches!(with(changed(5, 0x40)).await, Error::Corrupt(Corrupt::Flags { flags: 0x40, .. })));
    assert!(matches!(with(changed(60, whole[60] ^ 1)).await, Error::Corrupt(Corrupt::Checksum { .. })));
    assert!(matches!(with(changed(5, 0)).await, Error::Corrupt(Corrupt::Checksum { .. })));
    let (envelope, payload) = Envelope::open(&key, whole.clone()).unwrap();
    let unknown = Envelope { serializer: StageId::named("unknown"), ..envelope }.seal(&payload).unwrap();
    let Error::Corrupt(Corrupt::OtherStage { wrote, .. }) = with(unknown.to_vec()).await else { panic!() };
    assert!(wrote.contains("not registered here"), "{wrote}");
    let bare = envelope.seal(b"not zlib").unwrap();
    assert!(matches!(with(bare.to_vec()).await, Error::Stage(failed) if failed.kind == StageKind::Compressor));
}

#[tokio::test]
async fn values_of_another_type_are_told_apart_from_damage() {
    let cache = cache();
    cache.set("a", "text", None).await.unwrap();
    assert!(matches!(cache.get::<u8>("a").await, Err(Error::Invalid(Invalid::Type { .. }))));
    for value in [&b""[..], b"\xff", b"\x01\x01", b"\x61\xff", &[0x81; 200], &vec![0; 1 << 20]] {
        let answer = cache.set_cbor("a", Bytes::copy_from_slice(value), None, None).await;
        assert!(matches!(answer, Err(Error::Invalid(Invalid::Cbor { what: "value", .. }))), "{answer:?}");
    }
    assert_eq!(cache.get::<String>("a").await.unwrap().unwrap(), "text");
}

#[tokio::test]
async fn the_futures_can_be_spawned() {
    let cache = cache();
    let writer = cache.clone();
    tokio::spawn(async move { writer.set(&"a".to_owned(), &page(1), None).await }).await.unwrap().unwrap();
    let reader = cache.clone();
    let values = tokio::spawn(async move { reader.get_many::<Page, _>(vec!["a".to_owned()]).await }).await.unwrap().unwrap();
    assert_eq!(values, [Some(page(1))]);
    tokio::spawn(async move { cache.delete_pattern("*").await }).await.unwrap().unwrap();
}
