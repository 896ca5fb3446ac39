//! From what is found in a store back to the lock that it belongs to.

use super::{Form, LockKeys, Prefix};

impl LockKeys {
    /// The key that gives the lock away to who looks through all keys: that of its fence for a plain lock, whose own key looks like
    /// anybody's; its own for others.
    #[must_use]
    pub fn trace(&self) -> &str {
        if self.form() == Form::Plain { self.fence() } else { self.key() }
    }

    /// The keys of the whole lock under `prefix` of which `key` is the [trace](Self::trace). `None` for that of a lock elsewhere, and
    /// for what is none.
    #[must_use]
    pub fn of_trace(prefix: &Prefix, key: &str) -> Option<Self> {
        Form::ALL.into_iter().find_map(|form| {
            let marked = key.strip_suffix(form.keys().unwrap_or("fence"))?;
            // By whether the lock's name brings a hash tag of its own.
            let locked = match marked.strip_suffix(":bellwether:at:") {
                Some(locked) => locked,
                None => marked.strip_suffix("}:bellwether:")?.strip_prefix('{')?,
            };
            let keys = Self::whole(prefix, locked.strip_prefix(prefix.as_str())?, form).ok()?;
            // What is built from the name may be another key, if somebody has chosen this one to confuse.
            (keys.trace() == key).then_some(keys)
        })
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
    fn a_trace_leads_back_to_its_lock() {
        for prefix in ["", "p:", "{t}:", "{"] {
            let prefix = Prefix::new(prefix).unwrap();
            for name in ["a", "{a}", "x{a}y", "a{b", "a:fence", ":at", "a b", "é"] {
                for form in Form::ALL {
                    let keys = LockKeys::whole(&prefix, name, form).unwrap();
                    assert_eq!(LockKeys::of_trace(&prefix, keys.trace()), Some(keys), "{prefix:?} {name} {form}");
                }
                let keys = LockKeys::new(&prefix, name).unwrap();
                assert_eq!(LockKeys::of_key(&prefix, keys.key()), Some(keys));
            }
        }
    }

    #[test]
    fn what_is_no_trace_of_a_lock_there_leads_nowhere() {
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
            "{p:a}:bellwether:rw:fence",
            "{p:a}:bellwether:rw:fences",
            "{q:a}:bellwether:rw",
            "p:a:bellwether:at:permits",
            "{p:a}:bellwether:permits:rw",
        ] {
            assert_eq!(LockKeys::of_trace(&prefix, key), None, "{key:?}");
        }
    }
}
