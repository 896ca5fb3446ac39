//! Patterns of keys, as Redis has them.

/// A parsed pattern: `*` is any run of characters, `?` any one, `[abc]`, `[a-z]` and `[^a]` one of a set, and `\` takes the next
/// character literally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    pattern: String,
}
