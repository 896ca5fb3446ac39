//! The versions byte by byte. None of them can ever change; a new one gets a new number, and a reader beside these.

use std::ops::Range;

use bytes::{Buf as _, BufMut as _, Bytes, TryGetError};

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
    if envelope.version() == 1 {
        let mut sealed = Vec::with_capacity(HEADER + payload.len());
        put_beginning(&mut sealed, envelope, 1);
        sealed.put_u32_le(length);
        return Some(finished(sealed, &CHECKED_1, &[payload]));
    }
    let mut sealed = Vec::with_capacity(CLAIMABLE_HEADER + payload.len());
    put_claimable(&mut sealed, envelope, 2, length);
    Some(finished(sealed, &CHECKED_2, &[payload]))
}

/// The same with tags, of which this is the section.
pub(super) fn seal_tagged(envelope: &Envelope, section: &[u8], payload: &[u8]) -> Option<Bytes> {
    let length = u32::try_from(payload.len()).ok()?;
    let mut sealed = Vec::with_capacity(CLAIMABLE_HEADER + section.len() + payload.len());
    put_claimable(&mut sealed, envelope, TAGGED, length);
    Some(finished(sealed, &CHECKED_2, &[section, payload]))
}

/// What all versions begin with.
fn put_beginning(sealed: &mut Vec<u8>, envelope: &Envelope, version: u8) {
    sealed.put_slice(&MAGIC);
    sealed.put_u8(version);
    sealed.put_u8(flags(envelope));
    sealed.put_u32_le(envelope.serializer.0);
    sealed.put_u32_le(envelope.compressor.0);
    sealed.put_u64_le(envelope.created);
    sealed.put_u64_le(envelope.expires.unwrap_or(0));
}

/// The header of version 2, with which version 3 begins too, up to the checksum.
fn put_claimable(sealed: &mut Vec<u8>, envelope: &Envelope, version: u8, length: u32) {
    put_beginning(sealed, envelope, version);
    sealed.put_u64_le(envelope.claim.map_or(0, Claim::number));
    sealed.put_u32_le(envelope.took);
    sealed.put_u32_le(length);
}

/// The header with its checksum, and what comes after it.
fn finished(mut sealed: Vec<u8>, checked: &[Range<usize>], rest: &[&[u8]]) -> Bytes {
    sealed.put_u32_le(checksum(&sealed, checked, rest));
    for part in rest {
        sealed.put_slice(part);
    }
    sealed.into()
}

/// `None` for what is shorter than its header, and the tags in it. `version` is 1, 2 or 3.
pub(super) fn open(version: u8, stored: &[u8]) -> Option<Opened<'_>> {
    let mut rest = stored;
    let beginning = Beginning::read(&mut rest).ok()?;
    let (checked, claim, took) = match version {
        1 => (&CHECKED_1, 0, 0),
        _ => (&CHECKED_2, rest.try_get_u64_le().ok()?, rest.try_get_u32_le().ok()?),
    };
    let (length, expected) = (rest.try_get_u32_le().ok()?, rest.try_get_u32_le().ok()?);
    let payload = if version == TAGGED { tags::split(stored)?.1 } else { rest };
    let holds = match version {
        1 => (beginning.flags & !COMPRESSED == 0).then_some(Holds::Value),
        _ => holds(beginning.flags),
    };
    let envelope = holds.map(|holds| Envelope {
        holds,
        compressed: beginning.flags & COMPRESSED != 0,
        serializer: StageId(beginning.serializer),
        compressor: StageId(beginning.compressor),
        created: beginning.created,
        expires: (beginning.expires != 0).then_some(beginning.expires),
        claim: Claim::of_number(claim),
        took,
    });
    Some(Opened { envelope, flags: beginning.flags, length, payload, whole: checksum(stored, checked, &[rest]) == expected })
}

/// What all versions begin with, after magic and version.
struct Beginning {
    flags: u8,
    serializer: u32,
    compressor: u32,
    created: u64,
    expires: u64,
}

impl Beginning {
    fn read(stored: &mut &[u8]) -> Result<Self, TryGetError> {
        stored.try_copy_to_slice(&mut [0; MAGIC.len() + 1])?;
        Ok(Self {
            flags: stored.try_get_u8()?,
            serializer: stored.try_get_u32_le()?,
            compressor: stored.try_get_u32_le()?,
            created: stored.try_get_u64_le()?,
            expires: stored.try_get_u64_le()?,
        })
    }
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
