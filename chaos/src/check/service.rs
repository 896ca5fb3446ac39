//! Locks are there at all: without this, locks that nobody ever gets would break no promise.

use std::collections::BTreeMap;

use super::progress::stopped;
use super::{Answer, Rules, Turn};
use crate::history::{History, Span};
use crate::kind::Kind;

/// One attempt of so many may fail while all servers are well: a machine with other things to do makes a request late now and then.
const FAILS: usize = 10;

/// While servers are well, somebody has a lock of each kind again within a time, and next to no attempt fails. Whatever is not well, only what
/// a fault brings about fails.
pub(super) fn check(
    locks: &BTreeMap<&str, Vec<Turn>>,
    history: &History,
    calm: &[Span],
    rules: &Rules,
    broken: &mut Vec<String>,
) {
    let used = used(locks, history);
    for kind in &history.kinds {
        let turns = || locks.iter().filter(|(lock, _)| Kind::of(lock) == Some(*kind)).flat_map(|(_, turns)| turns);
        let mut wrong = turns().filter_map(|turn| Some((turn, turn.wrong?)));
        if let Some((turn, why)) = wrong.next() {
            let others = wrong.count();
            broken.push(format!("{turn}: failed, and {others} others like it, as no fault can make it: {why}"));
        }
        check_failures(*kind, turns(), history, calm, broken);
        let mut held: Vec<_> =
            turns().filter_map(|turn| Some(Span { from: turn.acquired()?.0, to: turn.last_seen()? })).collect();
        held.sort_unstable_by_key(|span| span.from);
        for span in calm.iter().filter_map(|span| span.cut(used)) {
            check_idle(*kind, span, &held, rules, broken);
        }
    }
}

/// From when to when all asked for locks. Of those who are told to come to an end each does so when it has nothing any more.
fn used(locks: &BTreeMap<&str, Vec<Turn>>, history: &History) -> Span {
    let asked = || locks.values().flatten().map(|turn| turn.asked);
    Span { from: asked().min().unwrap_or(0), to: history.until.or_else(|| asked().max()).unwrap_or(0) }
}

fn check_failures<'a>(
    kind: Kind,
    turns: impl Iterator<Item = &'a Turn<'a>>,
    history: &History,
    calm: &[Span],
    broken: &mut Vec<String>,
) {
    let (mut all, mut failed) = (0, 0);
    for turn in turns {
        let Some((to, answer)) = turn.answer else { continue };
        let span = Span { from: turn.asked, to };
        if calm.iter().any(|calm| calm.covers(span)) && stopped(history, turn.process, span) == 0 {
            all += 1;
            failed += usize::from(answer == Answer::Failed);
        }
    }
    if failed * FAILS > all {
        broken.push(format!("{}: {failed} of {all} attempts failed while all servers were well", kind.name()));
    }
}

fn check_idle(kind: Kind, within: Span, held: &[Span], rules: &Rules, broken: &mut Vec<String>) {
    let mut from = within.from;
    let end = Span { from: within.to, to: within.to };
    for span in held.iter().chain([&end]) {
        let idle = span.from.min(within.to).saturating_sub(from);
        if idle > rules.idle {
            let ms = idle / 1_000_000;
            broken.push(format!("{}: nobody had a lock for {ms} ms, while all servers were well", kind.name()));
        }
        from = from.max(span.to);
    }
}
