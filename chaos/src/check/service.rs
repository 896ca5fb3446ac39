//! Locks are there at all: without this, locks that nobody ever gets would break no promise.

use std::collections::BTreeMap;

use super::progress::{calm, stopped};
use super::{Answer, Rules, Turn};
use crate::history::{History, Span};
use crate::kind::Kind;

/// One attempt of so many may fail while all servers are well: a machine with other things to do makes a request late now and then.
const FAILS: usize = 10;

/// While servers are well, somebody gets a lock of each kind within a time, and next to no attempt fails. Whatever is not well, only what
/// a fault brings about fails.
pub(super) fn check(locks: &BTreeMap<&str, Vec<Turn>>, history: &History, rules: &Rules, broken: &mut Vec<String>) {
    let calm = calm(&history.outages, rules.grace);
    let used = used(locks);
    for kind in &history.kinds {
        let turns = || locks.iter().filter(|(lock, _)| Kind::of(lock) == Some(*kind)).flat_map(|(_, turns)| turns);
        broken.extend(turns().filter_map(|turn| Some(format!("{turn}: failed as no fault can make it: {}", turn.wrong?))));
        check_failures(*kind, turns(), history, &calm, broken);
        let acquired: Vec<_> = turns().filter(|turn| !turn.adopts).filter_map(Turn::acquired).map(|(at, _)| at).collect();
        for span in calm.iter().filter_map(|span| span.cut(used)) {
            check_idle(*kind, span, &acquired, rules, broken);
        }
    }
}

/// From when to when anybody asked for anything.
fn used(locks: &BTreeMap<&str, Vec<Turn>>) -> Span {
    let asked = || locks.values().flatten().map(|turn| turn.asked);
    Span { from: asked().min().unwrap_or(0), to: asked().max().unwrap_or(0) }
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

fn check_idle(kind: Kind, within: Span, acquired: &[u64], rules: &Rules, broken: &mut Vec<String>) {
    let mut acquired: Vec<_> = acquired.iter().copied().filter(|at| within.from <= *at && *at <= within.to).collect();
    acquired.sort_unstable();
    let mut from = within.from;
    for to in acquired.into_iter().chain([within.to]) {
        let ms = (to - from) / 1_000_000;
        if to - from > rules.idle {
            broken.push(format!("{}: nobody got a lock for {ms} ms, while all servers were well", kind.name()));
        }
        from = to;
    }
}
