//! What a holder knows of its own lease, by the local monotonic clock.
//!
//! Every answer is dated from before its request was sent, so the view ends no later than the lease itself does.

use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Span, after};
use crate::store::Holding;

/// A lease as its holder sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lease {
    /// A full lease.
    length: Option<Span>,
    /// When it ends; `None` if never.
    ends: Option<Instant>,
    /// When the last answer came in.
    heard: Instant,
    /// Whether it is a full one; a lock that was granted is only held for a moment, until that is confirmed.
    confirmed: bool,
}

/// What a lease that is renewed needs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upkeep {
    /// Nothing, ever: it does not end.
    Never,
    /// Nothing until then.
    At(Instant),
    /// To be reset to this; `None` for no end.
    Due(Option<Span>),
    /// It ended.
    Ended,
}

impl Lease {
    /// A lease of which `left` was left at some time after `sent`.
    pub(super) fn new(length: Option<Span>, left: Option<Duration>, sent: Instant, now: Instant) -> Self {
        Self { length, ends: left.map(|left| after(sent, left)), heard: now, confirmed: true }
    }

    /// A lock that was granted, for `left` from some time after `sent`, until that is confirmed.
    pub(super) fn granted(length: Option<Span>, left: Duration, sent: Instant, now: Instant) -> Self {
        Self { confirmed: false, ..Self::new(length, Some(left), sent, now) }
    }

    /// Whether it is a full one.
    pub(super) const fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// Takes note of the answer to a renewal of `sent`; false if the lock is not held.
    pub(super) fn renewed(&mut self, holding: Holding, sent: Instant, now: Instant) -> bool {
        // What was answered to a renewal that went before this one is no newer than it.
        self.confirmed = true;
        self.hear(holding, sent, now)
    }

    /// A full lease.
    pub(super) const fn length(&self) -> Option<Span> {
        self.length
    }

