//! Stored bytes that cannot be read.

use thiserror::Error as ThisError;

use super::StageKind;

/// Stored bytes that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Corrupt {
    /// The entry does not begin with an envelope: another program wrote it.
    #[error("the entry {key:?} was not written by bellwether: delete it or choose another cache name")]
    Foreign {
        /// The store's key.
        key: String,
    },
    /// The entry cannot be read as a bare payload, and it is one with an envelope.
    #[error(
        "the entry {key:?} has an envelope, and this cache reads bare payloads: open it with an envelope, or delete the entry"
    )]
    Enveloped {
        /// The store's key.
        key: String,
    },
    /// The entry is shorter or longer than its envelope says.
    #[error("the entry {key:?} has {size} bytes where its envelope says {expected}: delete it")]
    Length {
        /// The store's key.
        key: String,
        /// What is there.
        size: usize,
        /// What should be there.
        expected: usize,
    },
    /// A later version of bellwether wrote the entry.
    #[error("the entry {key:?} has envelope version {version}, and this program reads up to {newest}: upgrade it")]
    Version {
        /// The store's key.
        key: String,
        /// The version found.
        version: u8,
        /// The newest version this program reads.
        newest: u8,
    },
    /// The envelope has flags that this version does not know.
    #[error("the entry {key:?} has unknown envelope flags {flags:#04x}: upgrade this program, or delete the entry")]
    Flags {
        /// The store's key.
        key: String,
        /// The flags found.
        flags: u8,
    },
    /// The payload's checksum is wrong.
    #[error("the entry {key:?} is damaged: its checksum does not match; delete it")]
    Checksum {
        /// The store's key.
        key: String,
    },
    /// The envelope has tags that cannot be.
    #[error("the entry {key:?} has tags that cannot be read: upgrade this program, or delete the entry")]
    Tags {
        /// The store's key.
        key: String,
    },
    /// The entry was written through another stage.
    #[error(
        "the entry {key:?} was written with {kind} {wrote}, and this cache reads with {reads}: open it with that, or delete the entry"
    )]
    OtherStage {
        /// The store's key.
        key: String,
        /// Which stage.
        kind: StageKind,
        /// What wrote it.
        wrote: String,
        /// What this cache has.
        reads: String,
    },
}
