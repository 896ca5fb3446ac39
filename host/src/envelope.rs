//! What is stored around a payload: who wrote it, how, and whether it is whole.
//!
//! All versions are these fields in this order, all of fixed width and little-endian, so that a script can read and patch one in place
//! (which is what postcard makes of them). An entry that nobody ever computes anew is written in version 1:
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
//! Version 2 has a claim: who computes the value of the entry, or a fresher one. It is written where that matters:
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 4 | magic, as above |
//! | 4 | 1 | version: 2 |
//! | 5 | 1 | flags: bit 0, the payload is compressed; bit 1, nobody has computed a value yet and there is no payload; bit 2, the payload is the text of an error with which that failed; the others 0 |
//! | 6 | 16 | serializer, compressor, created, as above |
//! | 22 | 8 | logical expiry, in milliseconds since 1970 by the store's clock; 0: none |
//! | 30 | 8 | claim: random; 0: nobody computes |
//! | 38 | 4 | how long it took to compute the value, in milliseconds; 0: unknown |
//! | 42 | 4 | length of the payload |
//! | 46 | 4 | CRC-32 (ISO-HDLC) of bytes 0 to 21, bytes 38 to 45 and the payload |
//! | 50 | | payload |
//!
//! Version 3 has tags, by which entries are invalidated: see [`Generation`]. It is written where there are some:
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 4 | magic, as above |
//! | 4 | 1 | version: 3 |
//! | 5 | 41 | as in version 2 |
//! | 46 | 4 | CRC-32 (ISO-HDLC) of bytes 0 to 21, bytes 38 to 45, and all from byte 50 on |
//! | 50 | 2 | how many bytes the tags have, *n*, at most 2192 |
//! | 52 | *n* | 1 to 16 tags: of each, its length in one byte, 1 to 128, its UTF-8, and 8 bytes of its generation |
//! | 52 + *n* | | payload |
//!
//! Every version ever written stays readable. The checksum leaves out expiry and claim, so that a script can move them.

use std::num::NonZeroU64;

use bytes::{Buf as _, Bytes};
use sha2::{Digest as _, Sha256};

use crate::error::{Corrupt, Error, Limit, Outage, Unavailable};

mod claim;
mod layout;
mod peek;
mod tags;

pub use claim::{Claim, Head, has_no_value};
pub use peek::Peek;
pub use tags::{Generation, Tag, TagState, is_tagged, tags};

/// The newest version.
pub const VERSION: u8 = 3;

/// The version that has tags.
const TAGGED: u8 = 3;

/// How many bytes come before the payload in version 1.
pub const HEADER: usize = 38;

/// How many bytes come before the payload in version 2, and before the tags in version 3.
pub const CLAIMABLE_HEADER: usize = 50;

/// The first bytes of every version.
pub const MAGIC: [u8; 4] = [0x8b, b'b', b'w', b'e'];

/// Which stage wrote a payload, among those of one kind. Built-in ones have small numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Envelope {
    /// What the payload is.
    pub holds: Holds,
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
    /// Who computes a value, or a fresher one.
    pub claim: Option<Claim>,
    /// How long it took to compute the value, in milliseconds; 0: unknown.
    pub took: u32,
}

/// What the payload of an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Holds {
    /// A value.
    #[default]
    Value,
    /// Nothing: the entry is a placeholder for a value that somebody computes.
    Nothing,
    /// The text of the error with which the computation of a value failed.
    Failure,
}

impl Envelope {
    /// A placeholder for a value that `claim` computes.
    #[must_use]
    pub fn vacant(claim: Claim) -> Self {
        Self { holds: Holds::Nothing, claim: Some(claim), ..Self::default() }
    }

    /// The version in which it is written without tags: the first that can say all of it.
    #[must_use]
    pub fn version(&self) -> u8 {
        let plain = self.holds == Holds::Value && self.expires.is_none() && self.claim.is_none() && self.took == 0;
        if plain { 1 } else { 2 }
    }

