//! Which waiters have places in the store's queue.
//!
//! Places are kept for a while from when the store did the last request of their process. So they may be lost without a word, as when
//! the server stood still.

use std::time::Duration;

use tokio::time::Instant;

use super::Line;
use crate::lock::waiter::{Number, Standing};

impl<R> Line<R> {
    /// A request of `sent` for this waiter was answered by its place in the store's queue, which keeps the others too if they are
    /// there still.
    pub(super) fn keeps_places(&mut self, number: Number, sent: Instant, kept: Duration, now: Instant) {
        if self.pace.keeps_places(sent, kept, now) {
            // What was asked for later than that was asked for after the others were lost.
            self.visitors.doubt(now.checked_sub(kept).unwrap_or(now));
            self.doubt(Some(number));
        }
    }

    /// Places in the store's queue may be gone, of all but this waiter.
    pub(super) fn doubt(&mut self, sure: Option<Number>) {
        for waiter in self.waiters.iter_mut().filter(|waiter| Some(waiter.number) != sure && waiter.is_queued()) {
            waiter.standing = Standing::Heard;
        }
    }
}
