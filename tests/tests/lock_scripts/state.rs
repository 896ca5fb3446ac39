//! What is kept of a lock.

use std::collections::BTreeMap;
use std::fmt::Display;

use redis::Connection;

/// More than the test takes between the same step of both locks, in milliseconds.
const TOLERANCE: i64 = 15_000;

#[derive(Debug, PartialEq)]
pub(crate) struct State {
    lock: Option<String>,
    fence: Option<String>,
    queue: Vec<(String, String)>,
    alive: BTreeMap<String, String>,
    /// How long each of them has to live, in milliseconds; -1 without end, -2 if it is not there.
    left: [i64; 4],
}

impl State {
    pub(crate) fn of(connection: &mut Connection, [lock, fence, queue, alive, _]: &[String; 5]) -> Self {
        let mut pipe = redis::pipe();
        pipe.get(lock).get(fence).zrange_withscores(queue, 0, -1).zrange_withscores(alive, 0, -1);
        for key in [lock, fence, queue, alive] {
            pipe.pttl(key);
        }
        let (lock, fence, queue, alive, a, b, c, d) = pipe.query(connection).unwrap();
        Self { lock, fence, queue, alive, left: [a, b, c, d] }
    }

    /// Fails unless this, of the scripts as they are, comes to the same as the other: but for who counts as alive and does not wait, which is
    /// forgotten later.
    pub(crate) fn assert_like<C: Display>(&self, general: &Self, context: impl Fn() -> C) {
        let kept = |state: &Self| (state.lock.clone(), state.fence.clone(), state.queue.clone());
        assert_eq!(kept(self), kept(general), "{}", context());
        for (usual, general) in self.left.iter().zip(general.left).take(2) {
            let same = if *usual < 0 || general < 0 { *usual == general } else { (usual - general).abs() < TOLERANCE };
            assert!(same, "{usual} and {general} ms are left after {}", context());
        }
        for state in [self, general] {
            let longest = state.queue.iter().map(|(place, _)| word(place, 2).parse::<i64>().unwrap()).max();
            let [.., queue, alive] = state.left;
            assert!(queue != -1 && alive != -1, "what is of those who wait stays for ever after {}", context());
            assert!(longest.is_none_or(|longest| queue.min(alive) > longest - TOLERANCE), "{:?} after {}", state.left, context());
        }
        for (place, _) in &self.queue {
            let client = word(place, 3);
            assert_eq!(self.alive.get(client), general.alive.get(client), "{client} after {}", context());
        }
    }
}

fn word(place: &str, number: usize) -> &str {
    place.split(' ').nth(number).unwrap_or_default()
}
