#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde::Serialize;

use super::*;
use crate::cbor::tests::{Item, item, jsonable};
use crate::cbor::{canonical, check};
use crate::glob::Glob;
use crate::stage::{Compressor, Identity, Serializer};

/// What a stage gives at once.
fn now<T>(work: Work<'_, T>) -> Result<T, StageFault> {
    match work {
        Work::Done(Some(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, StageFault>) -> String {
    match answer {
        Err(StageFault::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn identity(key: &str, content: Option<&[u8]>) -> String {
    now(DefaultIdentity.generate("cache", key, content)).unwrap()
}

#[test]
fn the_default_identity_is_readable_and_never_changes() {
    assert_eq!(identity("user 42", None), "user 42");
    assert_eq!(identity("user:42", None), "user%3A42");
    assert_eq!(identity("a", Some(b"")), "a:47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
    assert_eq!(identity("a", Some(b"abc")), "a:ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
}

#[test]
fn no_two_inputs_share_a_key() {
    let mut seen: HashMap<String, (String, Option<&[u8]>)> = HashMap::new();
    let pieces = ["a", ":", "%", "%3A", "3A", "{", "}", "\n", "\0", ":47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"];
    for one in pieces {
        for two in pieces {
            for three in ["", "a", ":"] {
                let key = [one, two, three].concat();
                for content in [None, Some(&b""[..]), Some(b"\x01"), Some(b"a")] {
                    match seen.entry(identity(&key, content)) {
                        Entry::Occupied(other) => assert_eq!(other.get(), &(key.clone(), content)),
                        Entry::Vacant(free) => _ = free.insert((key.clone(), content)),
                    }
                }
            }
        }
    }
}

#[test]
fn json_is_json() {
    let stored = now(JsonStage.serialize(Bytes::from_static(b"\xa1\x61a\x01"))).unwrap();
    assert_eq!(stored, &br#"{"a":1}"#[..]);
    let why = refused(now(JsonStage.serialize(Bytes::from_static(b"\x81\x41\x00"))));
    assert!(why.contains("byte string at byte 1") && why.contains("`cbor`"), "{why}");
    refused(now(JsonStage.deserialize(Bytes::from_static(b"{"))));
}

/// The value that [`PostcardStage`] documents, as one would write it.
#[derive(Serialize)]
enum Neutral<'a> {
    Unsigned(u64),
    Negative(u64),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Neutral<'a>>),
    Map(Vec<(Neutral<'a>, Neutral<'a>)>),
    Tag(u64, Box<Neutral<'a>>),
    Simple(u8),
    Half([u8; 2]),
    Single([u8; 4]),
    Double([u8; 8]),
}

#[test]
fn postcard_is_that_of_the_documented_type() {
    use Neutral::{Array, Double, Half, Map, Negative, Simple, Single, Tag, Text, Unsigned};
    let value = Map(vec![
        (Text("a"), Array(vec![Unsigned(300), Negative(u64::MAX), Neutral::Bytes(&[1, 2]), Array(vec![])])),
        (Tag(1, Box::new(Half([0, 0x3c]))), Array(vec![Simple(255), Single([0, 0, 0x80, 0x3f]), Double(1.5_f64.to_le_bytes())])),
    ]);
    let cbor = b"\xa2\x61a\x9f\x19\x01\x2c\x3b\xff\xff\xff\xff\xff\xff\xff\xff\x42\x01\x02\x80\xff\xc1\xf9\x3c\x00\x83\xf8\xff\xfa\x3f\x80\x00\x00\xfb\x3f\xf8\0\0\0\0\0\0";
    assert_eq!(check(cbor), Ok(()));
    assert_eq!(now(PostcardStage.serialize(Bytes::from_static(cbor))).unwrap(), ::postcard::to_allocvec(&value).unwrap());
}

#[test]
fn postcard_that_was_tampered_with_is_not_believed() {
    for stored in [&b"\x0b"[..], b"\x00", b"\x03\x02a", b"\x03\x01\xff", b"\x08\x80"] {
        refused(now(PostcardStage.deserialize(Bytes::from_static(stored))));
    }
    // Nested far too deep, an array that ends too early, a simple value that cannot be: the caller's check sees them.
    for stored in [[4, 1].repeat(1_000_000), vec![4, 0xff, 0xff, 0x03], vec![7, 25]] {
        let value = PostcardStage.deserialize(stored.into());
        assert!(now(value).map_or(true, |value| check(&value).is_err()));
    }
}

#[test]
fn zlib_leaves_alone_what_would_not_become_smaller() {
    let compress = |bytes: Vec<u8>| now(ZlibStage.compress(bytes.into())).unwrap();
    assert_eq!(compress(vec![0; 63]), None);
    assert!(compress(vec![0; 64]).is_some());
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    assert_eq!(compress(noise.take(5000).collect()), None);
}

#[test]
fn zlib_stays_within_its_limit() {
    let bomb = now(ZlibStage.compress(vec![0; 60_000].into())).unwrap().unwrap();
    assert!(bomb.len() < 100);
    for max in [0, 1, 1023, 1024, 59_999] {
        let answer = now(ZlibStage.decompress(bomb.clone(), max));
        assert_eq!(answer, Err(StageFault::Output { size: max + 1, max }));
    }
    for max in [60_000, 60_001, u64::MAX] {
        assert_eq!(now(ZlibStage.decompress(bomb.clone(), max)).unwrap(), vec![0; 60_000]);
    }
}

#[test]
fn zlib_that_was_tampered_with_is_refused() {
    let whole = now(ZlibStage.compress(b"bellwether ".repeat(20).into())).unwrap().unwrap();
    let refuse = |bytes: Vec<u8>| refused(now(ZlibStage.decompress(bytes.into(), 1 << 20)));
    for size in 0..whole.len() {
        refuse(whole[..size].to_vec());
    }
    assert!(refuse([&whole[..], b"\0"].concat()).contains("more bytes"));
    assert!(refuse([&whole[..], &whole[..]].concat()).contains("more bytes"));
    let mut damaged = whole.to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(refuse(damaged).contains("checksum"));
    refuse(b"not zlib at all".to_vec());
    // Another try after all these failures has a clean state.
    assert_eq!(now(ZlibStage.decompress(whole, 1 << 20)).unwrap(), b"bellwether ".repeat(20));
}

#[tokio::test]
async fn large_work_leaves_the_callers_thread() {
    let large = Bytes::from(b"0123456789abcdef".repeat(100_000));
    let work = ZlibStage.compress(large.clone());
    assert!(matches!(work, Work::Later(_)));
    let compressed = work.await.unwrap().unwrap();
    let Work::Done(_) = ZlibStage.decompress(compressed.slice(..10), 1 << 20) else { panic!("small work was moved") };
    // Few bytes, and so is the limit; then many come of them.
    assert!(compressed.len() < 10_000);
    let Work::Done(_) = ZlibStage.decompress(compressed.clone(), 1000) else { panic!("small work was moved") };
    let work = ZlibStage.decompress(compressed, 1 << 24);
    assert!(matches!(work, Work::Later(_)));
    assert_eq!(work.await.unwrap(), large);
}

fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '{' | '}')
}

proptest! {
    #[test]
    fn the_default_identity_gives_the_key_back(key in any::<String>(), content in proptest::option::of(any::<Vec<u8>>())) {
        let identity = identity(&key, content.as_deref());
        prop_assert_eq!(DefaultIdentity.matched(&identity), key.as_str());
        prop_assert!(!identity.contains(is_special));
        let exactly: String = key.chars().flat_map(|c| ['\\', c]).collect();
        if let Ok(pattern) = Glob::new(&exactly) {
            prop_assert!(pattern.matches(&key) && DefaultIdentity.hint(&pattern).matches(&identity));
        }
    }

    #[test]
    fn postcard_keeps_every_value(item in item(), style in any::<Vec<u8>>()) {
        let value = Bytes::from(item.encode(&style));
        let back = now(PostcardStage.deserialize(now(PostcardStage.serialize(value.clone())).unwrap())).unwrap();
        prop_assert_eq!(check(&back), Ok(()));
        prop_assert_eq!(canonical(&back), canonical(&value));
        // Only lengths change their form.
        prop_assert!(!style.is_empty() || back == value);
    }

    #[test]
    fn json_keeps_what_it_takes(item in jsonable()) {
        let value = Bytes::from(item.encode(&[]));
        let back = now(JsonStage.deserialize(now(JsonStage.serialize(value.clone())).unwrap())).unwrap();
        prop_assert_eq!(canonical(&back), canonical(&value));
    }

    #[test]
    fn zlib_keeps_everything(bytes in proptest::collection::vec(0..4_u8, 0..3000)) {
        let bytes = Bytes::from(bytes);
        if let Some(compressed) = now(ZlibStage.compress(bytes.clone())).unwrap() {
            prop_assert!(compressed.len() < bytes.len());
            prop_assert_eq!(now(ZlibStage.decompress(compressed, bytes.len() as u64)).unwrap(), bytes);
        } else {
            prop_assert!(bytes.len() < 64);
        }
    }

    #[test]
    fn no_stored_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = now(PostcardStage.deserialize(bytes.clone()));
        let _ = now(JsonStage.deserialize(bytes.clone()));
        let _ = now(ZlibStage.decompress(bytes, 1000));
    }
}

#[test]
fn values_of_every_kind_are_tried() {
    // The strategies above are only as good as the values they make.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut kinds = std::collections::HashSet::new();
    for _ in 0..500 {
        let item: Item = item().new_tree(&mut runner).unwrap().current();
        kinds.insert(std::mem::discriminant(&item));
    }
    assert_eq!(kinds.len(), 9);
}
