//! What is known of the grants of a lock.
//!
//! A grant says that the lock was given to a waiter, and not when. It counts from when the last request was sent that did not know
//! of it yet: the store answers each with the last fence that was given, and a grant with a larger one came after it. No clock of the
//! store's is trusted.

use std::collections::VecDeque;

use tokio::time::Instant;

use crate::store::Token;

/// How many grants are kept for who is about to come.
const EARLY: usize = 16;

/// The grants of one lock, to waiters of this process.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// The latest request that knew of no grant with a larger fence than this.
    quiet: Option<(Instant, u64)>,
    /// Grants to those who asked for a place and have not come to stand in the line yet, newest last.
    early: VecDeque<(Token, u64)>,
}

impl Grants {
    /// Notes that a request of `sent` knew of no grant with a larger fence than this.
    pub(super) fn none_after(&mut self, fence: u64, sent: Instant) {
        if self.quiet.is_none_or(|(latest, _)| latest <= sent) {
            self.quiet = Some((sent, fence));
        }
    }

    /// From when a grant with this fence counts; `None` if that is not known.
    pub(super) fn since(&self, fence: u64) -> Option<Instant> {
        self.quiet.and_then(|(sent, before)| (fence > before).then_some(sent))
    }

    /// Keeps a grant to one who is about to come.
    pub(super) fn keep(&mut self, token: Token, fence: u64) {
        self.early.push_back((token, fence));
        let surplus = self.early.len().saturating_sub(EARLY);
        self.early.drain(..surplus);
    }

    /// Takes the grant that was kept for this token.
    pub(super) fn take(&mut self, token: &Token) -> Option<(Token, u64)> {
        self.early.iter().position(|(kept, _)| kept == token).and_then(|at| self.early.remove(at))
    }

    /// Forgets the grants that were kept, as nobody is about to come.
    pub(super) fn forget(&mut self) {
        self.early.clear();
    }
}
