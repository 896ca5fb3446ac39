//! When enough replicas hold a lock: the rules, as a state machine without clock, store or tasks.
//!
//! A lock of kind quorum is set on the primary like any other, and then every replica is asked until enough of them were seen to
//! hold it. What the primary writes arrives at its replicas within the time of a round trip or a few, so the first questions follow
//! each other at once, and later ones after pauses that grow. It ends when the quorum is there, or when the wait or the lease is
//! over: the lease runs from before the acquire, and the time for this is part of it.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Wait, after};
use crate::store::Copies;

/// How many replicas have to hold a lock of kind quorum, besides the primary.
///
/// Those count that the servers call in service at the time: in a cluster, one that the other nodes have given up does not, and
/// without a cluster one that has lost its connection to the primary. Until the servers notice that one is gone, it counts as one
/// that does not hold the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Quorum {
    /// More than half of the replicas: `N / 2 + 1` of `N`.
    #[default]
    Majority,
    /// All of them.
    All,
    /// As many as this, however many are in service: where it has to hold while replicas are out of service that may come back.
    AtLeast(NonZeroU32),
}

impl Quorum {
    /// How many of `replicas` are enough.
    fn needed(self, replicas: usize) -> usize {
        match self {
            Self::Majority => replicas / 2 + 1,
            Self::All => replicas.max(1),
            Self::AtLeast(count) => usize::try_from(count.get()).unwrap_or(usize::MAX),
        }
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// It became known where the lock has copies.
    Told(Copies),
    /// The time is up that was given with the last action.
    Timer,
}

/// What to do next. The first two want to know what came of it, the others are the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Ask those replicas that have not shown the token, and listen until then. With a doubt, ask also who they are.
    Ask { doubtful: bool, until: Instant },
    /// Listen for what they answer until then.
    Listen { until: Instant },
    /// Enough of them hold the lock.
    Reached,
    /// They did not before the time was up, or the primary is another by now.
    NotReached,
    /// They never can: there are only this many.
    Impossible { replicas: usize },
}

/// The confirmation of a lock, under way.
#[derive(Debug)]
pub(super) struct Confirming {
    quorum: Quorum,
    /// When the time is up.
    limit: Instant,
    /// Until when, and how often still, those who lag are asked again at once.
    eager: (Instant, u32),
    /// When they are asked again in any case.
    next: Instant,
    pause: Duration,
    doubtful: bool,
}

/// For how long and how often at most questions follow each other without a pause. Timers are no finer than a millisecond, which is
/// long beside the time that a write needs to arrive.
const EAGER: (Duration, u32) = (Duration::from_millis(2), 64);

/// The first and the longest of the pauses, which double.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

impl Confirming {
    /// A confirmation that begins at `now` and has until `limit`. Its first action is to ask.
    pub(super) fn new(quorum: Quorum, limit: Instant, now: Instant) -> (Self, Action) {
        let eager = (after(now, EAGER.0), EAGER.1);
        let mut confirming = Self { quorum, limit, eager, next: now, pause: PAUSES.0, doubtful: false };
        let action = confirming.ask(now);
        (confirming, action)
    }

    /// What to do after `event`.
    pub(super) fn step(&mut self, event: Event, now: Instant) -> Action {
        match event {
            Event::Told(Copies::Moved) => Action::NotReached,
            Event::Told(Copies::Counted { replicas, holding, .. }) if self.is_enough(replicas, holding) && now < self.limit => {
                Action::Reached
            }
            Event::Told(Copies::Counted { most, fresh: true, .. }) if most < self.quorum.needed(0) => {
                Action::Impossible { replicas: most }
            }
            _ if now >= self.limit => Action::NotReached,
            Event::Told(Copies::Unknown) => Action::Listen { until: self.next },
            Event::Told(Copies::Counted { replicas, .. }) => {
                let doubtful = replicas < self.quorum.needed(0);
                let before = std::mem::replace(&mut self.doubtful, doubtful);
                if (doubtful && !before) || self.is_eager(now) {
                    Action::Ask { doubtful, until: self.next }
                } else {
                    Action::Listen { until: self.next }
                }
            }
            Event::Timer => self.ask(now),
        }
    }

    fn is_enough(&self, replicas: usize, holding: usize) -> bool {
        replicas > 0 && holding >= self.quorum.needed(replicas)
    }

    fn is_eager(&mut self, now: Instant) -> bool {
        let (until, left) = &mut self.eager;
        let eager = now < *until && *left > 0;
        *left = left.saturating_sub(1);
        eager
    }

    fn ask(&mut self, now: Instant) -> Action {
        self.next = after(now, self.pause).min(self.limit);
        self.pause = PAUSES.1.min(self.pause * 2);
        Action::Ask { doubtful: self.doubtful, until: self.next }
    }
}

/// Until when a lock that is held since a moment ago, and whose lease ends at `ends`, may be confirmed by who waits like this until
/// `deadline`. Whoever does not wait, or not much longer, still has time for what nearly always is a matter of a round trip.
pub(super) fn limit(wait: Wait, deadline: Option<Instant>, ends: Option<Instant>, now: Instant) -> Instant {
    let half = |most: Duration| {
        let left = ends.map_or(most, |end| end.saturating_duration_since(now) / 2);
        after(now, left.min(most))
    };
    let until = match (wait, deadline) {
        (Wait::None, _) => Some(half(Duration::from_secs(1))),
        (_, Some(deadline)) => Some(deadline.max(half(Duration::from_millis(100)))),
        (_, None) => None,
    };
    match (until, ends) {
        (Some(until), Some(end)) => until.min(end),
        (Some(until), None) => until,
        (None, Some(end)) => end,
        (None, None) => after(now, Duration::MAX),
    }
}

#[cfg(test)]
mod tests;
