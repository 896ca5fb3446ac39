//! The versions byte by byte. None of them can ever change; a new one gets a new number, and a reader beside these.

use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{CLAIMABLE_HEADER, Claim, Envelope, HEADER, Holds, MAGIC, StageId, TAGGED, tags};

/// What was found before its length and checksum were looked at.
pub(super) struct Opened<'a> {
    /// `None` for flags that are not known.
    pub(super) envelope: Option<Envelope>,
    pub(super) flags: u8,
    pub(super) length: u32,
    pub(super) payload: &'a [u8],
    /// Whether the checksum is right.
    pub(super) whole: bool,
}

const COMPRESSED: u8 = 1;
const VACANT: u8 = 2;
const FAILURE: u8 = 4;

/// Which bytes of the header the checksum is of: not those that scripts move, and not its own.
const CHECKED_1: [Range<usize>; 2] = [0..22, 30..34];
const CHECKED_2: [Range<usize>; 2] = [0..22, 38..46];

/// `None` for a payload whose length cannot be said.
pub(super) fn seal(envelope: &Envelope, payload: &[u8]) -> Option<Bytes> {
    let length = u32::try_from(payload.len()).ok()?;
    let version = envelope.version();
    // The fields have fixed widths and fill the headers exactly.
    if version == 1 {
        let mut head = [0; HEADER];
        let (magic, flags, expires) = (MAGIC, flags(envelope), envelope.expires.unwrap_or(0));
        let (serializer, compressor, created) = (envelope.serializer.0, envelope.compressor.0, envelope.created);
        let fields = Version1 { magic, version, flags, serializer, compressor, created, expires, length, checksum: 0 };
        postcard::to_slice(&fields, &mut head).ok()?;
        return Some(joined(&mut head, &CHECKED_1, &[payload]));
    }
    let mut head = claimable(envelope, version, length)?;
    Some(joined(&mut head, &CHECKED_2, &[payload]))
}

/// The same with tags, of which this is the section.
pub(super) fn seal_tagged(envelope: &Envelope, section: &[u8], payload: &[u8]) -> Option<Bytes> {
    let mut head = claimable(envelope, TAGGED, u32::try_from(payload.len()).ok()?)?;
    Some(joined(&mut head, &CHECKED_2, &[section, payload]))
}

/// The header of version 2, with which version 3 begins too.
fn claimable(envelope: &Envelope, version: u8, length: u32) -> Option<[u8; CLAIMABLE_HEADER]> {
    let mut head = [0; CLAIMABLE_HEADER];
    let (magic, flags, expires) = (MAGIC, flags(envelope), envelope.expires.unwrap_or(0));
    let (serializer, compressor, created) = (envelope.serializer.0, envelope.compressor.0, envelope.created);
    let (claim, took) = (envelope.claim.map_or(0, Claim::number), envelope.took);
    let fields = Version2 { magic, version, flags, serializer, compressor, created, expires, claim, took, length, checksum: 0 };
    postcard::to_slice(&fields, &mut head).ok()?;
    Some(head)
}

/// `None` for what is shorter than its header, and the tags in it. `version` is 1, 2 or 3.
pub(super) fn open(version: u8, stored: &[u8]) -> Option<Opened<'_>> {
    if version == 1 {
        let (head, payload): (Version1, &[u8]) = postcard::take_from_bytes(stored).ok()?;
        let envelope = Envelope {
            holds: Holds::Value,
            compressed: head.flags & COMPRESSED != 0,
            serializer: StageId(head.serializer),
            compressor: StageId(head.compressor),
            created: head.created,
            expires: (head.expires != 0).then_some(head.expires),
            claim: None,
            took: 0,
        };
        let known = head.flags & !COMPRESSED == 0;
        let whole = checksum(stored, &CHECKED_1, &[payload]) == head.checksum;
        return Some(Opened { envelope: known.then_some(envelope), flags: head.flags, length: head.length, payload, whole });
    }
    let (head, rest): (Version2, &[u8]) = postcard::take_from_bytes(stored).ok()?;
    let payload = if version == TAGGED { tags::split(stored)?.1 } else { rest };
    let envelope = holds(head.flags).map(|holds| Envelope {
        holds,
        compressed: head.flags & COMPRESSED != 0,
        serializer: StageId(head.serializer),
        compressor: StageId(head.compressor),
        created: head.created,
        expires: (head.expires != 0).then_some(head.expires),
        claim: Claim::of_number(head.claim),
        took: head.took,
    });
    let whole = checksum(stored, &CHECKED_2, &[rest]) == head.checksum;
    Some(Opened { envelope, flags: head.flags, length: head.length, payload, whole })
}

/// What an entry of version 2 or 3 holds that has these flags; `None` for unknown ones.
pub(super) fn holds(flags: u8) -> Option<Holds> {
    match flags & !COMPRESSED {
        0 => Some(Holds::Value),
        VACANT => Some(Holds::Nothing),
        FAILURE => Some(Holds::Failure),
        _ => None,
    }
}

fn flags(envelope: &Envelope) -> u8 {
    let kind = match envelope.holds {
        Holds::Value => 0,
        Holds::Nothing => VACANT,
        Holds::Failure => FAILURE,
    };
    if envelope.compressed { kind | COMPRESSED } else { kind }
}

/// Header and what comes after it, with the checksum in the header's last bytes.
fn joined(head: &mut [u8], checked: &[Range<usize>], rest: &[&[u8]]) -> Bytes {
    let checksum = checksum(head, checked, rest).to_le_bytes();
    if let Some(end) = head.last_chunk_mut() {
        *end = checksum;
    }
    let mut sealed = Vec::with_capacity(head.len() + rest.iter().map(|part| part.len()).sum::<usize>());
    sealed.extend_from_slice(head);
    for part in rest {
        sealed.extend_from_slice(part);
    }
    sealed.into()
}

fn checksum(head: &[u8], checked: &[Range<usize>], rest: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for part in checked {
        hasher.update(head.get(part.clone()).unwrap_or_default());
    }
    for part in rest {
        hasher.update(part);
    }
    hasher.finalize()
}

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

#[derive(Serialize, Deserialize)]
struct Version2 {
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
    claim: u64,
    #[serde(with = "postcard::fixint::le")]
    took: u32,
    #[serde(with = "postcard::fixint::le")]
    length: u32,
    #[serde(with = "postcard::fixint::le")]
    checksum: u32,
}
