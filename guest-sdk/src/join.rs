//! Many calls at once.

use std::future::Future;

use futures_util::stream::{self, StreamExt};

/// Runs futures at the same time, and gives their outputs in the order of the futures.
///
/// ```
/// # async fn example(cache: bellwether_guest::Cache) -> bellwether_guest::Result<()> {
/// let cities = ["Athens", "Oslo", "Quito"];
/// let forecasts = bellwether_guest::join_all(cities.iter().map(|city| cache.get::<String>(city))).await;
/// # Ok(()) }
/// ```
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    futures_util::future::join_all(futures).await
}

/// The same, with at most `limit` of them under way at any time; a limit of 0 counts as 1.
///
/// The futures are made only when it is their turn, so an iterator that builds them as it goes needs room for `limit` only.
pub async fn join_at_most<F: Future>(limit: usize, futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let numbered = futures.into_iter().enumerate().map(|(at, future)| async move { (at, future.await) });
    let mut outputs: Vec<_> = stream::iter(numbered).buffer_unordered(limit.max(1)).collect().await;
    outputs.sort_unstable_by_key(|(at, _)| *at);
    outputs.into_iter().map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn run<T>(future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
        }
    }

    /// Pending `turns` times.
    async fn turns(mut turns: usize) {
        std::future::poll_fn(|cx| {
            if turns == 0 {
                return Poll::Ready(());
            }
            turns -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    #[test]
    fn outputs_come_in_the_order_of_the_futures() {
        let later_first = |n: usize| async move {
            turns(10 - n).await;
            n
        };
        assert_eq!(run(join_all((0..10).map(later_first))), (0..10).collect::<Vec<_>>());
        assert_eq!(run(join_at_most(3, (0..10).map(later_first))), (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_than_the_limit_are_under_way() {
        let (now, most) = (Cell::new(0), Cell::new(0));
        let count = |n: usize| {
            let (now, most) = (&now, &most);
            async move {
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                turns(n % 4 + 1).await;
                now.set(now.get() - 1);
            }
        };
        assert_eq!(run(join_at_most(3, (0..20).map(count))).len(), 20);
        assert_eq!(most.replace(0), 3);
        assert_eq!(run(join_at_most(0, (0..5).map(count))).len(), 5);
        assert_eq!(most.get(), 1);
    }
}
