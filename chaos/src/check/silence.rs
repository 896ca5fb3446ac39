//! Those whose turn it is, and who do not take it.

use super::{Answer, Turn};
use crate::history::{History, Outage, Span};

/// In as much time a process that goes on again, or is heard again, has taken what it was given, or has let go of it.
const AWAKE: u64 = 500_000_000;

/// For how long of a time a process was stopped that waits too: the lock may have been given to that.
pub(super) fn within(turns: &[Turn], history: &History, time: Span) -> u64 {
    let waits = |process: u32, stop: Span| {
        let asked = turns.partition_point(|turn| turn.asked < stop.to);
        let answered = |turn: &Turn| turn.answer.map(|(at, _)| at).or(turn.died).unwrap_or(u64::MAX);
        turns.iter().take(asked).any(|turn| turn.process == process && answered(turn) >= stop.from)
    };
    let stops = history.stops.iter().filter(|(process, stop)| waits(*process, *stop));
    let stops = stops.filter_map(|(_, stop)| Span { to: stop.to.saturating_add(AWAKE), ..*stop }.cut(time));
    let mut silent: Vec<_> = stops.collect();
    silent.sort_unstable_by_key(|stop| stop.from);
    let mut from = time.from;
    let lengths = silent.into_iter().map(|stop| {
        let length = stop.to.saturating_sub(stop.from.max(from));
        from = from.max(stop.to);
        length
    });
    lengths.sum()
}

/// How often at least it is tried to take away a place that somebody has given up.
const TRIED: u64 = 2_000_000_000;

/// For how long the lock may be given to one who no longer waits: a place that was given up while nobody answered is taken away when that is
/// tried again.
pub(super) fn left_behind(turns: &[Turn], history: &History, time: Span) -> u64 {
    let is_left = |turn: &Turn| {
        let Some((at, Answer::Refused | Answer::Cancelled | Answer::Failed)) = turn.answer else { return false };
        let unheard = |outage: &Outage| outage.span.to >= at && outage.span.to.saturating_add(TRIED) >= time.from;
        at < time.to && turn.died.is_none_or(|died| time.from <= died) && history.outages.iter().any(unheard)
    };
    if turns.iter().any(is_left) { TRIED } else { 0 }
}
