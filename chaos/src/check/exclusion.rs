//! No two holders at once, beyond what their shares allow, and nothing is deleted that another holds.

use super::{Figures, Rules, Turn};
use crate::history::{History, Outage, Share, Span};

/// Counts overlaps, by the fault that there was. Each is a broken promise where the kind excludes them whatever fails, and else too if no
/// replica has taken over since before the first of the two acquired.
pub(super) fn check(
    turns: &[Turn],
    excludes: bool,
    history: &History,
    rules: &Rules,
    figures: &mut Figures,
    broken: &mut Vec<String>,
) {
    let mut holds: Vec<(Span, &Turn)> = turns.iter().filter_map(|turn| Some((turn.hold()?, turn))).collect();
    holds.sort_unstable_by_key(|(span, _)| span.from);
    let mut before: Vec<(Span, &Turn)> = Vec::new();
    for (span, turn) in holds {
        before.retain(|(earlier, _)| earlier.to > span.from);
        let mut together = 1;
        for (earlier, other) in &before {
            together += 1;
            if !goes_together(turn.share, other.share, together) {
                let time = span.overlap(*earlier);
                figures.overlaps += 1;
                figures.worst_overlap = figures.worst_overlap.max(time);
                *figures.amid.entry(amid(history, span.from, rules.grace)).or_default() += 1;
                let both = Span { from: earlier.from.min(span.from), to: span.to.min(earlier.to) };
                if excludes || !fails_over(history, turn.lock, both, rules.grace) {
                    broken.push(format!("{turn}: held for {} µs together with {other}", time / 1000));
                }
                break;
            }
        }
        before.push((span, turn));
    }
    if excludes {
        check_releases(turns, broken);
    }
}

/// Whether a replica may have taken the place of the primary of a lock within a time. As much before counts too, as a late answer may be the
/// old one's.
pub(super) fn fails_over(history: &History, lock: &str, within: Span, grace: u64) -> bool {
    let within = Span { from: within.from.saturating_sub(grace), ..within };
    history.failovers.iter().any(|failover| lock.ends_with(&failover.tag) && failover.span.cut(within).is_some())
}

/// The fault that there was at a time, or the last one before.
fn amid(history: &History, at: u64, grace: u64) -> String {
    let before = history.outages.iter().rfind(|outage| outage.span.from <= at);
    before.map_or_else(
        || "no fault".to_owned(),
        |Outage { fault, span }| if at <= span.to.saturating_add(grace) { fault.clone() } else { format!("long after {fault}") },
    )
}

fn goes_together(one: Share, other: Share, count: u32) -> bool {
    match (one, other) {
        (Share::Read, Share::Read) => true,
        (Share::Permit(most), Share::Permit(_)) => count <= most,
        _ => false,
    }
}

/// A release that is said to have succeeded, while somebody else surely held the lock from before it began until after it ended.
fn check_releases(turns: &[Turn], broken: &mut Vec<String>) {
    let mut holds: Vec<(Span, &Turn)> = turns.iter().filter_map(|turn| Some((turn.hold()?, turn))).collect();
    holds.sort_unstable_by_key(|(span, _)| span.from);
    let longest = holds.iter().map(|(span, _)| span.to - span.from).max().unwrap_or(0);
    for turn in turns {
        let (Some(from), Some((to, Some(true)))) = (turn.let_go, turn.released) else { continue };
        let first = holds.partition_point(|(span, _)| span.from + longest < from);
        let around = holds.iter().skip(first).take_while(|(span, _)| span.from < from);
        for (span, other) in around {
            let same = (other.process, other.attempt) == (turn.process, turn.attempt);
            if !same && span.to > to && !goes_together(turn.share, other.share, 1) {
                broken.push(format!("{turn}: its release succeeded while the holder was {other}"));
            }
        }
    }
}
