//! Stages that fail.

use std::time::Duration;

use thiserror::Error as ThisError;

use super::CborFault;

/// Which stage of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StageKind {
    /// Names the entry.
    Identity,
    /// Turns values into bytes.
    Serializer,
    /// Makes bytes fewer.
    Compressor,
}

impl std::fmt::Display for StageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Identity => "identity",
            Self::Serializer => "serializer",
            Self::Compressor => "compressor",
        })
    }
}

/// A stage that failed: which, on what, and why.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{kind} {name:?} failed to {doing}: {why}")]
pub struct StageError {
    /// Which stage.
    pub kind: StageKind,
    /// Its name.
    pub name: String,
    /// What it was asked to do, `serialize a value` for example.
    pub doing: &'static str,
    /// Why it failed.
    pub why: StageFault,
}

/// Why a stage failed.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum StageFault {
    /// The stage itself said so.
    #[error("{0}")]
    Refused(String),
    /// The component trapped. The text has its message and backtrace.
    #[error("it trapped: {0}")]
    Trapped(String),
    /// The component did not answer before its deadline.
    #[error("it did not answer within {0:?}")]
    Deadline(Duration),
    /// The component wanted more memory than it may have.
    #[error("it wanted more than its {max} bytes of memory")]
    Memory {
        /// What it may have.
        max: u64,
    },
    /// The output is larger than it may be.
    #[error("its output of {size} bytes is over the limit of {max}")]
    Output {
        /// The size of the output (a lower bound where it was cut off).
        size: u64,
        /// What is allowed.
        max: u64,
    },
    /// The value it gave is not CBOR.
    #[error("its output is not one CBOR data item: {0}")]
    NotCbor(CborFault),
    /// A compressor left a value as it is where it has to compress.
    #[error(
        "it left the value as it is, and without an envelope nothing tells that from a compressed one: keep the envelope, choose \
         compressor `none`, or one that always compresses"
    )]
    Declined,
    /// No instance became free in time.
    #[error("all of its {max} instances stayed busy")]
    Busy {
        /// How many there are.
        max: usize,
    },
    /// An instance could not be made.
    #[error("it could not be started: {0}")]
    Start(String),
}
