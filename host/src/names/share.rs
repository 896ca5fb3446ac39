//! How much of a lock one holder takes.

use std::num::NonZeroU32;

/// How much of a lock one holder takes, and with that which keys the lock has: a plain lock, a read-write lock and a semaphore of the
/// same name are three different things, and none excludes another.
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

    /// What the keys of such a lock are named after, if they are not those of the plain lock.
    pub(super) fn keys(self) -> Option<&'static str> {
        match self {
            Self::Alone => None,
            Self::Reader | Self::Writer => Some("rw"),
            Self::Permit { .. } => Some("permits"),
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
