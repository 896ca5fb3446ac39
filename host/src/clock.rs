//! Times as the rules use them: whole milliseconds, bounded, and deadlines that cannot overflow.
//!
//! Nothing here reads a clock; instants come from the caller. Instants are tokio's, so a paused test clock moves them all.

use std::time::Duration;

use tokio::time::Instant;

use crate::error::Invalid;

/// The longest time that a lease, an expiry or a pause can be: 100 years. Redis counts in signed 64-bit milliseconds since 1970.
pub const MAX_TIME: Duration = Duration::from_hours(100 * 366 * 24);

/// A length of time that was checked: whole milliseconds, from 1 ms to [`MAX_TIME`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(Duration);

impl Span {
    /// Checks a time; parts of a millisecond are cut off. `what` names it in the error: `lease`, `retry`, `expire` …
    ///
    /// # Errors
    /// [`Invalid::TooShort`] under 1 ms, [`Invalid::TooLong`] over [`MAX_TIME`].
    pub fn new(what: &'static str, given: Duration) -> Result<Self, Invalid> {
        if given > MAX_TIME {
            return Err(Invalid::TooLong { what, given });
        }
        let whole = Duration::from_millis(millis(given));
        if whole.is_zero() {
            return Err(Invalid::TooShort { what });
        }
        Ok(Self(whole))
    }

    /// So many seconds, of which there is at least one.
    pub(crate) const fn seconds(count: u32) -> Self {
        Self(Duration::from_secs(if count == 0 { 1 } else { count as u64 }))
    }

    /// The time as a [`Duration`].
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// The time in milliseconds, at least 1.
    #[must_use]
    pub fn millis(self) -> u64 {
        millis(self.0)
    }
}

/// How long an acquire may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wait {
    /// Not at all: one attempt.
    #[default]
    None,
    /// At most this long.
    UpTo(Duration),
    /// Until the lock is acquired.
    Forever,
}

impl Wait {
    /// When the wait that begins at `now` is over; `None` if never.
    #[must_use]
    pub fn deadline(self, now: Instant) -> Option<Instant> {
        match self {
            Self::None => Some(now),
            Self::UpTo(time) => Some(after(now, time)),
            Self::Forever => None,
        }
    }
}

/// Whole milliseconds of a duration, cut off and saturating.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whole microseconds of a duration, cut off and saturating.
#[must_use]
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// `now + time`, or some far instant where that cannot be told.
#[must_use]
pub fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time.min(MAX_TIME)).unwrap_or(now)
}
