//! CBOR as this crate needs it: checked, canonical, and to and from serde types and JSON.
//!
//! A value is always exactly one data item of RFC 8949, nested at most [`MAX_DEPTH`] deep. Nothing here panics, recurses deeper
//! than that, or takes more memory than a small multiple of its input.

mod canonical;
mod check;
mod json;
mod read;
mod typed;
mod write;

pub use canonical::canonical;
pub use check::check;
pub use json::{JsonFault, from_json, to_json};
pub use typed::{from_slice, to_vec, unwrap_bytes, wrap_bytes};

pub(crate) use check::{Counts, check_and_count};
pub(crate) use read::{Float, Head, Reader};
pub(crate) use write::{major, put_head, put_simple};

/// How deep arrays, maps and tags may be nested: a value of depth 1 is one that has none inside another.
pub const MAX_DEPTH: usize = 128;

#[cfg(test)]
pub(crate) mod tests;
