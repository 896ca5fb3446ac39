//! The one form of a value that every language and library agrees on.

use super::write::{major, put_float, put_head, put_simple};
use super::{Counts, Head, Reader, check_and_count};
use crate::error::CborFault;

/// The same value in the core deterministic encoding of RFC 8949, section 4.2.1: everything as short as it can be, lengths
/// definite, the keys of maps in the order of their bytes. Integers and floating-point numbers stay apart, tags stay; a bignum
/// that fits an integer becomes one.
///
/// # Errors
/// What is wrong with the bytes; [`CborFault::DuplicateKey`] for a map with one key twice.
pub fn canonical(bytes: &[u8]) -> Result<Vec<u8>, CborFault> {
    let counts = check_and_count(bytes)?;
    let mut canonical = Canonical { reader: Reader::new(bytes), counts, out: Vec::with_capacity(bytes.len()) };
    canonical.item()?;
    Ok(canonical.out)
}

struct Canonical<'a> {
    reader: Reader<'a>,
    counts: Counts,
    out: Vec<u8>,
}

/// Where a key and its value stand in the output.
struct Pair {
    key: usize,
    value: usize,
    end: usize,
}

impl Canonical<'_> {
    /// One item and all within it. The check before bounds how deep this goes.
    fn item(&mut self) -> Result<(), CborFault> {
        let at = self.reader.at();
        match self.reader.next()? {
            Head::Unsigned(n) => put_head(&mut self.out, major::UNSIGNED, n),
            Head::Negative(n) => put_head(&mut self.out, major::NEGATIVE, n),
            Head::Bytes(string) => self.string(major::BYTES, string),
            Head::Text(string) => self.string(major::TEXT, string.as_bytes()),
            Head::BytesChunks => {
                let whole = self.reader.all_bytes()?;
                self.string(major::BYTES, &whole);
            }
            Head::TextChunks => {
                let whole = self.reader.all_text()?;
                self.string(major::TEXT, whole.as_bytes());
            }
            Head::Array(given) => {
                let items = self.counts.length(given);
                put_head(&mut self.out, major::ARRAY, items);
                for _ in 0..items {
                    self.item()?;
                }
                self.end(given)?;
            }
            Head::Map(given) => {
                let pairs = self.counts.length(given);
                put_head(&mut self.out, major::MAP, pairs);
                self.pairs(pairs)?;
                self.end(given)?;
            }
            Head::Tag(tag) => self.tagged(tag)?,
            Head::Simple(value) => put_simple(&mut self.out, value),
            Head::Float(float) => put_float(&mut self.out, float.value()),
            Head::Break => return Err(CborFault::Malformed { at }),
        }
        Ok(())
    }

    /// Reads the break of a container that has one.
    fn end(&mut self, given: Option<u64>) -> Result<(), CborFault> {
        if given.is_none() {
            self.reader.next()?;
        }
        Ok(())
    }

    fn string(&mut self, major: u8, string: &[u8]) {
        put_head(&mut self.out, major, string.len() as u64);
        self.out.extend_from_slice(string);
    }

    fn pairs(&mut self, count: u64) -> Result<(), CborFault> {
        let base = self.out.len();
        let mut pairs = Vec::new();
        for _ in 0..count {
            let key = self.out.len();
            self.item()?;
            let value = self.out.len();
            self.item()?;
            pairs.push(Pair { key, value, end: self.out.len() });
        }
        let out = &self.out;
        let key = |pair: &Pair| out.get(pair.key..pair.value).unwrap_or_default();
        if pairs.is_sorted_by(|a, b| key(a) < key(b)) {
            return Ok(());
        }
        pairs.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        if !pairs.is_sorted_by(|a, b| key(a) < key(b)) {
            return Err(CborFault::DuplicateKey);
        }
        let mut sorted = Vec::with_capacity(out.len() - base);
        for pair in &pairs {
            sorted.extend_from_slice(out.get(pair.key..pair.end).unwrap_or_default());
        }
        self.out.truncate(base);
        self.out.append(&mut sorted);
        Ok(())
    }

    fn tagged(&mut self, tag: u64) -> Result<(), CborFault> {
        let integer = match tag {
            BIGNUM => major::UNSIGNED,
            NEGATIVE_BIGNUM => major::NEGATIVE,
            _ => return self.kept(tag),
        };
        let mut ahead = self.reader.clone();
        let chunks;
        let digits = match ahead.next()? {
            Head::Bytes(digits) => digits,
            Head::BytesChunks => {
                chunks = ahead.all_bytes()?;
                &chunks
            }
            _ => return self.kept(tag),
        };
        self.reader = ahead;
        let zeros = digits.iter().take_while(|&&digit| digit == 0).count();
        let digits = digits.get(zeros..).unwrap_or_default();
        if digits.len() <= 8 {
            let value = digits.iter().fold(0, |value, &digit| value << 8 | u64::from(digit));
            put_head(&mut self.out, integer, value);
        } else {
            put_head(&mut self.out, major::TAG, tag);
            self.string(major::BYTES, digits);
        }
        Ok(())
    }

    fn kept(&mut self, tag: u64) -> Result<(), CborFault> {
        put_head(&mut self.out, major::TAG, tag);
        self.item()
    }
}

/// The tags of integers that need not fit 64 bits, in a byte string.
const BIGNUM: u64 = 2;
const NEGATIVE_BIGNUM: u64 = 3;
