//! Nobody waits for ever, and no lock outlives its lease.

use super::{Answer, Figures, Rules, Turn};
use crate::history::{History, Span};
use crate::kind::Kind;

/// Every acquire ends with its time, and a lock that nobody has any more is got by who waits for it. Of locks that are taken together
/// nobody has any: who waits for one of them may have others, but not all can wait for each other.
pub(super) fn check(
    kind: Kind,
    turns: &[Turn],
    history: &History,
    rules: &Rules,
    figures: &mut Figures,
    broken: &mut Vec<String>,
) {
    for turn in turns {
        check_deadline(turn, history, rules, broken);
    }
    let lease = turns.first().map_or(0, |turn| (rules.lease)(turn.lock));
    // One who had some of several when it died has left another lease behind.
    let lease = if kind == Kind::Several { 2 * lease } else { lease };
    let calm = calm(&history.outages, rules.grace);
    for idle in idle(turns) {
        for span in &calm {
            let Some(idle) = cut(idle, *span) else { continue };
            // Who waited through the most of it, and was not stopped meanwhile.
            let from = turns.partition_point(|turn| turn.asked + LONGEST_WAIT < idle.from);
            let waiters = turns.iter().skip(from).take_while(|turn| turn.asked < idle.to);
            for turn in waiters.filter(|turn| !turn.adopts) {
                let Some((end, _)) = turn.answer else { continue };
                let waited = Span { from: turn.asked, to: end };
                // What is left of the last holder's lease, unknown to all others, is his.
                let late = waited.overlap(idle).saturating_sub(lease);
                if late <= figures.worst_lateness.min(rules.bound) || stopped(history, turn.process, waited) > 0 {
                    continue;
                }
                figures.worst_lateness = figures.worst_lateness.max(late);
                if late > rules.bound {
                    let ms = waited.overlap(idle) / 1_000_000;
                    broken.push(format!("{turn}: waited {ms} ms for a lock that nobody had, while all servers were well"));
                }
            }
        }
    }
}

/// No client waits for longer.
const LONGEST_WAIT: u64 = 60_000_000_000;

fn check_deadline(turn: &Turn, history: &History, rules: &Rules, broken: &mut Vec<String>) {
    match turn.answer {
        // Given up by its own process, however long that took to come round to it.
        Some((_, Answer::Cancelled)) => {}
        Some((end, _)) => {
            let time = (end - turn.asked).saturating_sub(stopped(history, turn.process, Span { from: turn.asked, to: end }));
            if time > turn.wait + rules.patience {
                let (time, wait) = (time / 1_000_000, turn.wait / 1_000_000);
                broken.push(format!("{turn}: ended after {time} ms, and was to wait {wait} ms"));
            }
        }
        None if history.killed.contains(&turn.process) => {}
        None => broken.push(format!("{turn}: asked for it and never heard of it")),
    }
}

/// For how long a process was stopped within a time.
fn stopped(history: &History, process: u32, within: Span) -> u64 {
    history.stops.iter().filter(|(who, _)| *who == process).map(|(_, span)| span.overlap(within)).sum()
}

/// When all servers were well.
fn calm(outages: &[Span], grace: u64) -> Vec<Span> {
    let mut from = 0;
    let mut calm = Vec::new();
    for outage in outages {
        calm.push(Span { from, to: outage.from });
        from = outage.to.saturating_add(grace);
    }
    calm.push(Span { from, to: u64::MAX });
    calm
}

/// When nobody was heard to have the lock: from the last sign of any holder to the next acquire.
fn idle(turns: &[Turn]) -> Vec<Span> {
    let mut holders: Vec<(u64, u64)> = turns.iter().filter_map(|turn| Some((turn.acquired()?.0, turn.last_seen()?))).collect();
    holders.sort_unstable();
    let mut idle = Vec::new();
    let mut from = 0;
    for (acquired, seen) in holders {
        if from < acquired {
            idle.push(Span { from, to: acquired });
        }
        from = from.max(seen);
    }
    idle.push(Span { from, to: u64::MAX });
    idle
}

fn cut(span: Span, by: Span) -> Option<Span> {
    let span = Span { from: span.from.max(by.from), to: span.to.min(by.to) };
    (span.from < span.to).then_some(span)
}
