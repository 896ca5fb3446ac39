//! When the first of a line asks the store: a pure function of what happened and when.
//!
//! It asks at once when grants are heard from then on, because one may have come in between; when the holder's lease ends; when there
//! is reason to doubt; and besides in pauses, which also keep its process's places in the queue.

use std::time::Duration;

use tokio::time::Instant;

use super::options::LATENESS;
use crate::clock::{Span, after};
use crate::pause::{back_off, jittered};

/// When to ask next.
#[derive(Debug)]
pub(super) struct Pace {
    due: Instant,
    /// When the holder's lease ends, as far as the last answer said.
    lease_ends: Option<Instant>,
    watching: bool,
    /// Until when to wait for that with a place in the queue, as a grant would not be heard before.
    deaf_until: Instant,
    /// Until when places in the queue are kept for certain, by the requests that took or kept one and were answered.
    kept_until: Option<Instant>,
    /// Failures since the store last answered.
    failures: u32,
}

/// Servers count leases in whole milliseconds, and end them late rather than early.
const LEASE_MARGIN: Duration = Duration::from_millis(2);

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now, lease_ends: None, watching: false, deaf_until: now, kept_until: None, failures: 0 }
    }

    /// Somebody is the first of the line from here on.
    pub(super) fn begin(&mut self, pulse: Span, now: Instant) {
        let mut pause = after(now, pulse.duration());
        // The places may have been kept by one with shorter pauses until now.
        if let Some(until) = self.kept_until.filter(|until| *until > now) {
            pause = pause.min(until.checked_sub(LATENESS).unwrap_or(now));
        }
        self.due = self.lease_ends.filter(|end| *end > now).map_or(pause, |end| end.min(pause));
    }

    /// Somebody begins to listen for grants, and hopes to do so before a pause is over.
    pub(super) fn listen(&mut self, pulse: Span, now: Instant) {
        self.watching = false;
        self.deaf_until = after(now, pulse.duration());
    }

    /// Grants are heard from here on, or will not be.
    pub(super) fn listening(&mut self, does: bool, now: Instant) {
        self.watching = does;
        self.deaf_until = now;
        if does {
            self.hurry(now);
        }
    }

    pub(super) fn is_listening(&self) -> bool {
        self.watching
    }

    /// Whether it is worth asking at once for a place in the queue: a grant will be heard, or it took too long to find out, and the
    /// store is not known to be in trouble.
    pub(super) fn may_queue(&self, now: Instant) -> bool {
        self.failures == 0 && (self.watching || self.deaf_until <= now)
    }

    /// There is reason to ask now.
    pub(super) fn hurry(&mut self, now: Instant) {
        if self.failures == 0 {
            self.due = now;
        }
    }

    /// A question is asked, and the next one comes a pause later at the latest.
    pub(super) fn ask(&mut self, pulse: Span, now: Instant, random: u64) {
        self.due = after(now, jittered(pulse.duration(), random));
    }

    /// A request of `sent` took or kept a place in the queue, and with that all places of this process, for `kept` at least. Gives
    /// whether others may have been lost before it was done: places are kept for so long from when a request is done, which is after it
    /// was sent and before it is answered, and no request makes them end sooner than another did.
    pub(super) fn keeps_places(&mut self, sent: Instant, kept: Duration, now: Instant) -> bool {
        let until = self.kept_until;
        self.kept_until = until.max(Some(after(sent, kept)));
        until.is_some_and(|until| until < now)
    }

    /// The lock is held by others, for so long.
    pub(super) fn answered(&mut self, lease_left: Option<Duration>, now: Instant) {
        self.failures = 0;
        self.lease_ends = lease_left.map(|left| after(now, left.saturating_add(LEASE_MARGIN)));
        self.due = self.lease_ends.map_or(self.due, |end| end.min(self.due));
    }

    /// The store did not answer.
    pub(super) fn failed(&mut self, now: Instant, random: u64) {
        self.failures = self.failures.saturating_add(1);
        self.due = after(now, back_off(self.failures, random));
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due <= now
    }

    /// When something is due next.
    pub(super) fn due(&self) -> Instant {
        if self.failures == 0 && !self.watching { self.due.min(self.deaf_until) } else { self.due }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn it_asks_when_the_first_of_all_ends() {
        let now = Instant::now();
        let pulse = Span::new("retry", 4 * SECOND).unwrap();
        let mut pace = Pace::new(now);
        pace.listen(pulse, now);
        pace.begin(pulse, now);
        assert!(!pace.is_due(now) && !pace.may_queue(now), "first it listens");
        assert_eq!(pace.due(), now + 4 * SECOND, "but not for ever");
        pace.listening(true, now);
        assert!(pace.is_due(now) && pace.may_queue(now));
        pace.ask(pulse, now, u64::MAX);
        pace.answered(Some(9 * SECOND), now);
        assert_eq!(pace.due(), now + 4 * SECOND, "the longest pause");
        pace.answered(Some(3 * SECOND), now);
        assert_eq!(pace.due(), now + 3 * SECOND + LEASE_MARGIN, "the holder's lease");
    }

    #[test]
    fn trouble_is_answered_with_growing_pauses() {
        let now = Instant::now();
        let pulse = Span::new("retry", SECOND).unwrap();
        let mut pace = Pace::new(now);
        pace.begin(pulse, now);
        pace.failed(now, 0);
        let first = pace.due();
        pace.hurry(now);
        assert!(!pace.may_queue(now) && pace.due() == first, "nothing hurries it");
        pace.failed(now, 0);
        assert!(pace.due() > first);
        pace.answered(None, now);
        assert!(pace.may_queue(now));
    }
}
