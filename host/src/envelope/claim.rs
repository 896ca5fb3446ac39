//! What can be seen and moved of a stored entry without its payload: by scripts, and by stores that have none.

use std::fmt;
use std::num::NonZeroU64;

use super::{CLAIMABLE_HEADER, Holds, MAGIC, TAGGED, layout, random};
use crate::error::Error;

/// Who computes the value of an entry: 64 random bits, and never 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim(NonZeroU64);

impl Claim {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if the operating system gives no random bits.
    pub fn random() -> Result<Self, Error> {
        random().map(Self)
    }

    /// The claim as it is stored.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.number().to_le_bytes()
    }

    pub(super) fn number(self) -> u64 {
        self.0.get()
    }

    pub(super) fn of_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim({:016x})", self.0)
    }
}

/// What the header of an entry of version 2 or 3 says that matters to who would compute its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// What the entry holds.
    pub holds: Holds,
    /// When the value is due to be computed again, in milliseconds since 1970 by the store's clock; `None`: never.
    pub expires: Option<u64>,
    /// Who computes.
    pub claim: Option<Claim>,
    /// How long it took to compute the value, in milliseconds; 0: unknown.
    pub took: u32,
}

impl Head {
    /// The header of what is stored; `None` if that is of version 1, of a later one, too short, has unknown flags, or is not ours.
    #[must_use]
    pub fn read(stored: &[u8]) -> Option<Self> {
        let head: &[u8; CLAIMABLE_HEADER] = stored.first_chunk()?;
        if !head.starts_with(&MAGIC) || !matches!(head[4], 2 | TAGGED) {
            return None;
        }
        let expires = u64::from_le_bytes(*head[22..].first_chunk()?);
        Some(Self {
            holds: layout::holds(head[5])?,
            expires: (expires != 0).then_some(expires),
            claim: Claim::of_number(u64::from_le_bytes(*head[30..].first_chunk()?)),
            took: u32::from_le_bytes(*head[38..].first_chunk()?),
        })
    }

    /// Moves expiry and claim of what is stored to what they are here. Leaves alone what [`Head::read`] does not understand.
    pub fn patch(&self, stored: &mut [u8]) {
        if Self::read(stored).is_none() {
            return;
        }
        let moved = [self.expires.unwrap_or(0), self.claim.map_or(0, Claim::number)].map(u64::to_le_bytes);
        if let Some(fields) = stored.get_mut(22..38) {
            fields.copy_from_slice(moved.as_flattened());
        }
    }

    /// What stays the same in an entry while its expiry and claim move, and is another in every other entry: what comes before
    /// them, and length and checksum of the payload, and of the tags.
    #[must_use]
    pub fn identity(stored: &[u8]) -> Option<[u8; 30]> {
        Self::read(stored)?;
        let mut identity = [0; 30];
        identity[..22].copy_from_slice(stored.get(..22)?);
        identity[22..].copy_from_slice(stored.get(42..50)?);
        Some(identity)
    }
}

/// Whether what is stored is a placeholder or a failure: no entry to who reads.
#[must_use]
pub fn has_no_value(stored: &[u8]) -> bool {
    Head::read(stored).is_some_and(|head| head.holds != Holds::Value)
}
