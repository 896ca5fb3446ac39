//! What happens to two processes.

use proptest::prelude::*;

use super::MOST;

#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// Somebody comes to stand in the line.
    Join {
        who: Who,
    },
    /// Somebody asks the store first, and stands in the line if that does not help.
    Visit {
        who: Who,
        fate: Fate,
    },
    /// The answer to such a question comes in.
    Visited,
    Leave {
        at: usize,
    },
    Step {
        fate: Fate,
    },
    /// One of the answers comes in.
    Answer {
        at: usize,
    },
    Hear,
    /// Words may have been missed.
    Doubt,
    Release {
        at: usize,
        known: bool,
    },
    Die,
    /// What was late gets to the store.
    Deliver,
    /// Another process takes the lock without waiting, or releases it.
    Stranger,
    Pass {
        millis: u64,
    },
}

/// Who wants the lock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    /// Only a plain lock is not always fair.
    pub(super) fair: bool,
    /// Of a lock of which few waiters of a process have places.
    pub(super) few: bool,
    /// Of a read-write lock, whoever does not reads.
    pub(super) writes: bool,
}

/// What becomes of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    /// It is done, and the answer is lost.
    Unheard,
    /// It is given up, and done later.
    Late,
    Lost,
}

fn who() -> impl Strategy<Value = Who> {
    let parts = (any::<bool>(), any::<bool>(), prop::bool::weighted(0.3));
    parts.prop_map(|(fair, few, writes)| Who { fair, few, writes })
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![6 => Just(Fate::Answered), 1 => Just(Fate::Unheard), 1 => Just(Fate::Late), 1 => Just(Fate::Lost)]
}

pub(super) fn events() -> impl Strategy<Value = Vec<(usize, Event)>> {
    let event = prop_oneof![
        2 => who().prop_map(|who| Event::Join { who }),
        2 => (who(), fate()).prop_map(|(who, fate)| Event::Visit { who, fate }),
        3 => Just(Event::Visited),
        1 => (0..4_usize).prop_map(|at| Event::Leave { at }),
        6 => fate().prop_map(|fate| Event::Step { fate }),
        6 => (0..MOST).prop_map(|at| Event::Answer { at }),
        4 => Just(Event::Hear),
        1 => Just(Event::Doubt),
        4 => (0..4_usize, prop::bool::weighted(0.9)).prop_map(|(at, known)| Event::Release { at, known }),
        1 => Just(Event::Die),
        1 => Just(Event::Deliver),
        1 => Just(Event::Stranger),
        2 => (0..1_500_u64).prop_map(|millis| Event::Pass { millis }),
    ];
    prop::collection::vec((0..2_usize, event), 0..150)
}
