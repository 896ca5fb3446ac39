//! The serializer `postcard`.

use bytes::Bytes;
use serde::{Deserialize, Serialize, Serializer as SerdeSerializer};

use super::work;
use crate::cbor::{Float, Head, Reader, check_and_count, major, put_head, put_simple};
use crate::error::StageFault;
use crate::stage::{Serializer, Work};

/// The built-in serializer `postcard`: what is stored is the postcard encoding of a value that says itself what it is.
///
/// Postcard does not describe itself, so the value is an enum of what CBOR has: `Unsigned(u64)`, `Negative(u64)` (the integer
/// `-1 - n`), `Bytes`, `Text`, `Array(Vec<Value>)`, `Map(Vec<(Value, Value)>)`, `Tag(u64, Box<Value>)`, `Simple(u8)`, and
/// `Half([u8; 2])`, `Single([u8; 4])`, `Double([u8; 8])`, numbers in little-endian bytes. Every value comes back equal; strings,
/// arrays and maps of indefinite length come back definite.
#[derive(Debug, Clone, Copy)]
pub struct PostcardStage;

impl Serializer for PostcardStage {
    fn serialize(&self, value: Bytes) -> Work<'_, Bytes> {
        work(value.len() > LARGE, move || from_cbor(&value).map(Bytes::from))
    }

    fn deserialize(&self, bytes: Bytes) -> Work<'_, Bytes> {
        work(bytes.len() > LARGE, move || to_cbor(&bytes).map(Bytes::from))
    }
}

/// Takes about a millisecond.
const LARGE: usize = 256 * 1024;

/// What a value begins with. In postcard a sequence is its length and its items, one behind the other, so a value is the same
/// bytes as its heads in a row; and heads can be read without recursion, however deep they claim to be nested.
#[derive(Serialize, Deserialize)]
enum Part<'a> {
    Unsigned(u64),
    Negative(u64),
    Bytes(#[serde(serialize_with = "bytes")] &'a [u8]),
    Text(&'a str),
    Array(u64),
    Map(u64),
    Tag(u64),
    Simple(u8),
    Half([u8; 2]),
    Single([u8; 4]),
    Double([u8; 8]),
}

fn from_cbor(value: &[u8]) -> Result<Vec<u8>, StageFault> {
    let malformed = |why| StageFault::Refused(format!("the value is not one CBOR data item: {why}"));
    let mut counts = check_and_count(value).map_err(malformed)?;
    let mut reader = Reader::new(value);
    let mut out = Vec::with_capacity(value.len() + value.len() / 4);
    while reader.left() > 0 {
        let (whole_bytes, whole_text);
        let part = match reader.next().map_err(malformed)? {
            Head::Unsigned(n) => Part::Unsigned(n),
            Head::Negative(n) => Part::Negative(n),
            Head::Bytes(bytes) => Part::Bytes(bytes),
            Head::Text(text) => Part::Text(text),
            Head::BytesChunks => {
                whole_bytes = reader.all_bytes().map_err(malformed)?;
                Part::Bytes(&whole_bytes)
            }
            Head::TextChunks => {
                whole_text = reader.all_text().map_err(malformed)?;
                Part::Text(&whole_text)
            }
            Head::Array(length) => Part::Array(counts.length(length)),
            Head::Map(length) => Part::Map(counts.length(length)),
            Head::Tag(tag) => Part::Tag(tag),
            Head::Simple(value) => Part::Simple(value),
            Head::Float(Float::Half(bits)) => Part::Half(bits.to_le_bytes()),
            Head::Float(Float::Single(bits)) => Part::Single(bits.to_le_bytes()),
            Head::Float(Float::Double(bits)) => Part::Double(bits.to_le_bytes()),
            // The length was counted before.
            Head::Break => continue,
        };
        out = postcard::to_extend(&part, out).map_err(|why| StageFault::Refused(why.to_string()))?;
    }
    Ok(out)
}

/// The heads as CBOR. Whether they are one item is checked by the caller, as for every serializer that is not trusted.
fn to_cbor(mut stored: &[u8]) -> Result<Vec<u8>, StageFault> {
    let mut out = Vec::with_capacity(stored.len());
    while !stored.is_empty() {
        let (part, rest) = postcard::take_from_bytes(stored)
            .map_err(|why| StageFault::Refused(format!("the stored bytes are not postcard: {why}")))?;
        stored = rest;
        let mut string = |major, bytes: &[u8]| {
            put_head(&mut out, major, bytes.len() as u64);
            out.extend_from_slice(bytes);
        };
        match part {
            Part::Unsigned(n) => put_head(&mut out, major::UNSIGNED, n),
            Part::Negative(n) => put_head(&mut out, major::NEGATIVE, n),
            Part::Bytes(bytes) => string(major::BYTES, bytes),
            Part::Text(text) => string(major::TEXT, text.as_bytes()),
            Part::Array(length) => put_head(&mut out, major::ARRAY, length),
            Part::Map(length) => put_head(&mut out, major::MAP, length),
            Part::Tag(tag) => put_head(&mut out, major::TAG, tag),
            Part::Simple(value) => put_simple(&mut out, value),
            Part::Half(bytes) => float(&mut out, 0xf9, bytes),
            Part::Single(bytes) => float(&mut out, 0xfa, bytes),
            Part::Double(bytes) => float(&mut out, 0xfb, bytes),
        }
    }
    Ok(out)
}

fn float<const N: usize>(out: &mut Vec<u8>, head: u8, mut bytes: [u8; N]) {
    bytes.reverse();
    out.push(head);
    out.extend_from_slice(&bytes);
}

/// All at once: serde would go through a slice byte by byte.
fn bytes<S: SerdeSerializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}
