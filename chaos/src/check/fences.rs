//! Fences rise, and the register takes no old one.

use std::collections::HashMap;

use super::{Turn, Verdict};
use crate::history::{Share, Write};
use crate::kind::Kind;

/// Who asks after another has acquired gets a larger fence, always. Where two cannot hold at once, fences also rise in the order in
/// which they got the lock: that of a reader lies between those of the writers around it.
pub(super) fn check(turns: &[Turn], excludes: bool, broken: &mut Vec<String>) {
    let mut acquired: Vec<_> = turns.iter().filter_map(|turn| Some((turn.acquired()?, turn))).collect();
    acquired.sort_unstable_by_key(|((at, _), _)| *at);

    let mut earlier = acquired.iter().peekable();
    let mut newest: Option<(u64, &Turn)> = None;
    // These come in the order in which they asked.
    for turn in turns {
        let Some((_, fence)) = turn.acquired() else { continue };
        while let Some(((_, seen), other)) = earlier.next_if(|((at, _), _)| *at < turn.asked) {
            if newest.is_none_or(|(newest, _)| newest < *seen) {
                newest = Some((*seen, other));
            }
        }
        if let Some((before, other)) = newest
            && fence <= before
        {
            broken.push(format!("{turn}: has no larger fence than {other}, which had the lock before it asked"));
        }
    }

    let (mut newest, mut newest_whole): (Newest, Newest) = (None, None);
    for ((_, fence), turn) in acquired {
        if !excludes || turn.hold().is_none() {
            continue;
        }
        let before = match turn.share {
            Share::Whole => newest,
            Share::Read => newest_whole,
            Share::Permit(_) => None,
        };
        if let Some((before, other)) = before
            && fence <= before
        {
            broken.push(format!("{turn}: has no larger fence than {other}, which had the lock before it"));
        }
        let newer = |than: Newest| than.is_none_or(|(newest, _)| newest < fence);
        if newer(newest) {
            newest = Some((fence, turn));
        }
        if turn.share == Share::Whole && newer(newest_whole) {
            newest_whole = Some((fence, turn));
        }
    }
}

type Newest<'a> = Option<(u64, &'a Turn<'a>)>;

/// Judges what the register has taken.
pub(super) fn check_register(writes: &[Write], verdict: &mut Verdict) {
    let mut newest: HashMap<&str, &Write> = HashMap::new();
    for write in writes {
        if let Some(kind) = Kind::of(&write.lock) {
            let figures = verdict.kinds.entry(kind.name()).or_default();
            *(if write.accepted { &mut figures.accepted } else { &mut figures.rejected }) += 1;
        }
        if !write.accepted {
            continue;
        }
        if let Some(before) = newest.insert(&write.lock, write) {
            let same = (before.process, before.attempt) == (write.process, write.attempt);
            if write.fence < before.fence || write.fence == before.fence && !same {
                verdict.broken.push(format!("the register took {write:?} after {before:?}"));
            }
        }
    }
}
