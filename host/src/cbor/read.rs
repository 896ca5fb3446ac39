//! Reads one head after another. Whether heads follow each other as they should is the caller's business.

use crate::error::CborFault;

/// Reads heads and strings from the front of some bytes.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What an item begins with: all of it, for an item that holds no others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Head<'a> {
    Unsigned(u64),
    /// The integer `-1 - n`.
    Negative(u64),
    Bytes(&'a [u8]),
    /// A byte string of indefinite length; [`Reader::bytes_chunk`] has its chunks.
    BytesChunks,
    Text(&'a str),
    /// A text string of indefinite length; [`Reader::text_chunk`] has its chunks.
    TextChunks,
    /// How many items follow; `None`: until the break.
    Array(Option<u64>),
    /// How many pairs follow; `None`: until the break.
    Map(Option<u64>),
    Tag(u64),
    /// `false`, `true`, `null`, `undefined` and those without a name.
    Simple(u8),
    Float(Float),
    Break,
}

/// A floating-point number in the width that it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Float {
    Half(u16),
    Single(u32),
    Double(u64),
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline]
    pub(crate) fn next(&mut self) -> Result<Head<'a>, CborFault> {
        let start = self.at;
        let [first] = self.array::<1>()?;
        let info = first & 0x1f;
        Ok(match first >> 5 {
            0 => Head::Unsigned(self.argument(start, info)?),
            1 => Head::Negative(self.argument(start, info)?),
            2 if info == INDEFINITE => Head::BytesChunks,
            2 => Head::Bytes(self.string(start, info)?),
            3 if info == INDEFINITE => Head::TextChunks,
            3 => Head::Text(std::str::from_utf8(self.string(start, info)?).map_err(|_| CborFault::NotUtf8 { at: start })?),
            4 if info == INDEFINITE => Head::Array(None),
            4 => Head::Array(Some(self.argument(start, info)?)),
            5 if info == INDEFINITE => Head::Map(None),
            5 => Head::Map(Some(self.argument(start, info)?)),
            6 => Head::Tag(self.argument(start, info)?),
            _ => match info {
                0..=23 => Head::Simple(info),
                24 => match self.array::<1>()? {
                    // These have a shorter form, and only that one is well-formed.
                    [0..=31] => return Err(CborFault::Malformed { at: start }),
                    [value] => Head::Simple(value),
                },
                25 => Head::Float(Float::Half(u16::from_be_bytes(self.array()?))),
                26 => Head::Float(Float::Single(u32::from_be_bytes(self.array()?))),
                27 => Head::Float(Float::Double(u64::from_be_bytes(self.array()?))),
                INDEFINITE => Head::Break,
                _ => return Err(CborFault::Malformed { at: start }),
            },
        })
    }

    /// The next chunk of a byte string of indefinite length; `None` after the last.
    pub(crate) fn bytes_chunk(&mut self) -> Result<Option<&'a [u8]>, CborFault> {
        let at = self.at;
        match self.next()? {
            Head::Bytes(chunk) => Ok(Some(chunk)),
            Head::Break => Ok(None),
            _ => Err(CborFault::Malformed { at }),
        }
    }

    /// The next chunk of a text string of indefinite length; `None` after the last.
    pub(crate) fn text_chunk(&mut self) -> Result<Option<&'a str>, CborFault> {
        let at = self.at;
        match self.next()? {
            Head::Text(chunk) => Ok(Some(chunk)),
            Head::Break => Ok(None),
            _ => Err(CborFault::Malformed { at }),
        }
    }

    /// All chunks of a byte string of indefinite length.
    pub(crate) fn all_bytes(&mut self) -> Result<Vec<u8>, CborFault> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.bytes_chunk()? {
            whole.extend_from_slice(chunk);
        }
        Ok(whole)
    }

    /// All chunks of a text string of indefinite length.
    pub(crate) fn all_text(&mut self) -> Result<String, CborFault> {
        let mut whole = String::new();
        while let Some(chunk) = self.text_chunk()? {
            whole.push_str(chunk);
        }
        Ok(whole)
    }

    #[inline]
    fn argument(&mut self, start: usize, info: u8) -> Result<u64, CborFault> {
        Ok(match info {
            0..=23 => u64::from(info),
            24 => u64::from(u8::from_be_bytes(self.array()?)),
            25 => u64::from(u16::from_be_bytes(self.array()?)),
            26 => u64::from(u32::from_be_bytes(self.array()?)),
            27 => u64::from_be_bytes(self.array()?),
            _ => return Err(CborFault::Malformed { at: start }),
        })
    }

    #[inline]
    fn string(&mut self, start: usize, info: u8) -> Result<&'a [u8], CborFault> {
        let size = usize::try_from(self.argument(start, info)?).map_err(|_| CborFault::Truncated)?;
        let string = self.rest().get(..size).ok_or(CborFault::Truncated)?;
        self.at += size;
        Ok(string)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], CborFault> {
        let array = *self.rest().first_chunk::<N>().ok_or(CborFault::Truncated)?;
        self.at += N;
        Ok(array)
    }

    #[inline]
    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }
}

impl Float {
    /// The number, which every width holds exactly.
    pub(crate) fn value(self) -> f64 {
        match self {
            Self::Half(bits) => half(bits),
            Self::Single(bits) => f64::from(f32::from_bits(bits)),
            Self::Double(bits) => f64::from_bits(bits),
        }
    }
}

/// The additional information that stands for an indefinite length, or a break.
const INDEFINITE: u8 = 31;

/// RFC 8949, appendix D.
fn half(bits: u16) -> f64 {
    let exponent = i32::from((bits >> 10) & 0x1f);
    let mantissa = f64::from(bits & 0x3ff);
    let size = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { size } else { -size }
}
