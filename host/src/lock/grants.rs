//! From when the grants of a lock count.
//!
//! A grant says that the lock was given to a waiter, and not when. It counts from when the last request was sent that did not know
//! of it yet: the store answers each with the last fence that was given, and a grant with a larger one came after it. No clock of the
//! store's is trusted.

use tokio::time::Instant;

/// The grants of one lock, to waiters of this process.
#[derive(Debug, Default)]
pub(super) struct Grants {
    /// The latest request that knew of no grant with a larger fence than this.
    quiet: Option<(Instant, u64)>,
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
}
