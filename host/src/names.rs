//! What names may be, and which keys of the store they stand for.
//!
//! With the platform's prefix `P`, the lock `n` is the key `Pn`, so that any other locker of that key excludes ours and the other
//! way round; an entry of the cache `c` is the key `Pcache:c:` + its identity, and a tag `t` of its entries the key `Pcache:c:{}tag:t`, as
//! no identity has braces. A lock's name cannot begin with `cache:`, so under one prefix no entry and no lock ever share a key. The read-write lock `n` and the semaphore `n` have keys beside `Pn`, in its slot
//! (`{Pn}:bellwether:rw`, `{Pn}:bellwether:permits`): they are other things than the lock `n`.
//!
//! Two prefixes keep their names apart only if neither begins with the other: under `a` the lock `b:x` is the key that the lock
//! `x` is under `ab:`, and the lock `b:cache:c:x` that of an entry. The empty prefix begins every other. Prefixes of one form with
//! an end that is nowhere else in them, `tenant-1:` and `tenant-10:`, are safe.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::error::{Error, Invalid, Limit};

mod escape;
mod found;
mod holder;
mod share;
mod tags;

pub use escape::{escape, escape_char, escape_last, escape_last_char, unescape};
pub use holder::{Holder, MAX_HOLDER};
pub use share::{Form, Share};
pub use tags::{MAX_TAG, MAX_TAGS, check_tag, check_tags, is_tag, tag_key};

/// The longest lock or cache name, in bytes.
pub const MAX_NAME: usize = 512;

/// What begins the part of a key that caches own.
pub const CACHES: &str = "cache:";

/// What marks a key that belongs to a lock without being the lock.
pub(crate) const COMPANION: &str = ":bellwether:";

/// What every name of a platform's guests begins with in the store. May be empty.
///
/// It is put before names as it is. Tenants that share a store are kept apart only if no tenant's prefix begins with another's,
/// which an empty one always does: see [this module](self).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prefix(String);

impl Prefix {
    /// Checks a prefix: at most [`MAX_NAME`] bytes, no control characters.
    ///
    /// # Errors
    /// [`Invalid::ControlCharacter`], [`Limit::Size`].
    pub fn new(prefix: &str) -> Result<Self, Error> {
        if !prefix.is_empty() {
            check_name("prefix", prefix)?;
        }
        Ok(Self(prefix.to_owned()))
    }

    /// The prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The keys of one lock, and how much of it is wanted. All are in one slot of a Redis Cluster. Clones are cheap.
///
/// Two are equal if they are the same share of the same lock, whatever it is called under its prefix.
#[derive(Debug, Clone)]
pub struct LockKeys(Arc<Keys>);

#[derive(Debug)]
struct Keys {
    name: String,
    share: Share,
    key: String,
    fence: String,
    queue: String,
    alive: String,
    channel: String,
    fences: String,
}

impl LockKeys {
    /// The keys of the plain lock `name` under `prefix`.
    ///
    /// # Errors
    /// [`Invalid`] for a name that is empty, has control characters, is kept for ourselves, or has no room for companions in its
    /// slot; [`Limit::Size`] for one of over [`MAX_NAME`] bytes.
    pub fn new(prefix: &Prefix, name: &str) -> Result<Self, Error> {
        Self::shared(prefix, name, Share::Alone)
    }

    /// The keys of the whole of what `name` stands for in this form, for who looks at its holders or breaks them. For a holder they
    /// are those of some share or other.
    ///
    /// # Errors
    /// As of [`LockKeys::new`].
    pub fn whole(prefix: &Prefix, name: &str, form: Form) -> Result<Self, Error> {
        Self::shared(prefix, name, form.any_share())
    }

    /// The keys of the lock `name` of which a holder takes `share`.
    ///
    /// # Errors
    /// As of [`LockKeys::new`].
    pub fn shared(prefix: &Prefix, name: &str, share: Share) -> Result<Self, Error> {
        const WHAT: &str = "lock name";
        check_name(WHAT, name)?;
        let reserved = |reserved| Invalid::Reserved { what: WHAT, name: name.to_owned(), reserved };
        if name.starts_with(CACHES) {
            return Err(reserved(CACHES).into());
        }
        let key = format!("{}{name}", prefix.0);
        if key.contains(COMPANION) {
            return Err(reserved(COMPANION).into());
        }
        let companion = match hash_tag(&key) {
            // Ours is appended, so the tag, and with it the slot, stays. `at` keeps it apart from the companion of a lock
            // whose whole key is this tag.
            Some(_) => format!("{key}{COMPANION}at:"),
            None if key.contains('}') => return Err(Invalid::Slot { name: name.to_owned() }.into()),
            None => format!("{{{key}}}{COMPANION}"),
        };
        let (key, companion) = match share.form().keys() {
            None => (key, companion),
            Some(kind) => (format!("{companion}{kind}"), format!("{companion}{kind}:")),
        };
        let companion = |what| format!("{companion}{what}");
        let (fence, queue, alive) = (companion("fence"), companion("queue"), companion("alive"));
        let (channel, fences) = (companion("grant:"), companion("fences"));
        Ok(Self(Arc::new(Keys { name: name.to_owned(), share, key, fence, queue, alive, channel, fences })))
    }