    /// When it ends; `None` if never.
    pub(super) const fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// Whether it ended by the local clock.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.ends.is_some_and(|end| end <= now)
    }

    /// Takes note of what the store answered to a request of `sent`; false if the lock is not held.
    ///
    /// Where another answer came in while this one was under way, nobody knows which request the store met first, so the
    /// earlier end counts.
    pub(super) fn hear(&mut self, holding: Holding, sent: Instant, now: Instant) -> bool {
        let ends = match holding {
            Holding::No => return false,
            Holding::Unlimited => None,
            Holding::Left(left) => Some(after(sent, left)),
        };
        self.ends = match (self.ends, ends) {
            (Some(known), Some(told)) if sent < self.heard => Some(known.min(told)),
            (known @ Some(_), None) if sent < self.heard => known,
            (_, told) => told,
        };
        self.heard = now;
        true
    }

    /// Takes note that a renewal of `sent` may or may not have happened: the end may have moved to a full lease from then.
    pub(super) fn may_have_renewed(&mut self, sent: Instant) {
        if let (Some(ends), Some(length)) = (&mut self.ends, self.length) {
            *ends = (*ends).min(after(sent, length.duration()));
        }
    }

    /// What the lease needs at `now` if it is renewed: another full one when a third of it has passed.
    pub(super) fn upkeep(&self, now: Instant) -> Upkeep {
        match (self.ends, self.length) {
            (Some(ends), _) if ends <= now => Upkeep::Ended,
            (Some(_), length) if !self.confirmed => Upkeep::Due(length),
            (Some(ends), Some(length)) => match ends.checked_sub(length.duration() / 3 * 2) {
                Some(due) if due > now => Upkeep::At(due),
                _ => Upkeep::Due(Some(length)),
            },
            (None, _) | (_, None) => Upkeep::Never,
        }
    }

    /// When to try again after a renewal that failed at `now`; never after the end.
    pub(super) fn retry_at(&self, now: Instant) -> Instant {
        // One that was granted lasts a moment only.
        let length = self.length.filter(|_| self.confirmed).map_or(Duration::from_secs(1), Span::duration);
        let pause = (length / 20).clamp(Duration::from_millis(1), Duration::from_secs(1));
        let retry = after(now, pause);
        self.ends.map_or(retry, |end| end.min(retry))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn lease(now: Instant) -> Lease {
        Lease::new(Some(Span::new("lease", 30 * SECOND).unwrap()), Some(30 * SECOND), now, now)
    }

    #[test]
    fn it_counts_from_before_the_request() {
        let sent = Instant::now();
        let mut lease = Lease::new(None, Some(10 * SECOND), sent, sent + SECOND);
        assert_eq!(lease.ends(), Some(sent + 10 * SECOND));
        assert!(lease.hear(Holding::Left(10 * SECOND), sent + 2 * SECOND, sent + 9 * SECOND));
        assert_eq!(lease.ends(), Some(sent + 12 * SECOND));
        assert!(!lease.is_over(sent + 11 * SECOND) && lease.is_over(sent + 12 * SECOND));
        assert!(!lease.hear(Holding::No, sent, sent));
    }

    #[test]
    fn it_is_renewed_when_a_third_has_passed_and_not_sooner_if_extended() {
        let now = Instant::now();
        let mut lease = lease(now);
        assert_eq!(lease.upkeep(now), Upkeep::At(now + 10 * SECOND));
        assert!(matches!(lease.upkeep(now + 10 * SECOND), Upkeep::Due(_)));
        assert_eq!(lease.upkeep(now + 30 * SECOND), Upkeep::Ended);
        lease.hear(Holding::Left(90 * SECOND), now, now);
        assert_eq!(lease.upkeep(now), Upkeep::At(now + 70 * SECOND), "a renewal would cut the extension short");
        lease.hear(Holding::Unlimited, now, now);
        assert_eq!(lease.upkeep(now), Upkeep::Never);
    }

    #[test]
    fn a_failed_renewal_is_repeated_soon_and_never_after_the_end() {
        let now = Instant::now();
        let lease = lease(now);
        assert_eq!(lease.retry_at(now + 10 * SECOND), now + 11 * SECOND);
        assert_eq!(lease.retry_at(now + 59 * SECOND / 2), now + 30 * SECOND);
    }

    #[test]
    fn a_renewal_of_unknown_outcome_counts_only_if_it_shortens() {
        let now = Instant::now();
        let mut lease = lease(now);
        lease.may_have_renewed(now + 10 * SECOND);
        assert_eq!(lease.ends(), Some(now + 30 * SECOND));
        lease.hear(Holding::Left(90 * SECOND), now, now);
        lease.may_have_renewed(now + 10 * SECOND);
        assert_eq!(lease.ends(), Some(now + 40 * SECOND));
    }

    proptest! {
        /// Two requests overlap, the server meets them in either order, the answers come in either order: the holder never
        /// believes in a later end than the server.
        #[test]
        fn the_view_never_ends_after_the_lease(
            extend in 1..100_000_u64,
            sent in [0..5_000_u64, 0..5_000],
            there in [0..5_000_u64, 0..5_000],
            back in [0..5_000_u64, 0..5_000],
        ) {
            let start = Instant::now();
            let at = |ms: u64| start + Duration::from_millis(ms);
            let mut view = lease(start);
            let mut end = at(30_000);
            let mut met = [(sent[0] + there[0], 0_usize), (sent[1] + there[1], 1)];
            met.sort_unstable();
            let mut answers = Vec::new();
            for (when, which) in met {
                end = if which == 0 { at(when) + 30 * SECOND } else { end + Duration::from_millis(extend) };
                let came = when + back.get(which).unwrap();
                answers.push((came, *sent.get(which).unwrap(), Holding::Left(end - at(when))));
            }
            answers.sort_by_key(|(came, ..)| *came);
            for (came, sent, holding) in answers {
                prop_assert!(view.hear(holding, at(sent), at(came)));
            }
            prop_assert!(view.ends().unwrap() <= end);
        }
    }
}
