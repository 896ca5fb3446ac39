//! How long the store may have kept a lock for an attempt, whatever that knew of it.

use super::progress::stopped;
use super::{Answer, Turn};
use crate::history::{History, Span};

/// In as much time a process that goes on has let go of what it dropped or no longer waits for, while servers are well.
const SOON: u64 = 1_000_000_000;

/// From when it surely held the lock, or may have held it if it never heard of that, until it was heard that the store had let go of it, or
/// must have: what a process that dies leaves behind stays until its lease ends, and so does what it lets go of while nobody answers.
pub(super) fn kept(turn: &Turn, history: &History, calm: &[Span]) -> Option<Span> {
    let lease = turn.lease;
    match turn.answer {
        Some((from, Answer::Acquired(_))) => {
            let seen = turn.last_seen()?;
            let to = match (turn.released, turn.let_go) {
                (Some((at, Some(_))), _) => at,
                (None, Some(at)) if !turn.handed_over && goes_on(turn, at, history, calm) => at,
                _ => seen.saturating_add(lease),
            };
            Some(Span { from, to })
        }
        Some((_, Answer::Refused)) => None,
        Some((at, Answer::Cancelled)) if goes_on(turn, at, history, calm) => None,
        Some((at, Answer::Cancelled | Answer::Failed)) => Some(Span { from: at, to: at.saturating_add(lease) }),
        // Nothing says when it got it, if it did.
        None => turn.died.map(|at| Span { from: at, to: at.saturating_add(lease) }),
    }
}

/// Whether the process is there, and the store is well, for as long as it takes to let go of a lock in the background.
fn goes_on(turn: &Turn, at: u64, history: &History, calm: &[Span]) -> bool {
    let soon = Span { from: at, to: at.saturating_add(SOON) };
    turn.died.is_none_or(|died| soon.to < died)
        && calm.iter().any(|calm| calm.covers(soon))
        && stopped(history, turn.process, soon) == 0
}
