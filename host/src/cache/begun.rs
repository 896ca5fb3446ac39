//! Futures that go on side by side, each from when it is added.

use std::collections::VecDeque;

use futures_util::FutureExt as _;
use futures_util::stream::{FuturesOrdered, StreamExt as _};

/// Futures of which each begins at once, and whose results are had in the order of their beginnings.
pub(super) struct Begun<F: Future> {
    going: FuturesOrdered<F>,
    done: VecDeque<F::Output>,
}

impl<F: Future> Begun<F> {
    /// Begins one: it is polled once, and so are those before it that can go on.
    pub(super) fn begin(&mut self, future: F) {
        self.going.push_back(future);
        while let Some(Some(done)) = self.going.next().now_or_never() {
            self.done.push_back(done);
        }
    }

    /// The next result; `None` if there was one of each.
    pub(super) async fn next(&mut self) -> Option<F::Output> {
        match self.done.pop_front() {
            Some(done) => Some(done),
            None => self.going.next().await,
        }
    }
}

impl<F: Future> Default for Begun<F> {
    fn default() -> Self {
        Self { going: FuturesOrdered::new(), done: VecDeque::new() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::cell::Cell;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn each_begins_when_it_is_added_and_results_come_in_that_order() {
        let begun = Cell::new(0);
        let mut going = Begun::default();
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
        for (number, receiver) in receivers.into_iter().enumerate() {
            let begun = &begun;
            going.begin(async move {
                begun.set(begun.get() + 1);
                receiver.await.unwrap()
            });
            assert_eq!(begun.get(), number + 1, "before anybody waits for it");
        }
        for (number, sender) in senders.into_iter().enumerate().rev() {
            sender.send(number).unwrap();
        }
        for number in 0..3 {
            assert_eq!(going.next().await, Some(number));
        }
        assert_eq!(going.next().await, None);
    }
}
