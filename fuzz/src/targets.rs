//! What has to be true, whatever the bytes are. A target fails by panicking.

use std::task::{Context, Poll, Waker};

use bellwether::cbor;
use bellwether::envelope::{Envelope, Peek, is_tagged, tags};
use bellwether::error::CborFault;
use bellwether::names::{self, Prefix, entry_prefix, escape_last, hash_tag, unescape};
use bellwether::stage::builtin::{JsonStage, PostcardStage, ZlibStage};
use bellwether::stage::{Compressor, Serializer, Work};
use bytes::Bytes;

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// All targets by their names, which are those of their corpora.
pub const ALL: [Target; 5] = [("envelope", envelope), ("cbor", cbor), ("json", json), ("escape", escape), ("stages", stages)];

/// An entry as it comes from the store: what can be opened can be sealed again, and is the same.
pub fn envelope(bytes: &[u8]) {
    let stored = Bytes::copy_from_slice(bytes);
    let peek = Peek::at(bytes);
    if let Ok((envelope, payload)) = Envelope::open("key", stored.clone()) {
        let peek = peek.expect("what can be opened can be looked at");
        assert_eq!((peek.serializer, peek.compressor), (envelope.serializer, envelope.compressor));
        assert_eq!((peek.compressed, peek.created), (envelope.compressed, envelope.created));
        let tagged = tags(bytes);
        assert_eq!(is_tagged(bytes), !tagged.is_empty());
        let again = envelope.seal_with(&tagged, &payload).expect("it was sealed before");
        assert_eq!(tags(&again), tagged);
        assert_eq!(Envelope::open("key", again), Ok((envelope, payload)));
        for size in 0..bytes.len() {
            assert!(Envelope::open("key", stored.slice(..size)).is_err(), "cut off after {size} bytes");
        }
    }
}

/// Content as it comes from a guest: the canonical form of what is CBOR is CBOR, means the same, and is its own canonical form.
pub fn cbor(bytes: &[u8]) {
    let checked = cbor::check(bytes);
    match cbor::canonical(bytes) {
        Ok(canonical) => {
            assert_eq!(checked, Ok(()));
            assert_eq!(cbor::check(&canonical), Ok(()));
            assert_eq!(cbor::canonical(&canonical).as_deref(), Ok(&canonical[..]));
            // Not the other way round: a bignum, which JSON does not have, becomes an integer where it is one.
            assert!(cbor::to_json(&canonical).is_ok() || cbor::to_json(bytes).is_err());
        }
        Err(CborFault::DuplicateKey) => assert_eq!(checked, Ok(())),
        Err(_) => assert!(checked.is_err()),
    }
    if let Ok(json) = cbor::to_json(bytes) {
        let value = cbor::from_json(&json).expect("what was written is read");
        assert_eq!(cbor::canonical(&value), cbor::canonical(bytes), "it means the same");
    }
    if let Some(payload) = cbor::unwrap_bytes(&Bytes::copy_from_slice(bytes)) {
        assert_eq!(cbor::canonical(&cbor::wrap_bytes(&payload)), cbor::canonical(bytes));
    }
}

/// JSON as other programs write it: what is read is CBOR, and what is written of that is read as the same.
pub fn json(bytes: &[u8]) {
    if let Ok(value) = cbor::from_json(bytes) {
        assert_eq!(cbor::check(&value), Ok(()));
        let json = cbor::to_json(&value).expect("what was read can be written");
        assert_eq!(cbor::from_json(&json), Ok(value));
    }
}

/// Names and keys: no two become one, none gets out of its cache, and none chooses its slot.
pub fn escape(bytes: &[u8]) {
    let escape_of = |text: &str| names::escape(text).into_owned();
    let (one, other) = bytes.split_at(bytes.len() / 2);
    let (one, other) = (&*String::from_utf8_lossy(one), &*String::from_utf8_lossy(other));
    for text in [one, other] {
        for part in [escape_of(text), escape_last(text).into_owned()] {
            assert_eq!(unescape(&part).as_deref(), Some(text));
            assert!(!part.contains(|c: char| c.is_control() || matches!(c, '{' | '}')), "{part:?}");
        }
        assert!(!escape_of(text).contains(':'));
        if let Some(plain) = unescape(text) {
            assert_eq!(unescape(&escape_of(&plain)), Some(plain));
        }
    }
    if one != other {
        assert_ne!(escape_of(one), escape_of(other));
        assert_ne!(escape_last(one), escape_last(other));
        let prefix = Prefix::default();
        if let (Ok(one), Ok(other)) = (entry_prefix(&prefix, one), entry_prefix(&prefix, other)) {
            assert!(!one.starts_with(&other) && !other.starts_with(&one), "{one:?} and {other:?}");
            assert_eq!(hash_tag(&one), None);
        }
    }
}

/// Payloads as other programs write them: what the built-in stages make of them is CBOR and within its limit.
pub fn stages(bytes: &[u8]) {
    const MOST: u64 = 4096;
    let stored = Bytes::copy_from_slice(bytes);
    if let Ok(payload) = now(ZlibStage.decompress(stored.clone(), MOST)) {
        assert!(payload.len() as u64 <= MOST);
    }
    let compressed = now(ZlibStage.compress_always(stored.clone())).expect("anything can be compressed");
    assert_eq!(now(ZlibStage.decompress(compressed, bytes.len() as u64)).as_ref(), Ok(&stored));
    if let Ok(Some(compressed)) = now(ZlibStage.compress(stored.clone())) {
        assert!(compressed.len() < bytes.len());
        assert_eq!(now(ZlibStage.decompress(compressed, bytes.len() as u64)).as_ref(), Ok(&stored));
    }
    // What becomes of it is checked by who called, as of any stage that is not trusted.
    let _ = now(PostcardStage.deserialize(stored.clone()));
    if let Ok(value) = now(JsonStage.deserialize(stored)) {
        assert_eq!(cbor::check(&value), Ok(()));
    }
}

/// The answer of a stage where there is no runtime that it could leave the work to.
fn now<T>(work: Work<'_, T>) -> Result<T, bellwether::error::StageFault> {
    let mut work = work;
    match std::pin::Pin::new(&mut work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits for something"),
    }
}
