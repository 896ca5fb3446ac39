//! Those whose turn it is, and who do not take it.

use super::{Answer, Turn};
use crate::history::{History, Span};

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

/// How many that no longer wait may have left their places behind, which others of their processes keep. A place is tried to be taken away
/// for as long as a lease lasts, so it stays if nobody answers for that long.
pub(super) fn left_behind(turns: &[Turn], history: &History, time: Span) -> u64 {
    let is_left = |turn: &&Turn| {
        let Some((at, Answer::Refused | Answer::Cancelled | Answer::Failed)) = turn.answer else { return false };
        let tried = Span { from: at, to: at.saturating_add(turn.lease) };
        let unheard: u64 = history.outages.iter().map(|outage| outage.span.overlap(tried)).sum();
        at < time.to && turn.died.is_none_or(|died| time.from <= died) && turn.lease.saturating_sub(unheard) <= AWAKE
    };
    turns.iter().filter(is_left).map(|_| 1).sum()
}
