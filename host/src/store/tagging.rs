//! Tags: what stores are asked, and what they answer.

use std::time::Duration;

use crate::clock::Span;
use crate::envelope::Generation;

/// A tag that an entry is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagging {
    /// The tag's key.
    pub key: String,
    /// Which generation begins if the tag is of none: a new one.
    pub fresh: Generation,
    /// How long the entry is kept; `None`: until it is deleted. The generation is remembered at least as long.
    pub kept: Option<Span>,
}

/// How a tag stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tagged {
    /// Which generation it is of.
    pub generation: Generation,
    /// How long ago it was last invalidated, by the clock of the server that has it; `None`: not within [`REMEMBERED`], or ever.
    pub invalidated: Option<Duration>,
}

/// How long it is remembered that a tag was invalidated.
pub const REMEMBERED: Duration = Duration::from_hours(1);
