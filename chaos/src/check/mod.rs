//! The judge: reads a history and says which promises were broken. Pure, so that it can be tried on histories that are made up.
//!
//! A holder counts as holding from the return of its acquire to the last moment of which its own guard said, asked later, that the
//! lock was not lost. That is never longer than the guard claims, however slow the machine or long a process was stopped, so what
//! overlaps here did overlap.

use std::collections::BTreeMap;

use clap::ValueEnum;

use crate::history::{History, Span};
use crate::kind::{Kind, Topology};

mod exclusion;
mod fences;
mod kept;
mod order;
mod progress;
mod renewal;
mod room;
mod service;
mod silence;
#[cfg(test)]
mod tests;
mod turns;
mod wake;

use turns::{Answer, Turn};

/// By what a history is judged, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// What the servers were.
    pub(crate) topology: Topology,
    /// How long after a lock was let go of, or the end of a lease, while servers are well, one who waits may still be without it.
    pub(crate) bound: u64,
    /// How long after its deadline an acquire may still be under way.
    pub(crate) patience: u64,
    /// How many who ask later may get a fair lock before one who waits for it.
    pub(crate) passed: usize,
    /// How long servers count as unwell after they are well again.
    pub(crate) grace: u64,
    /// As long a lease outlasts whatever a busy machine does.
    pub(crate) steady: u64,
    /// Whether those who wait for a lock, and renew it, ask for it so seldom that who is not woken up comes late.
    pub(crate) is_patient: fn(&str) -> bool,
    /// How long half of those may take at most whom a release wakes up.
    pub(crate) woken: u64,
    /// In as much time, while servers are well, somebody has a lock of each kind again.
    pub(crate) idle: u64,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Figures of each kind of lock.
    pub(crate) kinds: BTreeMap<&'static str, Figures>,
    /// Promises that were broken. None of it is excusable.
    pub(crate) broken: Vec<String>,
}

/// What was counted for one kind of lock. Times are in nanoseconds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Attempts that ended with the lock.
    pub(crate) acquired: u64,
    /// Those of them that took over a lock that was handed over.
    pub(crate) adopted: u64,
    /// Attempts that ended without, as their time was up.
    pub(crate) refused: u64,
    /// Attempts that were given up.
    pub(crate) cancelled: u64,
    /// Attempts that failed as the store was not there or full.
    pub(crate) failed: u64,
    /// How often a holder got more time when it asked for it.
    pub(crate) extended: u64,
    /// How often it never heard what came of that.
    pub(crate) unsure: u64,
    /// Holders that began while another still held.
    pub(crate) overlaps: u64,
    /// The same by the fault there was, or the last one before.
    pub(crate) amid: BTreeMap<String, u64>,
    /// The longest time for which two did.
    pub(crate) worst_overlap: u64,
    /// Guards that the store had forgotten before their lease was over.
    pub(crate) gone: u64,
    /// Writes that the register took.
    pub(crate) accepted: u64,
    /// Writes with an old fence, which it did not take.
    pub(crate) rejected: u64,
    /// The longest time from the question for a lock to the lock.
    pub(crate) worst_wait: u64,
    /// The longest time for which somebody waited for what the store kept of a lock for nobody, while servers were well.
    pub(crate) worst_lateness: u64,
    /// The time from a release to the next holder who had waited, in half of all cases, for locks that are asked for seldom.
    pub(crate) usual_hand_over: u64,
    /// The most who got a fair lock before one who had asked earlier, while servers were well.
    pub(crate) worst_passed: usize,
}

/// Judges a history.
pub(crate) fn check(history: &History, rules: &Rules) -> Verdict {
    let mut verdict = Verdict::default();
    let calm = progress::calm(&history.outages, rules.grace);
    let mut locks: BTreeMap<&str, Vec<Turn>> = BTreeMap::new();
    for turn in turns::turns(history) {
        locks.entry(turn.lock).or_default().push(turn);
    }
    for (lock, turns) in &locks {
        let Some(kind) = Kind::of(lock) else {
            verdict.broken.push(format!("{lock}: nobody knows this lock"));
            continue;
        };
        let figures = verdict.kinds.entry(kind.name()).or_default();
        count(turns, figures);
        let excludes = kind.excludes_on(rules.topology);
        exclusion::check(turns, excludes, history, rules, figures, &mut verdict.broken);
        // A server that keeps its word on disk forgets nothing, so only time takes a lock away.
        let forgotten = |turn: &&Turn| {
            let (Some((from, _)), Some((to, true))) = (turn.acquired(), turn.lost) else { return false };
            !exclusion::fails_over(history, lock, Span { from, to }, rules.grace)
        };
        let gone = turns.iter().filter(forgotten);
        verdict.broken.extend(gone.map(|turn| format!("{turn}: the store had it no more before its lease was over")));
        fences::check(turns, excludes, &mut verdict.broken);
        renewal::check(turns, history, &calm, rules, &mut verdict.broken);
    }
    for kind in Kind::value_variants() {
        let Some(figures) = verdict.kinds.get_mut(kind.name()) else { continue };
        let turns = locks.iter().filter(|(lock, _)| Kind::of(lock) == Some(*kind)).map(|(_, turns)| turns.as_slice());
        wake::check(*kind, turns, history, &calm, rules, figures, &mut verdict.broken);
    }
    for (kind, turns) in companies(&locks) {
        let figures = verdict.kinds.entry(kind.name()).or_default();
        progress::check(kind, &turns, history, &calm, rules, figures, &mut verdict.broken);
    }
    fences::check_register(&history.writes, &mut verdict);
    service::check(&locks, history, &calm, rules, &mut verdict.broken);
    let crashed = history.crashed.iter().map(|process| format!("process {process} came to an end by itself"));
    let stuck = history.stuck.iter().map(|process| format!("process {process} did not come to an end"));
    let left = history.left_over.iter().map(|lock| format!("{lock}: still held long after everybody had gone"));
    let ended = history.ended.iter().map(|why| format!("ended early, as the servers did not get well {why}"));
    verdict.broken.extend(crashed.chain(stuck).chain(left).chain(ended));
    verdict
}

/// The turns of locks that are taken together, each attempt once.
fn companies<'a>(locks: &BTreeMap<&'a str, Vec<Turn<'a>>>) -> Vec<(Kind, Vec<Turn<'a>>)> {
    let mut companies: BTreeMap<(&str, &str), (Kind, Vec<Turn>)> = BTreeMap::new();
    for (lock, turns) in locks {
        let Some(kind) = Kind::of(lock) else { continue };
        companies.entry((kind.name(), kind.company(lock))).or_insert((kind, Vec::new())).1.extend(turns);
    }
    for (_, turns) in companies.values_mut() {
        turns.sort_by_key(|turn| (turn.asked, turn.process, turn.attempt));
        turns.dedup_by_key(|turn| (turn.process, turn.attempt));
    }
    companies.into_values().collect()
}

fn count(turns: &[Turn], figures: &mut Figures) {
    for turn in turns {
        let Some((at, answer)) = turn.answer else { continue };
        match answer {
            Answer::Acquired(_) => {
                figures.acquired += 1;
                figures.adopted += u64::from(turn.adopts);
                figures.worst_wait = figures.worst_wait.max(at.saturating_sub(turn.asked));
            }
            Answer::Refused => figures.refused += 1,
            Answer::Cancelled => figures.cancelled += 1,
            Answer::Failed => figures.failed += 1,
        }
        figures.extended += turn.extended;
        figures.unsure += turn.unsure;
        figures.gone += u64::from(turn.is_gone());
    }
}
