//! CBOR as this crate needs it: checked, canonical, and to and from serde types.

/// How deep items may be nested.
pub const MAX_DEPTH: usize = 128;
