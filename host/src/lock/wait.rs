//! The rules of an acquire, as a state machine without clock, store or tasks.
//!
//! The first attempt is made at once. If somebody else holds the lock and there is time, the waiter subscribes to releases and
//! tries again, because a release may have come in between; then it sleeps until it is woken, until the holder's lease ends, until
//! its longest pause is over, or until its own time is up, whichever is first. When the outcome of an attempt is not known, the
//! attempt is repeated with the same token.
//!
//! Waiters of one process share the attempts that are made only in case no wake-up arrives: the more they are, the longer each
//! pauses.

use std::time::Duration;

use tokio::time::Instant;

use super::pause::{back_off, jittered};
use crate::clock::{Wait, after};
use crate::store::Attempt;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// The store answered an attempt.
    Answered(Attempt),
    /// An attempt failed; it may or may not have taken the lock.
    Failed,
    /// Releases are being watched from here on.
    Watching,
    /// They could not be watched before the time to do so was over.
    Unwatched,
    /// There may have been a release.
    Woken,
    /// The pause is over.
    Timer,
}

/// What to do next. [`Waiting::step`] wants to know how it went, except for the last three, which end the acquire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Try to take the lock.
    Attempt,
    /// Start to watch for releases, at most until then.
    Watch { until: Option<Instant> },
    /// Pause until then, or until woken.
    Sleep { until: Instant },
    /// The lock is held.
    Return { fence: u64 },
    /// Somebody else holds the lock and the time is up.
    GiveUp,
    /// The store cannot be reached and the time is up.
    Fail,
}

/// An acquire under way.
#[derive(Debug)]
pub(super) struct Waiting {
    once: bool,
    deadline: Option<Instant>,
    retry: Duration,
    /// How many share the attempts that end a pause.
    sharers: u32,
    watching: bool,
    /// When the holder's lease ends, as far as the last answer said.
    lease_ends: Option<Instant>,
    /// Failures since the store last answered.
    failures: u32,
}

/// Servers count leases in whole milliseconds, and end them late rather than early.
const LEASE_MARGIN: Duration = Duration::from_millis(2);

impl Waiting {
    /// An acquire that begins at `now`. Its first action is [`Action::Attempt`].
    pub(super) fn new(wait: Wait, retry: Duration, now: Instant) -> Self {
        Self {
            once: wait == Wait::None,
            deadline: wait.deadline(now),
            retry,
            sharers: 1,
            watching: false,
            lease_ends: None,
            failures: 0,
        }
    }

    /// Takes note of how many share the attempts that end a pause, itself included.
    pub(super) fn share(&mut self, sharers: u32) {
        self.sharers = sharers.max(1);
    }

    /// What to do after `event`. `random` decides by how much a pause is shortened.
    pub(super) fn step(&mut self, event: Event, now: Instant, random: u64) -> Action {
        match event {
            Event::Answered(Attempt::Acquired { fence }) => Action::Return { fence },
            Event::Answered(Attempt::Busy { lease_left }) => {
                self.failures = 0;
                self.lease_ends = lease_left.map(|left| after(now, left.saturating_add(LEASE_MARGIN)));
                if self.is_over(now) {
                    Action::GiveUp
                } else if self.watching {
                    self.sleep(now, random)
                } else {
                    Action::Watch { until: self.deadline }
                }
            }
            Event::Failed => {
                self.failures = self.failures.saturating_add(1);
                if self.is_over(now) {
                    return Action::Fail;
                }
                Action::Sleep { until: self.bounded(after(now, back_off(self.failures, random))) }
            }
            Event::Watching => {
                self.watching = true;
                self.try_again(now)
            }
            Event::Unwatched if self.is_over(now) => Action::GiveUp,
            Event::Unwatched => self.sleep(now, random),
            Event::Woken | Event::Timer => self.try_again(now),
        }
    }

    fn try_again(&self, now: Instant) -> Action {
        match (self.is_over(now), self.failures) {
            (false, _) => Action::Attempt,
            (true, 0) => Action::GiveUp,
            (true, _) => Action::Fail,
        }
    }

    fn sleep(&self, now: Instant, random: u64) -> Action {
        let retry = after(now, jittered(self.retry.saturating_mul(self.sharers), random));
        Action::Sleep { until: self.bounded(self.lease_ends.map_or(retry, |end| end.min(retry))) }
    }

    fn bounded(&self, until: Instant) -> Instant {
        self.deadline.map_or(until, |deadline| deadline.min(until))
    }

