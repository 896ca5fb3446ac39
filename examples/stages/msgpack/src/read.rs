//! From `MessagePack` to CBOR.

use ciborium_ll::{Encoder, Header, simple};
use rmp::Marker;

use crate::{EXTENSION, MAX_DEPTH, write};

/// The CBOR form of exactly one `MessagePack` item.
pub(crate) fn cbor(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut items = Items { bytes, at: 0 };
    items.translate(&mut out, MAX_DEPTH)?;
    if items.at == bytes.len() { Ok(out) } else { Err(format!("there are more bytes after the item, from byte {}", items.at)) }
}

/// `MessagePack` items, one after the other.
struct Items<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Items<'a> {
    fn translate(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), String> {
        let depth = depth.checked_sub(1).ok_or("items are nested too deep")?;
        let start = self.at;
        let marker = Marker::from_u8(u8::from_be_bytes(self.array()?));
        match marker {
            Marker::FixPos(number) => push(out, Header::Positive(number.into())),
            Marker::FixNeg(number) => signed(out, number.into()),
            Marker::Null => push(out, Header::Simple(simple::NULL)),
            Marker::True => push(out, Header::Simple(simple::TRUE)),
            Marker::False => push(out, Header::Simple(simple::FALSE)),
            Marker::U8 => push(out, Header::Positive(u8::from_be_bytes(self.array()?).into())),
            Marker::U16 => push(out, Header::Positive(u16::from_be_bytes(self.array()?).into())),
            Marker::U32 => push(out, Header::Positive(u32::from_be_bytes(self.array()?).into())),
            Marker::U64 => push(out, Header::Positive(u64::from_be_bytes(self.array()?))),
            Marker::I8 => signed(out, i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => signed(out, i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => signed(out, i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => signed(out, i64::from_be_bytes(self.array()?)),
            Marker::F32 => push(out, Header::Float(f32::from_be_bytes(self.array()?).into())),
            Marker::F64 => push(out, Header::Float(f64::from_be_bytes(self.array()?))),
            Marker::FixStr(len) => self.text(out, len.into()),
            Marker::Str8 | Marker::Str16 | Marker::Str32 => self.length(marker).and_then(|len| self.text(out, len)),
            Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
                let len = self.length(marker)?;
                let bytes = self.take(len)?;
                push(out, Header::Bytes(Some(len)))?;
                out.extend(bytes);
                Ok(())
            }
            Marker::FixArray(len) => self.array_of(out, len.into(), depth),
            Marker::Array16 | Marker::Array32 => self.length(marker).and_then(|len| self.array_of(out, len, depth)),
            Marker::FixMap(len) => self.map_of(out, len.into(), depth),
            Marker::Map16 | Marker::Map32 => self.length(marker).and_then(|len| self.map_of(out, len, depth)),
            Marker::FixExt1 => self.extension(out, 1),
            Marker::FixExt2 => self.extension(out, 2),
            Marker::FixExt4 => self.extension(out, 4),
            Marker::FixExt8 => self.extension(out, 8),
            Marker::FixExt16 => self.extension(out, 16),
            Marker::Ext8 | Marker::Ext16 | Marker::Ext32 => self.length(marker).and_then(|len| self.extension(out, len)),
            Marker::Reserved => Err(format!("byte {start} is not allowed in MessagePack")),
        }
    }

    fn length(&mut self, marker: Marker) -> Result<usize, String> {
        let length = match marker {
            Marker::Str8 | Marker::Bin8 | Marker::Ext8 => u8::from_be_bytes(self.array()?).into(),
            Marker::Str16 | Marker::Bin16 | Marker::Ext16 | Marker::Array16 | Marker::Map16 => {
                u16::from_be_bytes(self.array()?).into()
            }
            _ => u32::from_be_bytes(self.array()?),
        };
        usize::try_from(length).map_err(|_| ends())
    }

    fn text(&mut self, out: &mut Vec<u8>, len: usize) -> Result<(), String> {
        let start = self.at;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|_| format!("the text at byte {start} is not UTF-8"))?;
        push(out, Header::Text(Some(len)))?;
        out.extend(bytes);
        Ok(())
    }

    fn array_of(&mut self, out: &mut Vec<u8>, len: usize, depth: usize) -> Result<(), String> {
        push(out, Header::Array(Some(len)))?;
        (0..len).try_for_each(|_| self.translate(out, depth))
    }

    fn map_of(&mut self, out: &mut Vec<u8>, len: usize, depth: usize) -> Result<(), String> {
        push(out, Header::Map(Some(len)))?;
        (0..len).try_for_each(|_| self.translate(out, depth).and_then(|()| self.translate(out, depth)))
    }

    fn extension(&mut self, out: &mut Vec<u8>, len: usize) -> Result<(), String> {
        let kind = i8::from_be_bytes(self.array()?);
        let item = self.take(len)?;
        if kind != EXTENSION {
            return Err(format!("there is an extension of type {kind}, and only {EXTENSION} (a CBOR item) is known"));
        }
        write::is_one_item(item).map_err(|why| format!("an extension is not one CBOR item: {why}"))?;
        out.extend(item);
        Ok(())
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| ends())
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let end = self.at.checked_add(len).ok_or_else(ends)?;
        let bytes = self.bytes.get(self.at..end).ok_or_else(ends)?;
        self.at = end;
        Ok(bytes)
    }
}

fn signed(out: &mut Vec<u8>, number: i64) -> Result<(), String> {
    push(out, if number < 0 { Header::Negative((!number).cast_unsigned()) } else { Header::Positive(number.cast_unsigned()) })
}

fn push(out: &mut Vec<u8>, header: Header) -> Result<(), String> {
    Encoder::from(out).push(header).map_err(|error| error.to_string())
}

fn ends() -> String {
    "the bytes end within an item".to_owned()
}
