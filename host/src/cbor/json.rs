//! Between CBOR and JSON, one item after another, with nothing kept of the value in between.

use std::fmt;
use std::io::Write as _;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use thiserror::Error as ThisError;

use super::write::{fill_head, major, put_float, put_head, put_simple, reserve_head};
use super::{Head, Reader};
use crate::error::CborFault;

/// Why a value cannot be JSON, or is not JSON.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum JsonFault {
    /// An item that JSON has nothing like.
    #[error(
        "JSON cannot hold the {what} at byte {at} of the value: turn it into something that JSON has, or choose serializer `cbor`"
    )]
    NotJson {
        /// What it is.
        what: &'static str,
        /// Where it is.
        at: usize,
    },
    /// The CBOR is malformed.
    #[error("the value is not one CBOR data item: {0}")]
    Cbor(#[from] CborFault),
    /// The JSON is malformed.
    #[error("not JSON: {0}")]
    Syntax(String),
}

/// How deep JSON may be nested: what `serde_json` reads back.
const MAX_JSON_DEPTH: usize = 127;

/// One CBOR data item as JSON. Numbers keep their kind: a floating-point number has a point or an exponent, an integer has none.
///
/// # Errors
/// [`JsonFault::NotJson`] for byte strings, tags, keys that are not text, `undefined` and other simple values, NaN and infinities,
/// integers under -2^63, and items nested over 127 deep; [`JsonFault::Cbor`] for malformed CBOR.
pub fn to_json(cbor: &[u8]) -> Result<Vec<u8>, JsonFault> {
    let mut writer = Writer { reader: Reader::new(cbor), out: Vec::with_capacity(cbor.len() + cbor.len() / 4) };
    let first = writer.reader.next()?;
    writer.item(0, first, MAX_JSON_DEPTH)?;
    match writer.reader.left() {
        0 => Ok(writer.out),
        _ => Err(CborFault::Trailing { at: writer.reader.at() }.into()),
    }
}

/// JSON as one CBOR data item. Integers stay integers from -2^63 to 2^64-1; larger ones become floating-point numbers.
///
/// # Errors
/// [`JsonFault::Syntax`] for what is not JSON, or is nested over 127 deep.
pub fn from_json(json: &[u8]) -> Result<Vec<u8>, JsonFault> {
    let syntax = |why: serde_json::Error| JsonFault::Syntax(why.to_string());
    let mut out = Vec::with_capacity(json.len());
    let mut reader = serde_json::Deserializer::from_slice(json);
    Put(&mut out).deserialize(&mut reader).map_err(syntax)?;
    reader.end().map_err(syntax)?;
    Ok(out)
}

struct Writer<'a> {
    reader: Reader<'a>,
    out: Vec<u8>,
}

impl<'a> Writer<'a> {
    /// The item that begins with `head` at `at`, with `depth` levels left to nest.
    fn item(&mut self, at: usize, head: Head<'a>, depth: usize) -> Result<(), JsonFault> {
        let not = |what| Err(JsonFault::NotJson { what, at });
        match head {
            Head::Unsigned(n) => self.display(n),
            Head::Negative(n) => match i64::try_from(n) {
                Ok(n) => self.display(-1 - n),
                Err(_) => return not("integer under -2^63"),
            },
            Head::Text(text) => self.text(text),
            Head::TextChunks => {
                let text = self.reader.all_text()?;
                self.text(&text);
            }
            Head::Array(_) | Head::Map(_) if depth == 0 => return not("item nested over 127 deep"),
            Head::Array(length) => self.all(length, *b"[]", |writer, at, head| writer.item(at, head, depth - 1))?,
            Head::Map(length) => self.all(length, *b"{}", |writer, at, head| writer.pair(at, head, depth - 1))?,
            Head::Simple(20) => self.out.extend_from_slice(b"false"),
            Head::Simple(21) => self.out.extend_from_slice(b"true"),
            Head::Simple(22) => self.out.extend_from_slice(b"null"),
            Head::Float(float) if !float.value().is_finite() => return not("NaN or infinity"),
            Head::Float(float) => self.serialize(&float.value()),
            Head::Bytes(_) | Head::BytesChunks => return not("byte string"),
            Head::Tag(_) => return not("tag"),
            Head::Simple(23) => return not("`undefined`"),
            Head::Simple(_) => return not("simple value"),
            Head::Break => return Err(CborFault::Malformed { at }.into()),
        }
        Ok(())
    }

    /// Everything in an array or map, between its brackets.
    fn all(
        &mut self,
        length: Option<u64>,
        [open, close]: [u8; 2],
        mut each: impl FnMut(&mut Self, usize, Head<'a>) -> Result<(), JsonFault>,
    ) -> Result<(), JsonFault> {
        self.out.push(open);
        let mut done = 0;
        while length != Some(done) {
            let at = self.reader.at();
            let head = self.reader.next()?;
            if length.is_none() && head == Head::Break {
                break;
            }
            if done > 0 {
                self.out.push(b',');
            }
            each(self, at, head)?;
            done += 1;
        }
        self.out.push(close);
        Ok(())
    }

    fn pair(&mut self, at: usize, key: Head<'a>, depth: usize) -> Result<(), JsonFault> {
        match key {
            Head::Text(_) | Head::TextChunks => self.item(at, key, depth)?,
            _ => return Err(JsonFault::NotJson { what: "map key that is not text", at }),
        }
        self.out.push(b':');
        let at = self.reader.at();
        let value = self.reader.next()?;
        self.item(at, value, depth)
    }

    fn text(&mut self, text: &str) {
        self.serialize(text);
    }

    fn display(&mut self, number: impl fmt::Display) {
        // Writing to a vector cannot fail.
        let _ = write!(self.out, "{number}");
    }

    fn serialize<T: serde::Serialize + ?Sized>(&mut self, value: &T) {
        // Nor can the serialisation of text and of finite numbers.
        let _ = serde_json::to_writer(&mut self.out, value);
    }
}

/// Puts what serde reads behind what is there already.
struct Put<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Put<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Put<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        put_simple(self.0, if value { 21 } else { 20 });
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        put_simple(self.0, 22);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        put_head(self.0, major::UNSIGNED, value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        let major = if value < 0 { major::NEGATIVE } else { major::UNSIGNED };
        // The argument of a negative integer is -1 - n, which is its complement.
        put_head(self.0, major, if value < 0 { !value } else { value }.unsigned_abs());
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        put_float(self.0, value);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        put_head(self.0, major::TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let reserved = reserve_head(self.0);
        let mut count = 0;
        while items.next_element_seed(Put(self.0))?.is_some() {
            count += 1;
        }
        fill_head(self.0, reserved, major::ARRAY, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        let reserved = reserve_head(self.0);
        let mut count = 0;
        while pairs.next_key_seed(Put(self.0))?.is_some() {
            pairs.next_value_seed(Put(self.0))?;
            count += 1;
        }
        fill_head(self.0, reserved, major::MAP, count);
        Ok(())
    }
}