    /// How much of the lock is wanted.
    #[must_use]
    pub fn share(&self) -> Share {
        self.0.share
    }

    /// What the lock is.
    #[must_use]
    pub fn form(&self) -> Form {
        self.0.share.form()
    }

    /// The lock's name as its user gave it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The key that holds the token; or the tokens, where many can hold the lock.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// The key that holds the last fence, and the tokens that last released the lock.
    #[must_use]
    pub fn fence(&self) -> &str {
        &self.0.fence
    }

    /// The key that holds the places of those who wait, in the order in which they came.
    #[must_use]
    pub fn queue(&self) -> &str {
        &self.0.queue
    }

    /// The key that tells until when the processes of those who wait count as alive.
    #[must_use]
    pub fn alive(&self) -> &str {
        &self.0.alive
    }

    /// What the channels begin with on which waiters are told that the lock is theirs. The process follows.
    #[must_use]
    pub fn channel(&self) -> &str {
        &self.0.channel
    }

    /// The key that holds the fence of each holder, where many can hold the lock.
    #[must_use]
    pub fn fences(&self) -> &str {
        &self.0.fences
    }
}

impl PartialEq for LockKeys {
    fn eq(&self, other: &Self) -> bool {
        (&self.0.key, self.0.share) == (&other.0.key, other.0.share)
    }
}

impl Eq for LockKeys {}

impl Hash for LockKeys {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.0.key, self.0.share).hash(state);
    }
}

/// What the key of every entry of the cache `name` begins with under `prefix`, and of no other cache's. The identity follows.
///
/// # Errors
/// [`Invalid`] for a name that is empty or has control characters; [`Limit::Size`] for one of over [`MAX_NAME`] bytes.
pub fn entry_prefix(prefix: &Prefix, name: &str) -> Result<String, Error> {
    check_name("cache name", name)?;
    Ok(format!("{}{CACHES}{}:", prefix.0, escape(name)))
}

/// The part of a key that alone decides its slot: what stands between the first `{` and the next `}`, unless that is nothing
/// (Redis Cluster specification, hash tags).
#[must_use]
pub fn hash_tag(key: &str) -> Option<&str> {
    let (_, rest) = key.split_once('{')?;
    let (tag, _) = rest.split_once('}')?;
    (!tag.is_empty()).then_some(tag)
}

/// Checks a name of any kind; `what` says which in the error.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<(), Error> {
    if name.is_empty() {
        return Err(Invalid::Empty { what }.into());
    }
    if name.len() > MAX_NAME {
        return Err(Limit::Size { what, size: name.len() as u64, max: MAX_NAME as u64 }.into());
    }
    if let Some((at, _)) = name.char_indices().find(|(_, c)| c.is_control()) {
        return Err(Invalid::ControlCharacter { what, name: name.to_owned(), at }.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(name: &str) -> Result<LockKeys, Error> {
        LockKeys::new(&Prefix::default(), name)
    }

    #[test]
    fn companions_share_the_slot_and_never_collide() -> Result<(), Error> {
        let slot = |key: &str| hash_tag(key).unwrap_or(key).to_owned();
        let mut seen = std::collections::HashSet::new();
        for name in ["a", "{a}", "x{a}y", "a{b", "{", "{{a}", "{a}b}", "{a}{b}"] {
            let plain = keys(name)?;
            for share in [Share::Alone, Share::Writer, Share::Permit { of: std::num::NonZeroU32::MIN }] {
                let keys = LockKeys::shared(&Prefix::default(), name, share)?;
                for key in [keys.key(), keys.fence(), keys.queue(), keys.alive(), keys.channel(), keys.fences()] {
                    assert_eq!(slot(key), slot(plain.key()), "{name}");
                    assert!(seen.insert(key.to_owned()), "{key} stands for two things");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn the_keys_of_caches_never_begin_alike() -> Result<(), Error> {
        let prefix = Prefix::new("p:")?;
        let names = ["a", "a:", "a:b", "a%3Ab", "a%", "aa", "*", "a*", "{a}", "[a]"];
        for one in names {
            let one_prefix = entry_prefix(&prefix, one)?;
            assert_eq!(hash_tag(&one_prefix), None, "{one}");
            for other in names.into_iter().filter(|other| *other != one) {
                assert!(!one_prefix.starts_with(&entry_prefix(&prefix, other)?), "{one} lies within {other}");
            }
        }
        assert!(matches!(entry_prefix(&prefix, "a\nb"), Err(Error::Invalid(Invalid::ControlCharacter { .. }))));
        assert!(matches!(entry_prefix(&prefix, ""), Err(Error::Invalid(Invalid::Empty { .. }))));
        Ok(())
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        for name in ["", "a\0b", "a\nb", "a}b", "{}a", "cache:pages", "{a}:bellwether:fence"] {
            assert!(matches!(keys(name), Err(Error::Invalid(_))), "{name:?}");
        }
        assert!(matches!(keys(&"n".repeat(MAX_NAME + 1)), Err(Error::Limit(_))));
    }
}
