//! When there was room for one more, as far as anybody has heard.
//!
//! Two things it does not see. With a writer among three there is hardly ever a span in which none has a read-write lock or wants it, so
//! of readers that wait little is judged here; those they wait for are judged by their own spans, and all of them by the order. And a
//! permit whose holder died counts as free from the last that was heard of him: what is left of his lease is allowed to each wait once,
//! so a chain of deaths, each before the lease of the one before is over, would be told as a late permit that is none.

use super::Turn;
use crate::history::{Share, Span};

/// When nothing that was heard of kept out one who waited for this share: from the last sign of whoever did to the first of the next.
pub(super) fn room(turns: &[Turn], share: Share) -> Vec<Span> {
    match share {
        Share::Whole => fewer(turns.iter().filter_map(held), 1),
        Share::Permit(most) => fewer(turns.iter().filter_map(held), most),
        // A writer that waits keeps readers out too. Which of them came before it is for the check of their order.
        Share::Read => fewer(turns.iter().filter(|turn| turn.share == Share::Whole).map(wanted_or_held), 1),
    }
}

fn held(turn: &Turn) -> Option<Span> {
    Some(Span { from: turn.acquired()?.0, to: turn.last_seen()? })
}

fn wanted_or_held(turn: &Turn) -> Span {
    // One that was killed while it waited was gone by the end of its time.
    let answered = turn.answer.map_or(turn.asked.saturating_add(turn.wait), |(at, _)| at);
    Span { from: turn.asked, to: turn.last_seen().unwrap_or(answered) }
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
