//! The tags of an entry, and the generations that they are of.
//!
//! Nobody keeps a list of the entries that have a tag. Each tag has a generation, a random number, in a key of its own
//! ([`crate::names::tag_key`]). An entry has in its envelope which generation each of its tags was of, and counts as long as all of
//! them still are. To invalidate a tag is to end its generation: one write, however many entries that is the end of. A generation
//! that is lost, evicted for example, ends with the entries of it, and never brings one back.
//!
//! The value of a tag's key has 16 bytes:
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 8 | generation: random; 0: none, until the next entry with the tag is written |
//! | 8 | 8 | when the tag was last invalidated, in microseconds since 1970 by the clock of the server that has the key; 0: not lately |

use std::fmt;
use std::num::NonZeroU64;

use super::{CLAIMABLE_HEADER, Head, MAGIC, TAGGED, random};
use crate::error::Error;
use crate::names::{MAX_TAG, MAX_TAGS};

/// Which of its lives a tag is in: 64 random bits, and never 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation(NonZeroU64);

/// A tag of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The tag, of 1 to [`MAX_TAG`] bytes.
    pub name: String,
    /// The generation without which the entry does not count.
    pub generation: Generation,
}

/// What the key of a tag holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TagState {
    /// Its generation, if it has one.
    pub generation: Option<Generation>,
    /// When it was last invalidated, in microseconds since 1970; 0: not lately.
    pub invalidated: u64,
}

/// The size of the bytes of all tags, before them.
const SIZE: usize = 2;

impl Generation {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the operating system gives no random bits.
    pub fn random() -> Result<Self, Error> {
        random().map(Self)
    }

    /// The generation as it is stored.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_le_bytes()
    }

    /// The generation that is stored so, if it is one.
    #[must_use]
    pub fn of_bytes(bytes: [u8; 8]) -> Option<Self> {
        NonZeroU64::new(u64::from_le_bytes(bytes)).map(Self)
    }
}

impl TagState {
    /// What the bytes of a tag's key say. Those that are of no tag say nothing.
    #[must_use]
    pub fn read(stored: &[u8]) -> Self {
        let ([generation, invalidated], []) = stored.as_chunks() else { return Self::default() };
        Self { generation: Generation::of_bytes(*generation), invalidated: u64::from_le_bytes(*invalidated) }
    }

    /// The bytes that say so.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (generation, invalidated) = bytes.split_at_mut(8);
        generation.copy_from_slice(&self.generation.map_or([0; 8], Generation::to_bytes));
        invalidated.copy_from_slice(&self.invalidated.to_le_bytes());
        bytes
    }
}

/// Whether an entry has tags, as far as its first bytes tell.
#[must_use]
pub fn is_tagged(stored: &[u8]) -> bool {
    stored.get(MAGIC.len()) == Some(&TAGGED) && Head::read(stored).is_some()
}

/// The tags of an entry, of which the first bytes are enough, without the payload. None for an entry that has none, and for one whose
/// tags cannot be read, which [`super::Envelope::open`] says. Nothing is checked but that they can be tags.
#[must_use]
pub fn tags(stored: &[u8]) -> Vec<Tag> {
    if !is_tagged(stored) {
        return Vec::new();
    }
    split(stored).and_then(|(tags, _)| parse(tags)).unwrap_or_default()
}

/// The bytes of an entry's tags, their size before them. `None` for what there is no version for: too many, or a tag of a size that
/// cannot be.
pub(super) fn section(tags: &[Tag]) -> Option<Vec<u8>> {
    if tags.is_empty() || tags.len() > MAX_TAGS {
        return None;
    }
    let mut section = vec![0; SIZE];
    for Tag { name, generation } in tags {
        section.push(u8::try_from(name.len()).ok().filter(|&size| size > 0 && usize::from(size) <= MAX_TAG)?);
        section.extend_from_slice(name.as_bytes());
        section.extend_from_slice(&generation.to_bytes());
    }
    let size = u16::try_from(section.len() - SIZE).ok()?.to_le_bytes();
    section.first_chunk_mut::<SIZE>()?.copy_from_slice(&size);
    Some(section)
}

/// The bytes of the tags of an entry that has some, and what comes after them. `None` if there are fewer than it says.
pub(super) fn split(stored: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = stored.get(CLAIMABLE_HEADER..)?.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*size)))
}

/// How many bytes come before the payload of an entry with tags, as far as that can be told.
pub(super) fn header(stored: &[u8]) -> usize {
    let size = stored.get(CLAIMABLE_HEADER..).and_then(|rest| rest.first_chunk());
    CLAIMABLE_HEADER + SIZE + size.map_or(0, |size| usize::from(u16::from_le_bytes(*size)))
}

/// The tags in these bytes; `None` for what [`section`] does not write.
pub(super) fn parse(mut bytes: &[u8]) -> Option<Vec<Tag>> {
    let mut tags = Vec::new();
    while let Some((&size, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(size))?;
        let (generation, rest) = rest.split_first_chunk()?;
        if name.is_empty() || name.len() > MAX_TAG || tags.len() == MAX_TAGS {
            return None;
        }
        let name = String::from_utf8(name.to_vec()).ok()?;
        tags.push(Tag { name, generation: Generation::of_bytes(*generation)? });
        bytes = rest;
    }
    (!tags.is_empty()).then_some(tags)
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generation({:016x})", self.0)
    }
}
