//! When there was room for one more, as far as anybody has heard.
//!
//! One thing it does not see. With a writer among three there is hardly ever a span in which none has a read-write lock or wants it, so
//! of readers that wait little is judged here; those they wait for are judged by their own spans, and all of them by the order.

use super::Turn;
use super::kept::kept;
use crate::history::{History, Share, Span};

/// When nothing that was heard of kept out one who waited for this share: from when the store let go of whoever did, or must have, to the
/// first of the next.
pub(super) fn room(turns: &[Turn], share: Share, history: &History, calm: &[Span]) -> Vec<Span> {
    let held = turns.iter().filter_map(|turn| kept(turn, history, calm));
    match share {
        Share::Whole => fewer(held, 1),
        Share::Permit(most) => fewer(held, most),
        // A writer that waits keeps readers out too. Which of them came before it is for the check of their order.
        Share::Read => {
            let writers = || turns.iter().filter(|turn| turn.share == Share::Whole);
            fewer(writers().filter_map(|turn| kept(turn, history, calm)).chain(writers().map(wanted)), 1)
        }
    }
}

fn wanted(turn: &Turn) -> Span {
    // One that was killed while it waited was gone by the end of its time, or with its process.
    let gone = || turn.died.or(Some(turn.asked.saturating_add(turn.wait?)));
    let to = turn.answer.map(|(at, _)| at).or_else(gone).unwrap_or(u64::MAX);
    Span { from: turn.asked, to: to.max(turn.asked) }
}

/// When there were fewer than `most` at once.
fn fewer(stays: impl Iterator<Item = Span>, most: u32) -> Vec<Span> {
    let mut changes: Vec<_> = stays.flat_map(|stay| [(stay.from, true), (stay.to, false)]).collect();
    // Who comes as another goes comes first: between the two is no time.
    changes.sort_unstable_by_key(|(at, comes)| (*at, !comes));
    let (mut spans, mut count, mut from) = (Vec::new(), 0, 0);
    for (at, comes) in changes {
        if comes {
            count += 1;
            if count == most && from < at {
                spans.push(Span { from, to: at });
            }
        } else {
            if count == most {
                from = at;
            }
            count -= 1;
        }
    }
    spans.push(Span { from, to: u64::MAX });
    spans
}
