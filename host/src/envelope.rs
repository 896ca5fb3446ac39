//! What is stored around a payload: who wrote it, how, and whether it is whole.
//!
//! Version 1 is the postcard encoding of these fields in this order, all of fixed width and little-endian, so that a script can
//! read and patch one in place:
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 4 | magic: `8B 62 77 65` (the first byte begins no UTF-8 text) |
//! | 4 | 1 | version: 1 |
//! | 5 | 1 | flags: bit 0, the payload is compressed; the others 0 |
//! | 6 | 4 | id of the serializer |
//! | 10 | 4 | id of the compressor, also when it left the payload as it was |
//! | 14 | 8 | created, in milliseconds since 1970 by the writer's clock |
//! | 22 | 8 | logical expiry, likewise; 0: none |
//! | 30 | 4 | length of the payload |
//! | 34 | 4 | CRC-32 (ISO-HDLC) of bytes 0 to 21, bytes 30 to 33 and the payload |
//! | 38 | | payload |
//!
//! Every version ever written stays readable. The checksum leaves out the expiry, so that a script can move it.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Corrupt, Limit};

/// The newest version, which is the one that is written.
pub const VERSION: u8 = 1;

/// How many bytes come before the payload.
pub const HEADER: usize = 38;

/// The first bytes of every version.
pub const MAGIC: [u8; 4] = [0x8b, b'b', b'w', b'e'];

/// Which stage wrote a payload, among those of one kind. Built-in ones have small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StageId(pub u32);

impl StageId {
    /// No stage.
    pub const NONE: Self = Self(0);
    /// The built-in serializer `cbor`.
    pub const CBOR: Self = Self(1);
    /// The built-in serializer `json`.
    pub const JSON: Self = Self(2);
    /// The built-in serializer `postcard`.
    pub const POSTCARD: Self = Self(3);
    /// The built-in compressor `zlib`.
    pub const ZLIB: Self = Self(1);

    /// The id of a stage that is registered under this name: the highest bit, and 31 bits of the name's SHA-256.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(name.as_bytes()));
        Self(u32::from_be_bytes([a, b, c, d]) | 1 << 31)
    }
}

/// What is stored along with a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Whether the compressor made the payload smaller, rather than leave it as it was.
    pub compressed: bool,
    /// The cache's serializer.
    pub serializer: StageId,
    /// The cache's compressor.
    pub compressor: StageId,
    /// When the entry was written, in milliseconds since 1970.
    pub created: u64,
    /// When its value is due to be computed again, in milliseconds since 1970; `None`: never.
    pub expires: Option<u64>,
}

impl Envelope {
    /// The envelope with the payload in it, in one buffer.
    ///
    /// # Errors
    /// [`Limit::Size`] for a payload of 4 GiB or more.
    pub fn seal(&self, payload: &[u8]) -> Result<Bytes, Limit> {
        let too_large = || Limit::Size { what: "payload", size: payload.len() as u64, max: u64::from(u32::MAX) };
        let header = Version1 {
            magic: MAGIC,
            version: VERSION,
            flags: if self.compressed { COMPRESSED } else { 0 },
            serializer: self.serializer.0,
            compressor: self.compressor.0,
            created: self.created,
            expires: self.expires.unwrap_or(0),
            length: u32::try_from(payload.len()).map_err(|_| too_large())?,
            checksum: 0,
        };
        let mut head = [0; HEADER];
        // The fields have fixed widths and fill the header exactly.
        postcard::to_slice(&header, &mut head).map_err(|_| too_large())?;
        let checksum = checksum(&head, payload).to_le_bytes();
        head[HEADER - checksum.len()..].copy_from_slice(&checksum);
        let mut sealed = Vec::with_capacity(HEADER + payload.len());
        sealed.extend_from_slice(&head);
        sealed.extend_from_slice(payload);
        Ok(sealed.into())
    }

    /// Takes the payload out, without copying it. `key` is for the error.
    ///
    /// # Errors
    /// [`Corrupt`] for what is foreign, truncated, too long, of a later version, or damaged.
    pub fn open(key: &str, stored: &Bytes) -> Result<(Self, Bytes), Corrupt> {
        let key = || key.to_owned();
        let length = |expected| Corrupt::Length { key: key(), size: stored.len(), expected };
        if !stored.starts_with(&MAGIC) {
            return Err(Corrupt::Foreign { key: key() });
        }
        match stored.get(MAGIC.len()) {
            None => return Err(length(HEADER)),
            Some(0) => return Err(Corrupt::Foreign { key: key() }),
            Some(&version) if version > VERSION => return Err(Corrupt::Version { key: key(), version, newest: VERSION }),
            Some(_) => {}
        }
        let (header, payload): (Version1, &[u8]) = postcard::take_from_bytes(stored).map_err(|_| length(HEADER))?;
        if header.flags & !COMPRESSED != 0 {
            return Err(Corrupt::Flags { key: key(), flags: header.flags });
        }
        if payload.len() as u64 != u64::from(header.length) {
            return Err(length(usize::try_from(header.length).unwrap_or(usize::MAX).saturating_add(HEADER)));
        }
        if checksum(stored, payload) != header.checksum {
            return Err(Corrupt::Checksum { key: key() });
        }
        let envelope = Self {
            compressed: header.flags & COMPRESSED != 0,
            serializer: StageId(header.serializer),
            compressor: StageId(header.compressor),
            created: header.created,
            expires: (header.expires != 0).then_some(header.expires),
        };
        Ok((envelope, stored.slice_ref(payload)))
    }
}

const COMPRESSED: u8 = 1;

/// The checksum of what begins with the header `head`, whose own checksum does not count.
fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in [0..22, 30..34] {
        hasher.update(head.get(part).unwrap_or_default());
    }
    hasher.update(payload);
    hasher.finalize()
}

/// The header of version 1. It can never change; a new one gets a new version, and a reader beside this one's.
#[derive(Serialize, Deserialize)]
struct Version1 {
    magic: [u8; 4],
    version: u8,
    flags: u8,
    #[serde(with = "postcard::fixint::le")]
    serializer: u32,
    #[serde(with = "postcard::fixint::le")]
    compressor: u32,
    #[serde(with = "postcard::fixint::le")]
    created: u64,
    #[serde(with = "postcard::fixint::le")]
    expires: u64,
    #[serde(with = "postcard::fixint::le")]
    length: u32,
    #[serde(with = "postcard::fixint::le")]
    checksum: u32,
}

mod peek;

pub use peek::Peek;

#[cfg(test)]
mod tests;
