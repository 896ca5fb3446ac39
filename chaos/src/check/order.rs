//! Nobody is passed again and again by those who come later, where the order of arrival is promised.
//!
//! How many may pass one who waits is twice all others: once as they came, and once more as places may be taken anew. A server, or a
//! client, that stands still on a busy machine for longer than places are kept makes all of them queue anew, or all of its own, in
//! whatever order they come then (docs/locks.md). Nobody notes such a stall, and it does not show in the history either: others
//! acquire while one client stands still, and nobody does while one holder keeps the lock. So waits are not cut there, which would
//! leave next to nothing of those for a lock that is held for long. Who starves is passed by more, and by more with each second.

use super::progress::stopped;
use super::{Figures, Rules, Turn};
use crate::history::{History, Span};

/// Counts who got the lock before one who had asked earlier and waited for it all the time, while servers were well and itself was
/// not stopped. A few may: places are taken on the server, some time after the question, and a process that was not heard of for a
/// moment queues anew.
pub(super) fn check(
    turns: &[Turn],
    history: &History,
    calm: &[Span],
    rules: &Rules,
    figures: &mut Figures,
    broken: &mut Vec<String>,
) {
    for turn in turns.iter().filter(|turn| !turn.adopts) {
        let Some((end, _)) = turn.answer else { continue };
        let waited = Span { from: turn.asked, to: end };
        if stopped(history, turn.process, waited) > 0 {
            continue;
        }
        for waited in calm.iter().filter_map(|calm| waited.cut(*calm)) {
            let first = turns.partition_point(|other| other.asked <= waited.from);
            let later = turns.iter().skip(first).take_while(|other| other.asked < waited.to);
            let passed = later.filter(|other| !other.adopts && other.acquired().is_some_and(|(at, _)| at < waited.to)).count();
            figures.worst_passed = figures.worst_passed.max(passed);
            if passed > rules.passed {
                let ms = (waited.to - waited.from) / 1_000_000;
                broken
                    .push(format!("{turn}: was passed by {passed} who asked later within {ms} ms, while all servers were well"));
            }
        }
    }
}