    fn is_over(&self, now: Instant) -> bool {
        self.once || self.deadline.is_some_and(|deadline| deadline <= now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const BUSY: Event = Event::Answered(Attempt::Busy { lease_left: None });

    #[test]
    fn one_attempt_is_all_without_a_wait() {
        let now = Instant::now();
        let waiting = || Waiting::new(Wait::None, SECOND, now);
        assert_eq!(waiting().step(BUSY, now, 0), Action::GiveUp);
        assert_eq!(waiting().step(Event::Failed, now, 0), Action::Fail);
        assert_eq!(waiting().step(Event::Answered(Attempt::Acquired { fence: 7 }), now, 0), Action::Return { fence: 7 });
    }

    #[test]
    fn a_waiter_subscribes_tries_again_and_sleeps_until_the_first_of_all_ends() {
        let now = Instant::now();
        let busy = |left| Event::Answered(Attempt::Busy { lease_left: Some(left) });
        let sleeps = |wait, left| {
            let mut waiting = Waiting::new(wait, 4 * SECOND, now);
            assert!(matches!(waiting.step(busy(left), now, 0), Action::Watch { .. }));
            assert_eq!(waiting.step(Event::Watching, now, 0), Action::Attempt);
            match waiting.step(busy(left), now, u64::MAX) {
                Action::Sleep { until } => Some(until - now),
                _ => None,
            }
        };
        assert_eq!(sleeps(Wait::Forever, 9 * SECOND), Some(4 * SECOND), "the longest pause");
        assert_eq!(sleeps(Wait::Forever, 3 * SECOND), Some(3 * SECOND + LEASE_MARGIN), "the holder's lease");
        assert_eq!(sleeps(Wait::UpTo(2 * SECOND), 3 * SECOND), Some(2 * SECOND), "the waiter's own time");
    }

    #[test]
    fn the_more_wait_the_longer_each_pauses() {
        let now = Instant::now();
        let mut waiting = Waiting::new(Wait::Forever, SECOND, now);
        waiting.step(BUSY, now, 0);
        waiting.step(Event::Watching, now, 0);
        waiting.share(10);
        assert_eq!(waiting.step(BUSY, now, u64::MAX), Action::Sleep { until: now + 10 * SECOND });
        waiting.share(1);
        assert_eq!(waiting.step(BUSY, now, u64::MAX), Action::Sleep { until: now + SECOND });
    }

    #[test]
    fn without_a_subscription_it_still_tries_now_and_then() {
        let now = Instant::now();
        let mut waiting = Waiting::new(Wait::Forever, SECOND, now);
        waiting.step(BUSY, now, 0);
        assert_eq!(waiting.step(Event::Unwatched, now, 0), Action::Sleep { until: now + SECOND / 2 });
        assert_eq!(waiting.step(Event::Timer, now + SECOND, 0), Action::Attempt);
        assert!(matches!(waiting.step(BUSY, now + SECOND, 0), Action::Watch { .. }), "and to subscribe");
    }

    #[test]
    fn what_ends_it_says_whether_the_store_was_there() {
        let now = Instant::now();
        let mut waiting = Waiting::new(Wait::UpTo(SECOND), SECOND / 2, now);
        assert!(matches!(waiting.step(Event::Failed, now, 0), Action::Sleep { .. }));
        assert_eq!(waiting.step(Event::Timer, now + SECOND, 0), Action::Fail);
        let mut waiting = Waiting::new(Wait::UpTo(SECOND), SECOND / 2, now);
        waiting.step(Event::Failed, now, 0);
        assert!(matches!(waiting.step(BUSY, now, 0), Action::Watch { .. }));
        assert_eq!(waiting.step(Event::Watching, now + SECOND, 0), Action::GiveUp);
    }

    /// What the world answers to an action: how it went, and how long that took.
    fn answers() -> impl Strategy<Value = Vec<(u8, Option<u64>, u64, u64)>> {
        proptest::collection::vec((0..4_u8, proptest::option::of(0..2_000_u64), 0..700_u64, any::<u64>()), 1..200)
    }

    proptest! {
        #[test]
        fn any_interleaving_keeps_the_rules(wait in proptest::option::of(0..5_000_u64), retry in 1..1_000_u64, answers in answers()) {
            let began = Instant::now();
            let wait = wait.map_or(Wait::Forever, |ms| if ms == 0 { Wait::None } else { Wait::UpTo(Duration::from_millis(ms)) });
            let deadline = wait.deadline(began);
            let retry = Duration::from_millis(retry);
            let mut waiting = Waiting::new(wait, retry, began);
            let (mut now, mut action) = (began, Action::Attempt);
            let (mut watched, mut tried_since, mut failing) = (false, false, false);
            for (how, left, took, random) in answers {
                let event = match action {
                    Action::Attempt => {
                        prop_assert!(now == began || deadline.is_none_or(|end| now < end), "an attempt after the time was up");
                        now += Duration::from_millis(took);
                        tried_since = watched;
                        failing = how == 0;
                        match how {
                            0 => Event::Failed,
                            1 if random % 8 == 0 => Event::Answered(Attempt::Acquired { fence: random }),
                            _ => Event::Answered(Attempt::Busy { lease_left: left.map(Duration::from_millis) }),
                        }
                    }
                    Action::Watch { until } => {
                        prop_assert_eq!(until, deadline);
                        prop_assert!(!watched, "a second subscription");
                        now = deadline.map_or(now + Duration::from_millis(took), |end| end.min(now + Duration::from_millis(took)));
                        if how == 0 { Event::Unwatched } else { watched = true; Event::Watching }
                    }
                    Action::Sleep { until } => {
                        prop_assert!(deadline.is_none_or(|end| until <= end), "sleeps past the deadline");
                        prop_assert!(wait != Wait::None, "sleeps though it may not wait");
                        if !failing {
                            prop_assert!(until <= now + retry, "a pause longer than allowed");
                            prop_assert!(!watched || tried_since, "sleeps without a try after subscribing");
                        }
                        if how % 2 == 0 && watched { Event::Woken } else { now = now.max(until); Event::Timer }
                    }
                    Action::Return { .. } => return Ok(()),
                    Action::GiveUp => {
                        prop_assert!(!failing && deadline.is_some_and(|end| end <= now));
                        return Ok(());
                    }
                    Action::Fail => {
                        prop_assert!(failing && deadline.is_some_and(|end| end <= now));
                        return Ok(());
                    }
                };
                let was_busy = matches!(event, Event::Answered(Attempt::Busy { .. }));
                action = waiting.step(event, now, random);
                if was_busy && !watched {
                    prop_assert!(!matches!(action, Action::Sleep { .. }), "sleeps before it subscribed");
                }
                if let Event::Answered(Attempt::Acquired { fence }) = event {
                    prop_assert_eq!(action, Action::Return { fence });
                }
            }
        }
    }
}
