//! What a guest may do.

use std::path::PathBuf;

use crate::error::{Denied, Error};
use crate::glob::Glob;

/// What a guest may do. By default nothing: no lock, no cache, no file, no network.
///
/// Arguments, environment and standard streams are not part of it: whoever runs the guest gives them with the run.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    /// The locks that it may open, of any kind.
    pub locks: Names,
    /// The classes that it may open them as.
    pub lock_classes: Names,
    /// The caches that it may open.
    pub caches: Names,
    /// The directories that it finds.
    pub directories: Vec<Directory>,
    /// Whether it may use the host's network: TCP, UDP and the lookup of names.
    pub network: bool,
}

impl Grant {
    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Every lock, as every class there is, and every cache under the platform's prefix; no file and no network.
    #[must_use]
    pub fn all() -> Self {
        Self { locks: Names::All, lock_classes: Names::All, caches: Names::All, ..Self::default() }
    }

    pub(super) fn lock(&self, name: &str) -> Result<(), Denied> {
        allow(&self.locks, "lock", name)
    }

    pub(super) fn lock_class(&self, name: &str) -> Result<(), Denied> {
        allow(&self.lock_classes, "lock class", name)
    }

    pub(super) fn cache(&self, name: &str) -> Result<(), Denied> {
        allow(&self.caches, "cache", name)
    }
}

/// Names of locks, lock classes or caches, as the guest gives them: without the platform's prefix.
///
/// Under a prefix that another tenant's begins with, or under none, a guest with [`Names::All`] locks can take that tenant's locks
/// and the keys of its entries, for they are names under the shorter prefix too. See [`crate::names`].
#[derive(Debug, Clone, Default)]
pub enum Names {
    /// None of them.
    #[default]
    None,
    /// All of them.
    All,
    /// Those that match any of these patterns.
    Matching(Vec<Glob>),
}

impl Names {
    /// The names that match any of these patterns, in which `*` is any run of characters, `?` any one, `[abc]` one of a set, and
    /// `\` takes the next character literally.
    ///
    /// # Errors
    /// [`crate::error::Invalid::Pattern`] for one that is not finished.
    pub fn matching<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let globs = patterns.into_iter().map(|pattern| Glob::new(pattern.as_ref()));
        Ok(Self::Matching(globs.collect::<Result<_, _>>()?))
    }

    /// Whether the name is one of them.
    #[must_use]
    pub fn contain(&self, name: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Matching(globs) => globs.iter().any(|glob| glob.matches(name)),
        }
    }
}

/// A directory of the host that a guest finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Where it is on the host.
    pub host: PathBuf,
    /// Where the guest finds it.
    pub guest: String,
    /// Whether the guest may change it.
    pub write: bool,
}

fn allow(names: &Names, what: &str, name: &str) -> Result<(), Denied> {
    /// As much of a name as an error repeats.
    const SHOWN: usize = 128;
    if names.contain(name) {
        return Ok(());
    }
    let end = name.char_indices().nth(SHOWN).map_or(name.len(), |(at, _)| at);
    let shown = name.get(..end).unwrap_or_default();
    let more = if end < name.len() { "…" } else { "" };
    Err(Denied::NotGranted { what: format!("the {what} {shown:?}{more}") })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn nothing_is_allowed_unless_granted() {
        assert!(Grant::none().lock("a").is_err());
        assert!(Grant::none().cache("a").is_err() && Grant::none().lock_class("a").is_err());
        assert!(Grant::all().lock("a").is_ok() && Grant::all().lock_class("a").is_ok());
        assert!(!Grant::all().network);
        let grant = Grant { locks: Names::matching(["jobs-*", "one"]).unwrap(), ..Grant::none() };
        assert!(grant.lock("jobs-7").is_ok() && grant.lock("one").is_ok());
        assert!(grant.lock("two").is_err() && grant.lock("xjobs-7").is_err() && grant.cache("one").is_err());
    }

    #[test]
    fn a_refusal_says_which_and_repeats_no_long_name() {
        let text = Grant::none().lock(&"é".repeat(10_000)).unwrap_err().to_string();
        assert!(text.starts_with("the lock \"éé") && text.contains('…') && text.len() < 400, "{text}");
    }
}
