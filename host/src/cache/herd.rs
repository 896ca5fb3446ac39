//! When an entry is due to be computed anew, and how long it is kept: pure functions of what was read and when.
//!
//! A client's clock only decides whether the store is asked: who finds an entry due claims it in the store, whose clock has the last
//! word. A client whose clock is ahead asks too soon and is told to take the value. One whose clock is behind serves what others would
//! compute anew, for as long as it is behind, and never longer than the entry is kept.

use std::time::Duration;

use super::Herd;
use crate::clock::Span;
use crate::envelope::{Head, Holds};
use crate::error::Invalid;

/// Herd protection that was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Herding {
    herd_timeout: Span,
    extend_timeout: Span,
}

/// How long an entry lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// When it is due to be computed anew; `None`: never.
    pub(super) due: Option<Span>,
    /// How long it is kept; `None`: until it is deleted.
    pub(super) kept: Option<Span>,
}

/// What a reader makes of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// There is no entry.
    Absent,
    /// It has a value to be taken.
    Fresh,
    /// It may be due to be computed anew: the store knows.
    Due,
}

/// How much sooner than by its own clock a client asks the store, in milliseconds.
const MARGIN: u64 = 5;

impl Herding {
    /// Checks the times.
    pub(super) fn new(herd: Herd) -> Result<Self, Invalid> {
        Ok(Self {
            herd_timeout: Span::new("herd-timeout", herd.herd_timeout)?,
            extend_timeout: Span::new("extend-timeout", herd.extend_timeout)?,
        })
    }

    /// How long who computes has before another is asked to.
    pub(super) fn lease(self) -> Span {
        self.extend_timeout
    }

    /// How long after its claim a value can still be one that nobody has replaced.
    pub(super) fn memory(self) -> Duration {
        self.extend_timeout.duration() + self.herd_timeout.duration()
    }
}

/// How long an entry lives that expires so.
pub(super) fn life(expire: Option<Span>, herd: Option<Herding>) -> Result<Life, Invalid> {
    let (Some(expire), Some(herd)) = (expire, herd) else { return Ok(Life { due: None, kept: expire }) };
    let kept = expire.duration() + herd.herd_timeout.duration();
    Ok(Life { due: Some(expire), kept: Some(Span::new("expire with the herd-timeout", kept)?) })
}

/// What a reader makes of what was read at `now`, in milliseconds since 1970.
pub(super) fn sight(stored: Option<&[u8]>, now: u64) -> Sight {
    let Some(stored) = stored else { return Sight::Absent };
    match Head::read(stored) {
        // Of version 1, or not ours.
        None => Sight::Fresh,
        Some(head) if head.holds == Holds::Nothing => Sight::Absent,
        Some(Head { expires: Some(expires), .. }) if expires <= now.saturating_add(MARGIN) => Sight::Due,
        Some(_) => Sight::Fresh,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;
    use crate::envelope::{Claim, Envelope};

    fn entry(expires: Option<u64>, claim: bool) -> bytes::Bytes {
        let claim = claim.then(|| Claim::random().unwrap());
        Envelope { expires, claim, ..Envelope::default() }.seal(b"payload").unwrap()
    }

    #[test]
    fn what_is_no_entry_is_absent_and_what_cannot_be_claimed_is_fresh() {
        assert_eq!(sight(None, 0), Sight::Absent);
        let placeholder = Envelope::vacant(Claim::random().unwrap()).seal(b"").unwrap();
        assert_eq!(sight(Some(&placeholder), u64::MAX), Sight::Absent);
        for stored in [&b""[..], b"a stranger's", &entry(None, false)] {
            assert_eq!(sight(Some(stored), u64::MAX), Sight::Fresh);
        }
    }

    proptest! {
        #[test]
        fn nobody_asks_long_before_or_any_time_after_the_expiry(expires in 1_u64.., now: u64, claimed: bool) {
            let due = sight(Some(&entry(Some(expires), claimed)), now) == Sight::Due;
            prop_assert!(due || expires > now);
            prop_assert!(!due || expires <= now.saturating_add(MARGIN));
        }

        #[test]
        fn what_never_expires_is_never_due(now: u64) {
            prop_assert_eq!(sight(Some(&entry(None, true)), now), Sight::Fresh);
        }

        #[test]
        fn an_entry_is_kept_for_the_herd_timeout_after_it_is_due(expire in 1_u64..1 << 40, herd in 1_u64..1 << 40, extend in 1_u64..1 << 40) {
            let [expire, herd_timeout, extend_timeout] = [expire, herd, extend].map(Duration::from_millis);
            let herd = Some(Herding::new(Herd { herd_timeout, extend_timeout }).unwrap());
            let span = Span::new("expire", expire).unwrap();
            let Life { due, kept } = life(Some(span), herd).unwrap();
            prop_assert_eq!(due, Some(span));
            prop_assert_eq!(kept.unwrap().duration(), expire + herd_timeout);
            prop_assert_eq!(life(None, herd).unwrap(), Life { due: None, kept: None });
            prop_assert_eq!(life(Some(span), None).unwrap(), Life { due: None, kept: Some(span) });
        }
    }
}
