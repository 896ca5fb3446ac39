//! From what is found in a store back to the lock that it belongs to.

use super::{LockKeys, Prefix};

/// How the keys of fences end, by whether the lock's name brings a hash tag of its own.
const FENCES: [&str; 2] = [":bellwether:at:fence", "}:bellwether:fence"];

impl LockKeys {
    /// The keys of the lock under `prefix` whose fence is kept in `key`. `None` for the fence of a lock elsewhere, and for what is
    /// no fence.
    #[must_use]
    pub fn of_fence(prefix: &Prefix, key: &str) -> Option<Self> {
        let [tagged, plain] = FENCES;
        let locked = match key.strip_suffix(tagged) {
            Some(locked) => locked,
            None => key.strip_suffix(plain)?.strip_prefix('{')?,
        };
        let keys = Self::of_key(prefix, locked)?;
        // What is built from the name may be another key, if somebody has chosen this one to confuse.
        (keys.fence() == key).then_some(keys)
    }

    /// The keys of the lock under `prefix` that is kept in `key`. `None` for what cannot be one.
    #[must_use]
    pub fn of_key(prefix: &Prefix, key: &str) -> Option<Self> {
        Self::new(prefix, key.strip_prefix(prefix.as_str())?).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_fence_leads_back_to_its_lock() {
        for prefix in ["", "p:", "{t}:", "{"] {
            let prefix = Prefix::new(prefix).unwrap();
            for name in ["a", "{a}", "x{a}y", "a{b", "a:fence", ":at", "a b", "é"] {
                let keys = LockKeys::new(&prefix, name).unwrap();
                assert_eq!(LockKeys::of_fence(&prefix, keys.fence()), Some(keys.clone()), "{prefix:?} {name}");
                assert_eq!(LockKeys::of_key(&prefix, keys.key()), Some(keys.clone()));
            }
        }
    }

    #[test]
    fn what_is_no_fence_of_a_lock_there_leads_nowhere() {
        let prefix = Prefix::new("p:").unwrap();
        for key in [
            "",
            "p:a",
            "{q:a}:bellwether:fence",
            "{p:}:bellwether:fence",
            "p:a:bellwether:fence",
            "p:a:bellwether:at:fence",
            "{p:{a}}:bellwether:fence",
            "{p:cache:c:k}:bellwether:fence",
            "{p:a\n}:bellwether:fence",
            "{p:a}:bellwether:queue",
        ] {
            assert_eq!(LockKeys::of_fence(&prefix, key), None, "{key:?}");
        }
    }
}
