//! How long a sweep goes on while something stands in its way.

use std::time::Duration;

use tokio::time::Instant;

/// How long to wait before another attempt; doubled each time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(160));

/// How often keys are walked over that were walked over before. A failover costs one time, and slots that move one or two.
const AGAIN: u32 = 6;

/// What came of a round of walks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    /// Whether keys were walked over.
    pub(crate) walked: bool,
    /// Whether it has brought the sweep nearer to its end.
    pub(crate) gained: bool,
}

/// When to go on.
#[derive(Debug)]
pub(crate) struct Patience {
    timeout: Duration,
    again: u32,
    pause: Duration,
}

impl Patience {
    /// Has an operation wait for this long in vain.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, again: 0, pause: PAUSES.0 }
    }

    /// How long to wait before the next round, which is needed; `None` to give up. The last step of a walk was made at `step`.
    pub(crate) fn next(&mut self, round: Round, step: Instant, now: Instant) -> Option<Duration> {
        self.again += u32::from(round.walked);
        if self.again > AGAIN {
            return None;
        }
        if round.gained {
            self.pause = PAUSES.0;
            return Some(Duration::ZERO);
        }
        let pause = self.pause;
        self.pause = PAUSES.1.min(pause * 2);
        (now + pause < step + self.timeout).then_some(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(2);

    #[test]
    fn what_stands_in_the_way_is_waited_for_as_long_as_for_a_reply() {
        let (mut patience, begun) = (Patience::new(TIMEOUT), Instant::now());
        let (idle, mut now) = (Round { walked: false, gained: false }, begun);
        let mut pauses = Vec::new();
        while let Some(pause) = patience.next(idle, begun, now) {
            pauses.push(pause.as_millis());
            now += pause;
        }
        assert_eq!(pauses[..6], [10, 20, 40, 80, 160, 160]);
        assert!(now > begun + TIMEOUT - PAUSES.1 && now < begun + TIMEOUT, "{:?}", now - begun);
        // What brings the sweep nearer is a reason to go on at once, and after it to wait anew.
        assert_eq!(patience.next(Round { walked: true, gained: true }, now, now), Some(Duration::ZERO));
        assert_eq!(patience.next(idle, now, now), Some(PAUSES.0));
    }

    #[test]
    fn a_sweep_that_never_ends_is_given_up() {
        let (mut patience, now) = (Patience::new(TIMEOUT), Instant::now());
        let rounds = [false, true].into_iter().cycle().map(|gained| Round { walked: true, gained });
        let made = rounds.take(100).take_while(|round| patience.next(*round, now, now).is_some()).count();
        assert_eq!(made, 6);
    }
}
