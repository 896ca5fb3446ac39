//! From CBOR to `MessagePack`.

use std::io;

use ciborium_ll::{Decoder, Header, simple};
use rmp::encode;

use crate::{EXTENSION, MAX_DEPTH};

/// The `MessagePack` form of exactly one CBOR item.
pub(crate) fn message_pack(value: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(value.len());
    let mut items = Items { bytes: value, at: 0 };
    items.translate(&mut out, MAX_DEPTH)?;
    items.end()?;
    Ok(out)
}

/// Whether bytes are exactly one CBOR item.
pub(crate) fn is_one_item(bytes: &[u8]) -> Result<(), String> {
    let mut items = Items { bytes, at: 0 };
    items.skip(MAX_DEPTH)?;
    items.end()
}

/// CBOR items, one after the other.
struct Items<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    fn translate(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
        let depth = depth.checked_sub(1).ok_or("items are nested too deep")?;
        let start = self.at;
        match self.header()? {
            Header::Positive(number) => encode::write_uint(out, number).map(drop).map_err(text)?,
            Header::Negative(number) if i64::try_from(number).is_ok() => {
                encode::write_sint(out, -1 - number.cast_signed()).map(drop).map_err(text)?;
            }
            Header::Float(number) => float(out, number)?,
            Header::Simple(simple::FALSE) => encode::write_bool(out, false).map_err(text)?,
            Header::Simple(simple::TRUE) => encode::write_bool(out, true).map_err(text)?,
            Header::Simple(simple::NULL) => encode::write_nil(out).map_err(text)?,
            Header::Bytes(len) => {
                let bytes = self.string(len, |part| matches!(part, Header::Bytes(_)))?;
                encode::write_bin(out, &bytes).map_err(text)?;
            }
            Header::Text(len) => {
                let bytes = self.string(len, |part| matches!(part, Header::Text(_)))?;
                let string = std::str::from_utf8(&bytes).map_err(|_| format!("the text at byte {start} is not UTF-8"))?;
                encode::write_str(out, string).map_err(text)?;
            }
            Header::Array(Some(len)) => {
                encode::write_array_len(out, short(len)?).map_err(text)?;
                (0..len).try_for_each(|_| self.translate(out, depth))?;
            }
            Header::Map(Some(len)) => {
                encode::write_map_len(out, short(len)?).map_err(text)?;
                (0..len).try_for_each(|_| self.translate(out, depth).and_then(|()| self.translate(out, depth)))?;
            }
            Header::Array(None) => {
                let (count, items) = self.until_break(depth)?;
                encode::write_array_len(out, short(count)?).map_err(text)?;
                out.extend(items);
            }
            Header::Map(None) => {
                let (count, items) = self.until_break(depth)?;
                if count % 2 == 1 {
                    return Err(format!("the map at byte {start} has a key without a value"));
                }
                encode::write_map_len(out, short(count / 2)?).map_err(text)?;
                out.extend(items);
            }
            Header::Negative(_) | Header::Simple(_) | Header::Tag(_) => {
                self.at = start;
                let item = self.skip(depth)?;
                encode::write_ext_meta(out, short(item.len())?, EXTENSION).map_err(text)?;
                out.extend(item);
            }
            Header::Break => return Err(format!("there is a break at byte {start} outside an item of indefinite length")),
        }
        Ok(())
    }

    /// Goes past one item and gives its bytes.
    fn skip(&mut self, depth: usize) -> Result<&'a [u8], String> {
        let depth = depth.checked_sub(1).ok_or("items are nested too deep")?;
        let start = self.at;
        match self.header()? {
            Header::Bytes(len) => drop(self.string(len, |part| matches!(part, Header::Bytes(_)))?),
            Header::Text(len) => drop(self.string(len, |part| matches!(part, Header::Text(_)))?),
            Header::Array(Some(len)) => (0..len).try_for_each(|_| self.skip(depth).map(drop))?,
            Header::Map(Some(len)) => (0..len).try_for_each(|_| self.skip(depth).and_then(|_| self.skip(depth)).map(drop))?,
            Header::Array(None) | Header::Map(None) => {
                while !self.is_break()? {
                    self.skip(depth)?;
                }
            }
            Header::Tag(_) => drop(self.skip(depth)?),
            Header::Break => return Err(format!("there is a break at byte {start} outside an item of indefinite length")),
            Header::Positive(_) | Header::Negative(_) | Header::Float(_) | Header::Simple(_) => {}
        }
        self.bytes.get(start..self.at).ok_or_else(ends)
    }

    /// The translated items up to a break, and how many there are.
    fn until_break(&mut self, depth: usize) -> Result<(usize, Vec<u8>), String> {
        let (mut count, mut out) = (0, Vec::new());
        while !self.is_break()? {
            self.translate(&mut out, depth)?;
            count += 1;
        }
        Ok((count, out))
    }

    /// The bytes of a string, whose parts are joined if it has no length of its own.
    fn string(&mut self, len: Option<usize>, is_part: fn(&Header) -> bool) -> Result<std::borrow::Cow<'a, [u8]>, String> {
        if let Some(len) = len {
            return Ok(self.take(len)?.into());
        }
        let mut joined = Vec::new();
        while !self.is_break()? {
            let at = self.at;
            match self.header()? {
                part @ (Header::Bytes(Some(len)) | Header::Text(Some(len))) if is_part(&part) => joined.extend(self.take(len)?),
                _ => return Err(format!("byte {at} is not part of the string before it")),
            }
        }
        Ok(joined.into())
    }

    /// Whether a break comes next, which is then passed.
    fn is_break(&mut self) -> Result<bool, String> {
        let is_break = *self.bytes.get(self.at).ok_or_else(ends)? == 0xff;
        self.at += usize::from(is_break);
        Ok(is_break)
    }

    fn header(&mut self) -> Result<Header, String> {
        let rest = self.bytes.get(self.at..).ok_or_else(ends)?;
        let mut decoder = Decoder::from(rest);
        let header = decoder.pull().map_err(|error: ciborium_ll::Error<io::Error>| match error {
            ciborium_ll::Error::Io(_) => ends(),
            ciborium_ll::Error::Syntax(at) => format!("byte {} is not allowed in CBOR", self.at + at),
        })?;
        self.at += decoder.offset();
        Ok(header)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(len).ok_or_else(ends)?;
        let bytes = self.bytes.get(self.at..end).ok_or_else(ends)?;
        self.at = end;
        Ok(bytes)
    }

    fn end(&self) -> Result<(), String> {
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(format!("there are more bytes after the item, from byte {}", self.at))
        }
    }
}

/// As 32 bits where that loses nothing.
fn float(out: &mut Vec<u8>, number: f64) -> Result<(), String> {
    #[allow(clippy::cast_possible_truncation, reason = "compared with the whole below")]
    let short = number as f32;
    if f64::from(short).to_bits() == number.to_bits() {
        encode::write_f32(out, short).map_err(text)
    } else {
        encode::write_f64(out, number).map_err(text)
    }
}

fn short(len: usize) -> Result<u32, String> {
    u32::try_from(len).map_err(|_| format!("MessagePack has no form for a length of {len}"))
}

fn ends() -> String {
    "the bytes end within an item".to_owned()
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
