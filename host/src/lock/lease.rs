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

    /// Takes note at `now` that a renewal of `sent` may or may not have happened: the end may have moved to a full lease from then, also
    /// where there was none. What was answered to another request that was under way meanwhile is as unsure as with an answer.
    pub(super) fn may_have_renewed(&mut self, sent: Instant, now: Instant) {
        if let Some(length) = self.length {
            let end = after(sent, length.duration());
            self.ends = Some(self.ends.map_or(end, |known| known.min(end)));
        }
        self.heard = now;
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
        lease.may_have_renewed(now + 10 * SECOND, now + 11 * SECOND);
        assert_eq!(lease.ends(), Some(now + 30 * SECOND));
        lease.hear(Holding::Left(90 * SECOND), now + 11 * SECOND, now + 12 * SECOND);
        lease.may_have_renewed(now + 12 * SECOND, now + 13 * SECOND);
        assert_eq!(lease.ends(), Some(now + 42 * SECOND));
        lease.hear(Holding::Unlimited, now + 13 * SECOND, now + 14 * SECOND);
        lease.may_have_renewed(now + 14 * SECOND, now + 15 * SECOND);
        assert_eq!(lease.ends(), Some(now + 44 * SECOND), "it may have one now");
    }

    /// A request to reset the lease or to add to it, whose answer may be lost. Times are in ms.
    #[derive(Debug, Clone)]
    struct Request {
        extend: Option<u64>,
        sent: u64,
        there: u64,
        back: u64,
        fate: Fate,
    }

    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Fate {
        Answered,
        AnswerLost,
        NeverMet,
    }

    fn request() -> impl Strategy<Value = Request> {
        let fate = prop_oneof![2 => Just(Fate::Answered), 1 => Just(Fate::AnswerLost), 1 => Just(Fate::NeverMet)];
        let parts = (proptest::option::of(1..100_000_u64), 0..5_000_u64, 0..5_000_u64, 0..5_000_u64, fate);
        parts.prop_map(|(extend, sent, there, back, fate)| Request { extend, sent, there, back, fate })
    }

    proptest! {
        /// Requests overlap, the server meets them in any order or never, the answers come in any order or are given up: the holder
        /// never believes in a later end than the server.
        #[test]
        fn the_view_never_ends_after_the_lease(requests in proptest::collection::vec(request(), 2..5)) {
            let start = Instant::now();
            let at = |ms: u64| start + Duration::from_millis(ms);
            let (mut view, mut end) = (lease(start), at(30_000));
            let mut met: Vec<_> = requests.iter().collect();
            met.sort_by_key(|request| request.sent + request.there);
            let mut heard = Vec::new();
            for request in met {
                let when = request.sent + request.there;
                if request.fate != Fate::NeverMet {
                    end = request.extend.map_or(at(when) + 30 * SECOND, |by| end + Duration::from_millis(by));
                }
                heard.push((when + request.back, request, end - at(when)));
            }
            heard.sort_by_key(|(came, ..)| *came);
            for (came, request, left) in heard {
                let (sent, came) = (at(request.sent), at(came));
                match (request.fate, request.extend) {
                    (Fate::Answered, None) => prop_assert!(view.renewed(Holding::Left(left), sent, came)),
                    (Fate::Answered, Some(_)) => prop_assert!(view.hear(Holding::Left(left), sent, came)),
                    (_, None) => view.may_have_renewed(sent, came),
                    // What may have been added is not counted on.
                    (_, Some(_)) => {}
                }
            }
            prop_assert!(view.ends().unwrap() <= end);
        }
    }
}
