//! Nobody waits for ever, and no lock outlives its lease.

use super::room::room;
use super::{Answer, Figures, Rules, Turn, order, silence};
use crate::history::{History, Outage, Share, Span};
use crate::kind::Kind;

/// Every acquire ends with its time, and what of a lock nobody has any more is got by who waits for it. Of locks that are taken together
/// nobody has any: who waits for one of them may have others, but not all can wait for each other.
pub(super) fn check(
    kind: Kind,
    turns: &[Turn],
    history: &History,
    calm: &[Span],
    rules: &Rules,
    figures: &mut Figures,
    broken: &mut Vec<String>,
) {
    for turn in turns {
        check_deadline(turn, history, rules, broken);
    }
    let longest = turns.iter().filter_map(|turn| Some(turn.answer?.0.saturating_sub(turn.asked))).max().unwrap_or(0);
    if kind.is_fair() {
        order::check(turns, history, calm, rules, figures, broken);
    }
    for share in shares(turns) {
        let room = room(turns, share, history, calm);
        for free in room.iter().flat_map(|room| calm.iter().filter_map(|span| room.cut(*span))) {
            // Who waited through the most of it, and was not stopped meanwhile.
            let from = turns.partition_point(|turn| turn.asked + longest < free.from);
            let waiters = turns.iter().skip(from).take_while(|turn| turn.asked < free.to);
            for turn in waiters.filter(|turn| turn.share == share && !turn.adopts) {
                let Some((end, _)) = turn.answer else { continue };
                let waited = Span { from: turn.asked, to: end };
                let Some(time) = waited.cut(free).filter(|_| stopped(history, turn.process, waited) == 0) else { continue };
                if time.to - time.from <= figures.worst_lateness.min(rules.bound) {
                    continue;
                }
                let late = (time.to - time.from).saturating_sub(silence::within(turns, history, time));
                figures.worst_lateness = figures.worst_lateness.max(late);
                // Replicas may be asked for a lease, which are none any more, before others are.
                let bound = rules.bound + if kind == Kind::Quorum { turn.lease } else { 0 };
                if late > bound && late > bound + silence::left_behind(turns, history, free) {
                    let (ms, what) = (late / 1_000_000, told(share));
                    broken.push(format!("{turn}: waited {ms} ms for {what}, while all servers were well"));
                }
            }
        }
    }
}

/// What somebody of a company wants.
fn shares(turns: &[Turn]) -> Vec<Share> {
    let mut shares = Vec::new();
    for turn in turns {
        if !shares.contains(&turn.share) {
            shares.push(turn.share);
        }
    }
    shares
}

fn told(share: Share) -> &'static str {
    match share {
        Share::Whole => "a lock that nobody had",
        Share::Read => "a lock that no writer had or wanted",
        Share::Permit(_) => "a permit that nobody had",
    }
}

fn check_deadline(turn: &Turn, history: &History, rules: &Rules, broken: &mut Vec<String>) {
    match turn.answer {
        // Given up by its own process, however long that took to come round to it.
        Some((_, Answer::Cancelled)) => {}
        Some((end, answer)) => {
            let time = (end - turn.asked).saturating_sub(stopped(history, turn.process, Span { from: turn.asked, to: end }));
            match turn.wait {
                None if answer == Answer::Refused => broken.push(format!("{turn}: gave up, and was to wait for ever")),
                Some(wait) if time > wait.saturating_add(rules.patience) => {
                    let (time, wait) = (time / 1_000_000, wait / 1_000_000);
                    broken.push(format!("{turn}: ended after {time} ms, and was to wait {wait} ms"));
                }
                _ => {}
            }
        }
        None if history.killed.contains(&turn.process) => {}
        None => broken.push(format!("{turn}: asked for it and never heard of it")),
    }
}

/// For how long a process was stopped within a time.
pub(super) fn stopped(history: &History, process: u32, within: Span) -> u64 {
    history.stops.iter().filter(|(who, _)| *who == process).map(|(_, span)| span.overlap(within)).sum()
}

/// When all servers were well.
pub(super) fn calm(outages: &[Outage], grace: u64) -> Vec<Span> {
    let mut from = 0;
    let mut calm = Vec::new();
    for Outage { span: outage, .. } in outages {
        calm.push(Span { from, to: outage.from });
        from = outage.to.saturating_add(grace);
    }
    calm.push(Span { from, to: u64::MAX });
    calm
}