    /// The envelope with the payload in it, in one buffer.
    ///
    /// # Errors
    /// [`Limit::Size`] for a payload of 4 GiB or more.
    pub fn seal(&self, payload: &[u8]) -> Result<Bytes, Limit> {
        layout::seal(self, payload).ok_or(Limit::Size { what: "payload", size: payload.len() as u64, max: u64::from(u32::MAX) })
    }

    /// The same of an entry with tags, in version 3; of one without, as [`Envelope::seal`].
    ///
    /// # Errors
    /// [`Limit::Size`] for a payload of 4 GiB or more, and for a tag that is too long, [`Limit::Count`] for too many tags,
    /// [`crate::error::Invalid::Empty`] for an empty one.
    pub fn seal_with(&self, tags: &[Tag], payload: &[u8]) -> Result<Bytes, Error> {
        if tags.is_empty() {
            return Ok(self.seal(payload)?);
        }
        crate::names::check_tags(tags.iter().map(|tag| tag.name.as_str()))?;
        let section = tags::section(tags).ok_or(Limit::Count { what: "tags of an entry", max: crate::names::MAX_TAGS as u64 })?;
        let too_large = Limit::Size { what: "payload", size: payload.len() as u64, max: u64::from(u32::MAX) };
        Ok(layout::seal_tagged(self, &section, payload).ok_or(too_large)?)
    }

    /// Takes the payload out, without copying it. `key` is for the error. For its tags there is [`tags()`].
    ///
    /// # Errors
    /// [`Corrupt`] for what is foreign, truncated, too long, of a later version, or damaged.
    pub fn open(key: &str, mut stored: Bytes) -> Result<(Self, Bytes), Corrupt> {
        let (envelope, payload) = Self::look(key, &stored)?;
        // What is before it is cut off rather than the payload cut out: that would be one more share of the same bytes.
        stored.advance(stored.len() - payload.len());
        Ok((envelope, stored))
    }

    fn look<'a>(key: &str, stored: &'a [u8]) -> Result<(Self, &'a [u8]), Corrupt> {
        let key = || key.to_owned();
        let length = |expected| Corrupt::Length { key: key(), size: stored.len(), expected };
        if !stored.starts_with(&MAGIC) {
            return Err(Corrupt::Foreign { key: key() });
        }
        let version = match stored.get(MAGIC.len()) {
            None => return Err(length(HEADER)),
            Some(0) => return Err(Corrupt::Foreign { key: key() }),
            Some(&version) if version > VERSION => return Err(Corrupt::Version { key: key(), version, newest: VERSION }),
            Some(&version) => version,
        };
        let Some(opened) = layout::open(version, stored) else {
            return Err(length(match version {
                1 => HEADER,
                2 => CLAIMABLE_HEADER,
                _ => tags::header(stored),
            }));
        };
        let Some(envelope) = opened.envelope else {
            return Err(Corrupt::Flags { key: key(), flags: opened.flags });
        };
        if opened.payload.len() as u64 != u64::from(opened.length) {
            let header = stored.len() - opened.payload.len();
            return Err(length(usize::try_from(opened.length).unwrap_or(usize::MAX).saturating_add(header)));
        }
        if !opened.whole {
            return Err(Corrupt::Checksum { key: key() });
        }
        if version == TAGGED && tags(stored).is_empty() {
            return Err(Corrupt::Tags { key: key() });
        }
        Ok((envelope, opened.payload))
    }
}

/// 64 random bits, not all of them 0.
fn random() -> Result<NonZeroU64, Error> {
    let bits = getrandom::u64().map_err(|why| Unavailable {
        store: "random bits of the operating system".into(),
        why: Outage::Failed(why.to_string()),
    })?;
    Ok(NonZeroU64::new(bits).unwrap_or(NonZeroU64::MIN))
}

#[cfg(test)]
mod tests;
