//! A lock that is renewed lasts for as long as its holder wants.

use super::progress::stopped;
use super::{Rules, Turn};
use crate::history::{History, Span};

/// Nobody loses a lock that is renewed for him while servers are well and his process is not stopped. One who has lost it has not heard of a
/// renewal for a lease, so all must have been well for as long. Short leases are not judged: a busy machine stands still for as long.
pub(super) fn check(turns: &[Turn], history: &History, calm: &[Span], rules: &Rules, broken: &mut Vec<String>) {
    for turn in turns.iter().filter(|turn| turn.renews && turn.lease >= rules.steady) {
        let Some((at, _)) = turn.lost else { continue };
        let unheard = Span { from: at.saturating_sub(turn.lease), to: at };
        if calm.iter().any(|calm| calm.covers(unheard)) && stopped(history, turn.process, unheard) == 0 {
            broken.push(format!("{turn}: was lost, though it was to be renewed and all servers were well"));
        }
    }
}
