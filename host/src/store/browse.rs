//! Looking at many entries, for those who want to know what is there.

use std::ops::ControlFlow;

use bytes::Bytes;

use super::Ttl;
use crate::glob::Glob;

/// How many of an entry's first bytes [`Seen`] has: as many as tell who wrote it.
pub const HEAD: usize = 64;

/// Which entries to look at, and how closely.
#[derive(Clone, Copy)]
pub struct Browse<'a> {
    /// What their keys begin with, literally.
    pub prefix: &'a str,
    /// A pattern that the rest of each key matches; it only saves work.
    pub hint: &'a Glob,
    /// Which rests of keys are meant.
    pub chosen: &'a (dyn Fn(&str) -> bool + Send + Sync),
    /// About how many of them are to be looked at ([`Seen::about`]); the others are only met. A batch is looked at as a whole.
    pub closely: u64,
}

/// Told of each batch; [`ControlFlow::Break`] ends the walk, on each node after the batch that it is at.
pub type Told<'a> = &'a mut (dyn FnMut(Vec<Seen>) -> ControlFlow<()> + Send);

/// An entry that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its whole key.
    pub key: String,
    /// What it is like, if it was looked at.
    pub about: Option<About>,
}

/// What an entry is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// How many bytes it has, envelope and payload together.
    pub bytes: u64,
    /// The first of them, at most [`HEAD`].
    pub head: Bytes,
    /// How long it has to live. Never [`Ttl::Absent`].
    pub ttl: Ttl,
    /// Its tags. They may have been invalidated.
    pub tags: Vec<String>,
}
