//! What tags of entries can be, and their keys.

use super::escape_last;
use crate::error::{Error, Invalid, Limit};

/// The longest tag, in bytes.
pub const MAX_TAG: usize = 128;

/// The most tags that an entry can have.
pub const MAX_TAGS: usize = 16;

/// What the key of a tag has after what all keys of its cache begin with. The identity of an entry has no braces, so no entry has such a
/// key; and as there is nothing between them, the whole key decides its slot: the tags of a cache are on all nodes.
const TAG: &str = "{}tag:";

/// The key of a tag of the cache whose entries' keys begin with `entries`.
#[must_use]
pub fn tag_key(entries: &str, tag: &str) -> String {
    format!("{entries}{TAG}{}", escape_last(tag))
}

/// Whether a key is that of a tag, by what comes after what all keys of its cache begin with.
#[must_use]
pub fn is_tag(rest: &str) -> bool {
    rest.starts_with(TAG)
}

/// The tags, each once and in order.
///
/// # Errors
/// [`Invalid::Empty`], [`Limit::Size`] for one of over [`MAX_TAG`] bytes, [`Limit::Count`] for more than [`MAX_TAGS`].
pub fn check_tags<T: AsRef<str>>(tags: impl IntoIterator<Item = T>) -> Result<Vec<String>, Error> {
    let mut checked = Vec::new();
    for tag in tags {
        let tag = tag.as_ref();
        check_tag(tag)?;
        if let Err(place) = checked.binary_search_by(|known: &String| known.as_str().cmp(tag)) {
            checked.insert(place, tag.to_owned());
        }
        if checked.len() > MAX_TAGS {
            return Err(Limit::Count { what: "tags of an entry", max: MAX_TAGS as u64 }.into());
        }
    }
    Ok(checked)
}

/// Checks one tag.
///
/// # Errors
/// As of [`check_tags`].
pub fn check_tag(tag: &str) -> Result<(), Error> {
    if tag.is_empty() {
        return Err(Invalid::Empty { what: "tag" }.into());
    }
    if tag.len() > MAX_TAG {
        return Err(Limit::Size { what: "tag", size: tag.len() as u64, max: MAX_TAG as u64 }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::{Prefix, entry_prefix, escape_last, hash_tag};
    use super::*;

    #[test]
    fn tags_are_each_there_once_and_not_too_many() {
        assert_eq!(check_tags(["b", "a", "b"]).unwrap(), ["a", "b"]);
        assert_eq!(check_tags::<&str>([]).unwrap(), Vec::<String>::new());
        assert_eq!(check_tags(["a", ""]), Err(Invalid::Empty { what: "tag" }.into()));
        let long = "x".repeat(MAX_TAG);
        assert_eq!(check_tags([long.as_str()]).unwrap().len(), 1);
        assert_eq!(check_tags([long + "x"]), Err(Limit::Size { what: "tag", size: 129, max: 128 }.into()));
        let many = |count: u8| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(check_tags(many(16)).unwrap().len(), 16);
        assert_eq!(check_tags(many(17)), Err(Limit::Count { what: "tags of an entry", max: 16 }.into()));
        assert_eq!(check_tags(many(16).into_iter().chain(many(16))).unwrap().len(), 16, "a repetition does not count");
    }

    #[test]
    fn a_tag_is_no_entry_and_has_its_own_slot() {
        let mut seen = std::collections::HashSet::new();
        for cache in ["a", "{}tag:a", "a:{}tag:"] {
            let entries = entry_prefix(&Prefix::default(), cache).unwrap();
            for name in ["a", "{b}", "{}tag:a", "%", "a:b\n"] {
                let key = tag_key(&entries, name);
                assert_eq!(hash_tag(&key), None, "{key}");
                assert!(is_tag(key.strip_prefix(&entries).unwrap()) && !is_tag(&escape_last(name)));
                assert!(!key.contains(char::is_control));
                assert!(seen.insert(key) && seen.insert(format!("{entries}{}", escape_last(name))), "{cache} {name}");
            }
        }
    }
}
