//! Values, and every way to write them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::cbor::{Float, Head, Reader, canonical, major, put_simple};

/// A value, apart from how it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Item {
    Unsigned(u64),
    Negative(u64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Item>),
    /// Keys by their canonical form, so that none is there twice.
    Map(BTreeMap<Vec<u8>, Item>),
    Tag(u64, Box<Item>),
    Simple(u8),
    Float(u64),
}

/// Any value.
pub(crate) fn item() -> impl Strategy<Value = Item> {
    let leaf = prop_oneof![
        number().prop_map(Item::Unsigned),
        number().prop_map(Item::Negative),
        proptest::collection::vec(any::<u8>(), 0..30).prop_map(Item::Bytes),
        any::<String>().prop_map(Item::Text),
        prop_oneof![0..24_u8, 32..=255_u8].prop_map(Item::Simple),
        any::<f64>().prop_map(|value| Item::Float(value.to_bits())),
        any::<f32>().prop_map(|value| Item::Float(f64::from(value).to_bits())),
        (-2000..2000_i32).prop_map(|value| Item::Float((f64::from(value) / 8.0).to_bits())),
    ];
    leaf.prop_recursive(6, 60, 30, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..30).prop_map(Item::Array),
            proptest::collection::vec((inner.clone(), inner.clone()), 0..30).prop_map(map),
            (number(), inner).prop_map(|(tag, item)| Item::Tag(tag, Box::new(item))),
        ]
    })
}

/// Any value that JSON has too.
pub(crate) fn jsonable() -> impl Strategy<Value = Item> {
    let text = || any::<String>().prop_map(Item::Text);
    let leaf = prop_oneof![
        number().prop_map(Item::Unsigned),
        number().prop_map(|n| Item::Negative(n >> 1)),
        text(),
        (20..23_u8).prop_map(Item::Simple),
        any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(|value| Item::Float(value.to_bits())),
    ];
    leaf.prop_recursive(6, 60, 30, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..30).prop_map(Item::Array),
            proptest::collection::vec((text(), inner), 0..30).prop_map(map),
        ]
    })
}

fn map(pairs: Vec<(Item, Item)>) -> Item {
    Item::Map(pairs.into_iter().map(|(key, value)| (canonical(&key.encode(&[])).unwrap(), value)).collect())
}

/// Numbers around all the widths that heads have.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..30_u64, 0..300_u64, 0..70_000_u64, 0..5_000_000_000_u64, any::<u64>()]
}

impl Item {
    /// One way to write it, as the bytes of `style` say: long heads, chunks, indefinite lengths, maps in any order.
    pub(crate) fn encode(&self, style: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.put(&mut out, &mut style.iter().copied().cycle());
        out
    }

    /// What it is once it is canonical, where bignums become integers and numbers that are none become one.
    pub(crate) fn normal(&self) -> Self {
        match self {
            Self::Array(items) => Self::Array(items.iter().map(Self::normal).collect()),
            Self::Map(pairs) => Self::Map(pairs.iter().map(|(key, value)| (key.clone(), value.normal())).collect()),
            Self::Float(bits) if f64::from_bits(*bits).is_nan() => Self::Float(f64::NAN.to_bits()),
            Self::Tag(tag @ (2 | 3), item) => {
                let Self::Bytes(digits) = &**item else { return Self::Tag(*tag, Box::new(item.normal())) };
                let digits: Vec<u8> = digits.iter().copied().skip_while(|digit| *digit == 0).collect();
                if digits.len() > 8 {
                    return Self::Tag(*tag, Box::new(Self::Bytes(digits)));
                }
                let number = digits.iter().fold(0, |number, digit| number << 8 | u64::from(*digit));
                if *tag == 2 { Self::Unsigned(number) } else { Self::Negative(number) }
            }
            Self::Tag(tag, item) => Self::Tag(*tag, Box::new(item.normal())),
            other => other.clone(),
        }
    }

    fn put(&self, out: &mut Vec<u8>, style: &mut impl Iterator<Item = u8>) {
        let choice = style.next().unwrap_or(0);
        match self {
            Self::Unsigned(n) => head(out, major::UNSIGNED, *n, choice),
            Self::Negative(n) => head(out, major::NEGATIVE, *n, choice),
            Self::Bytes(bytes) => string(out, major::BYTES, bytes.chunks(3), bytes.len(), choice),
            Self::Text(text) => {
                let chunks = text.char_indices().map(|(at, c)| &text.as_bytes()[at..at + c.len_utf8()]);
                string(out, major::TEXT, chunks, text.len(), choice);
            }
            Self::Array(items) => {
                open(out, major::ARRAY, items.len(), choice);
                for item in items {
                    item.put(out, style);
                }
                close(out, choice);
            }
            Self::Map(pairs) => {
                open(out, major::MAP, pairs.len(), choice);
                let mut pairs: Vec<_> = pairs.iter().collect();
                let turn = usize::from(choice) % pairs.len().max(1);
                pairs.rotate_left(turn);
                for (key, value) in pairs {
                    relaxed_key(out, key, choice);
                    value.put(out, style);
                }
                close(out, choice);
            }
            Self::Tag(tag, item) => {
                head(out, major::TAG, *tag, choice);
                item.put(out, style);
            }
            Self::Simple(value) => put_simple(out, *value),
            Self::Float(bits) => {
                out.push(0xfb);
                out.extend_from_slice(&bits.to_be_bytes());
            }
        }
    }
}

/// A key, with a longer head if it is an integer.
fn relaxed_key(out: &mut Vec<u8>, key: &[u8], choice: u8) {
    match Reader::new(key).next() {
        Ok(Head::Unsigned(n)) => head(out, major::UNSIGNED, n, choice),
        Ok(Head::Float(Float::Half(bits))) if choice % 2 == 1 && !Float::Half(bits).value().is_nan() => {
            out.push(0xfb);
            out.extend_from_slice(&Float::Half(bits).value().to_be_bytes());
        }
        _ => out.extend_from_slice(key),
    }
}

/// A head that need not be the shortest.
fn head(out: &mut Vec<u8>, major: u8, n: u64, choice: u8) {
    let shortest = match n {
        0..=23 => 0,
        24..=0xff => 1,
        0x100..=0xffff => 2,
        0x1_0000..=0xffff_ffff => 3,
        _ => 4,
    };
    let bytes = n.to_be_bytes();
    match shortest.max(choice % 5) {
        0 => out.push(major << 5 | bytes[7]),
        width => {
            out.push(major << 5 | (23 + width));
            out.extend_from_slice(&bytes[8 - (1 << (width - 1))..]);
        }
    }
}

fn string<'a>(out: &mut Vec<u8>, major: u8, chunks: impl Iterator<Item = &'a [u8]>, size: usize, choice: u8) {
    let chunked = choice >= 128;
    if chunked {
        out.push(major << 5 | 31);
    } else {
        head(out, major, size as u64, choice);
    }
    for chunk in chunks {
        if chunked {
            head(out, major, chunk.len() as u64, choice);
        }
        out.extend_from_slice(chunk);
    }
    close(out, choice);
}

fn open(out: &mut Vec<u8>, major: u8, length: usize, choice: u8) {
    if choice >= 128 { out.push(major << 5 | 31) } else { head(out, major, length as u64, choice) }
}

fn close(out: &mut Vec<u8>, choice: u8) {
    if choice >= 128 {
        out.push(0xff);
    }
}
