//! What a name can stand for, and how much of it one holder takes.

use std::fmt;
use std::num::NonZeroU32;

/// What a name stands for. A plain lock, a read-write lock and a semaphore of the same name are three different things, and none
/// excludes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// A plain lock, of one holder.
    Plain,
    /// A read-write lock.
    ReadWrite,
    /// A semaphore.
    Semaphore,
}

impl Form {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Plain, Self::ReadWrite, Self::Semaphore];

    /// One word for it, as programs read it: `lock`, `read-write`, `semaphore`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "lock",
            Self::ReadWrite => "read-write",
            Self::Semaphore => "semaphore",
        }
    }

    /// What the keys of such a lock are named after, if they are not those of the plain lock.
    pub(super) const fn keys(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::ReadWrite => Some("rw"),
            Self::Semaphore => Some("permits"),
        }
    }

    /// A share of it, for who asks of the whole.
    pub(super) const fn any_share(self) -> Share {
        match self {
            Self::Plain => Share::Alone,
            Self::ReadWrite => Share::Writer,
            Self::Semaphore => Share::Permit { of: NonZeroU32::MIN },
        }
    }
}

impl fmt::Display for Form {
    /// As people read it, `read-write lock` for one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "lock",
            Self::ReadWrite => "read-write lock",
            Self::Semaphore => "semaphore",
        })
    }
}

/// How much of a lock one holder takes, and with that which keys the lock has: see [`Form`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Share {
    /// All of a plain lock.
    #[default]
    Alone,
    /// A read-write lock, along with any number of other readers.
    Reader,
    /// A read-write lock, and nobody else does.
    Writer,
    /// One permit of a semaphore.
    Permit {
        /// How many may be out at once. Each acquire goes by the number that it brings.
        of: NonZeroU32,
    },
}

impl Share {
    /// Whether it is that of a plain lock, which excludes all others of the same keys.
    #[must_use]
    pub fn is_alone(self) -> bool {
        self == Self::Alone
    }

    /// What it is a share of.
    #[must_use]
    pub fn form(self) -> Form {
        match self {
            Self::Alone => Form::Plain,
            Self::Reader | Self::Writer => Form::ReadWrite,
            Self::Permit { .. } => Form::Semaphore,
        }
    }

    /// Whether one can hold this beside those who hold `others` of the same lock already.
    #[must_use]
    pub fn fits(self, others: impl IntoIterator<Item = Self>) -> bool {
        let mut others = others.into_iter();
        match self {
            Self::Alone | Self::Writer => others.next().is_none(),
            Self::Reader => others.all(|other| other == Self::Reader),
            Self::Permit { of } => others.nth(of.get() as usize - 1).is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn readers_fit_together_a_writer_with_nobody_and_as_many_permits_as_there_are() {
        use Share::{Alone, Reader, Writer};
        for share in [Alone, Reader, Writer] {
            assert!(share.fits([]));
            assert!(!share.fits([Writer]));
            assert_eq!(share.fits([Reader, Reader]), share == Reader);
        }
        let permit = |of| Share::Permit { of: NonZeroU32::new(of).unwrap() };
        assert!(permit(1).fits([]) && !permit(1).fits([permit(1)]));
        assert!(permit(3).fits([permit(1), permit(9)]), "each goes by the number that it brings");
        assert!(!permit(2).fits([permit(9), permit(9)]));
    }
}
