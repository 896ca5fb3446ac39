//! Who holds a lock, for people who look.

use std::fmt;
use std::process;
use std::sync::{Arc, LazyLock};

use crate::error::{Error, Invalid, Limit};

/// The longest label of a holder, in bytes.
pub const MAX_HOLDER: usize = 64;

/// What the locks of a process show of who holds them, beside a token that stays secret. By default `<hostname>:<pid>`, or
/// the pid alone where the host's name is not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder(Arc<str>);

impl Holder {
    /// Checks a label: 1 to [`MAX_HOLDER`] printable characters of ASCII, without spaces and `@`.
    ///
    /// # Errors
    /// [`Invalid::Empty`], [`Invalid::Holder`], [`Limit::Size`].
    pub fn new(label: &str) -> Result<Self, Error> {
        if label.is_empty() {
            return Err(Invalid::Empty { what: "holder label" }.into());
        }
        if label.len() > MAX_HOLDER {
            return Err(Limit::Size { what: "holder label", size: label.len() as u64, max: MAX_HOLDER as u64 }.into());
        }
        match label.chars().find(|&c| !fits(c)) {
            Some(character) => Err(Invalid::Holder { label: label.to_owned(), character }.into()),
            None => Ok(Self(label.into())),
        }
    }

    /// The label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Holder {
    fn default() -> Self {
        static THIS: LazyLock<Holder> = LazyLock::new(|| Holder(named(&hostname(), process::id()).into()));
        THIS.clone()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a label may have this character: a token is one word in what is kept and sent of it, and ends at its `@`.
fn fits(c: char) -> bool {
    c.is_ascii_graphic() && c != '@'
}

fn named(host: &str, pid: u32) -> String {
    let pid = pid.to_string();
    // A name is cut off rather than the number, without which it tells nothing.
    let host: String = host.chars().map(|c| if fits(c) { c } else { '-' }).take(MAX_HOLDER - 1 - pid.len()).collect();
    if host.is_empty() { pid } else { format!("{host}:{pid}") }
}

/// The host's name where the system has it in a file or a variable; asking it takes more than the standard library.
fn hostname() -> String {
    let file = ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|file| std::fs::read_to_string(file).ok());
    let variable = || ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|variable| std::env::var(variable).ok());
    file.or_else(variable).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn labels_are_one_short_word() {
        for label in ["a", "web-1:17", "!#$%", &"n".repeat(MAX_HOLDER)] {
            assert_eq!(Holder::new(label).unwrap().as_str(), label);
        }
        assert!(matches!(Holder::new(""), Err(Error::Invalid(Invalid::Empty { .. }))));
        for label in ["a b", "a@b", "a\nb", "é", "\u{7f}"] {
            assert!(matches!(Holder::new(label), Err(Error::Invalid(Invalid::Holder { .. }))), "{label:?}");
        }
        assert!(matches!(Holder::new(&"n".repeat(MAX_HOLDER + 1)), Err(Error::Limit(_))));
    }

    #[test]
    fn a_process_has_a_label_whatever_its_host_is_called() {
        assert_eq!(named("web-1.example", 17), "web-1.example:17");
        assert_eq!(named("", 17), "17");
        assert_eq!(named("Büro von@A", 17), "B-ro-von-A:17");
        let long = named(&"n".repeat(300), u32::MAX);
        assert!(long.len() == MAX_HOLDER && long.ends_with(":4294967295"), "{long}");
        let this = Holder::default();
        assert!(this.as_str().ends_with(&process::id().to_string()));
        assert_eq!(Holder::new(this.as_str()).unwrap(), this);
    }
}
