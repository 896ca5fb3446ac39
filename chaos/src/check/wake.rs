//! Who waits is woken up, and does not come to look.

use super::kept::kept;
use super::progress::stopped;
use super::{Figures, Rules, Turn};
use crate::history::{History, Span};
use crate::kind::Kind;

/// From so many hand-overs on, half of them tell something.
const ENOUGH: usize = 8;

/// For how long one must have waited to be sure to wait when the lock is let go of.
const SETTLED: u64 = 50_000_000;

/// Half of those who wait for a release that is answered have the lock long before they would have asked again. Only half, as a machine with
/// other things to do makes some of them late; and only of locks for which they ask seldom enough to tell the one from the other.
pub(super) fn check<'a>(
    kind: Kind,
    locks: impl Iterator<Item = &'a [Turn<'a>]>,
    history: &History,
    calm: &[Span],
    rules: &Rules,
    figures: &mut Figures,
    broken: &mut Vec<String>,
) {
    // Who waits for several names may wait for another one of them, and a reader for a writer that waits.
    if matches!(kind, Kind::Rw | Kind::Several) {
        return;
    }
    let mut times = Vec::new();
    for turns in locks.filter(|turns| turns.first().is_some_and(|turn| (rules.is_patient)(turn.lock))) {
        hand_overs(turns, history, calm, &mut times);
    }
    times.sort_unstable();
    let Some(median) = times.get(times.len() / 2).copied() else { return };
    figures.usual_hand_over = median;
    if times.len() >= ENOUGH && median > rules.woken {
        let (ms, count) = (median / 1_000_000, times.len());
        broken.push(format!("{}: half of {count} who waited got what was let go of after {ms} ms or more", kind.name()));
    }
}

/// The times from the beginning of a release until one has the lock who waited for it.
fn hand_overs(turns: &[Turn], history: &History, calm: &[Span], times: &mut Vec<u64>) {
    // When each holder was gone, and when its release began if that was the end of it.
    let began = |turn: &Turn| turn.let_go.filter(|_| matches!(turn.released, Some((_, Some(true)))));
    let mut ends: Vec<_> = turns.iter().filter_map(|turn| Some((end(turn, history, calm)?, began(turn)))).collect();
    ends.sort_unstable();
    // Those that do not renew ask often.
    for turn in turns.iter().filter(|turn| turn.renews && !turn.adopts) {
        let Some((to, _)) = turn.acquired() else { continue };
        let before = ends.partition_point(|(end, _)| *end < to);
        let Some((_, Some(from))) = before.checked_sub(1).and_then(|last| ends.get(last)).copied() else { continue };
        let span = Span { from, to };
        let waited = turn.asked.saturating_add(SETTLED) < from;
        if waited && calm.iter().any(|calm| calm.covers(span)) && stopped(history, turn.process, span) == 0 {
            times.push(to - from);
        }
    }
}

/// When the store let go of it: from the beginning of a release on, as the next may have the lock before that is answered.
fn end(turn: &Turn, history: &History, calm: &[Span]) -> Option<u64> {
    let kept = kept(turn, history, calm)?;
    Some(turn.let_go.filter(|_| turn.released.is_some_and(|(at, _)| at == kept.to)).unwrap_or(kept.to))
}
