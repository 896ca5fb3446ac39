//! What the first bytes of an entry say.

use super::{MAGIC, StageId, VERSION};

/// What the first bytes of an entry say, if it has an envelope. Nothing is checked but that it can be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peek {
    /// The envelope's version.
    pub version: u8,
    /// Whether the payload is compressed.
    pub compressed: bool,
    /// Whether it is a placeholder for a value that somebody computes.
    pub vacant: bool,
    /// Whether it is the failure of a computation.
    pub failed: bool,
    /// The serializer of the cache that wrote it.
    pub serializer: StageId,
    /// The compressor of that cache.
    pub compressor: StageId,
    /// When it was written, in milliseconds since 1970 by the writer's clock.
    pub created: u64,
}

impl Peek {
    /// Looks at the first bytes of an entry, of which 22 are enough. `None` for what has no envelope of a version that is known.
    #[must_use]
    pub fn at(head: &[u8]) -> Option<Self> {
        let (magic, rest) = head.split_first_chunk()?;
        let (&[version, flags], rest) = rest.split_first_chunk()?;
        let (serializer, rest) = rest.split_first_chunk()?;
        let (compressor, rest) = rest.split_first_chunk()?;
        let (created, _) = rest.split_first_chunk()?;
        // So far, the versions begin alike.
        (*magic == MAGIC && (1..=VERSION).contains(&version)).then(|| Self {
            version,
            compressed: flags & 1 != 0,
            vacant: flags & 2 != 0,
            failed: flags & 4 != 0,
            serializer: StageId(u32::from_le_bytes(*serializer)),
            compressor: StageId(u32::from_le_bytes(*compressor)),
            created: u64::from_le_bytes(*created),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::Envelope;
    use super::*;

    #[test]
    fn it_sees_what_was_sealed() {
        let (serializer, compressor) = (StageId::named("a"), StageId::ZLIB);
        let envelope = Envelope { compressed: true, serializer, compressor, created: 1_234_567_890_123, ..Envelope::default() };
        let stored = envelope.seal(b"payload").unwrap();
        let seen = Peek::at(&stored).unwrap();
        let (vacant, failed, created) = (false, false, envelope.created);
        let expected = Peek { version: 1, compressed: true, vacant, failed, serializer, compressor, created };
        assert_eq!(seen, expected);
        assert_eq!(Peek::at(&stored[..22]), Some(expected));
        assert_eq!(Peek::at(&stored[..21]), None);
        assert_eq!(Peek::at(b"{\"plain\": \"JSON, and long enough\"}"), None);
    }
}
