//! What a guest's call has the store do goes on while the guest computes.
//!
//! wasmtime polls what a guest waits for only when the guest lets it. A call that takes more than one step, a command that is sent once
//! a connection is there for example, would stand still between them for as long as the guest computes, and be late by its own clock
//! then although the store never was.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::runtime::Handle;
use tracing::Instrument;

use super::worker::{Worker, open};

/// Why something that was under way has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum GivenUp {
    /// It panicked.
    #[error("it panicked")]
    Panicked,
    /// The runtime it was on has ended.
    #[error("the runtime it was on has ended")]
    Ended,
}

/// Performs something on the worker's task, unless it is done at once, or there is no runtime to have tasks. When this is dropped, so is
/// what is under way. What is large is given in a box, as it is moved on the way.
///
/// # Errors
/// When it panicked on that task, or the runtime has ended.
pub(super) async fn under_way<F>(worker: &Worker, mut work: F) -> Result<F::Output, GivenUp>
where
    F: Future<Output: Send> + Send + Unpin + 'static,
{
    // What asks no server is done by one poll, and a task would be most of what it costs.
    if let Poll::Ready(answer) = futures_util::poll!(&mut work) {
        return Ok(answer);
    }
    let work = work.in_current_span();
    match Handle::try_current() {
        Ok(runtime) => {
            let work = Arc::new(Mutex::new(Work::Doing { work, waiter: None, doer: None }));
            let waiting = Waiting(Arc::clone(&work));
            worker.take(Doing(work), &runtime);
            waiting.await
        }
        Err(_) => Ok(work.await),
    }
}

/// Work that goes on by itself. Who does it and who waits for it share it, because what is dropped by the task that does it is dropped
/// some time later: whoever waits for what a guest left behind would miss what has yet to be dropped, a guard for one.
enum Work<F: Future> {
    Doing { work: F, waiter: Option<Waker>, doer: Option<Waker> },
    Done(Result<F::Output, GivenUp>),
    Taken,
}

/// The side of who waits.
struct Waiting<F: Future>(Arc<Mutex<Work<F>>>);

/// The side of who does it.
struct Doing<F: Future>(Arc<Mutex<Work<F>>>);

impl<F: Future> Future for Waiting<F> {
    type Output = Result<F::Output, GivenUp>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut work = open(&self.0);
        if let Work::Doing { waiter, .. } = &mut *work {
            keep(waiter, cx);
            return Poll::Pending;
        }
        match std::mem::replace(&mut *work, Work::Taken) {
            Work::Done(answer) => Poll::Ready(answer),
            // There is one answer, and it was given.
            Work::Doing { .. } | Work::Taken => Poll::Pending,
        }
    }
}

impl<F: Future> Drop for Waiting<F> {
    fn drop(&mut self) {
        let left = std::mem::replace(&mut *open(&self.0), Work::Taken);
        if let Work::Doing { work, doer, .. } = left {
            drop(work);
            // So that it is not kept for ever as one that may go on.
            doer.into_iter().for_each(Waker::wake);
        }
    }
}

impl<F: Future + Unpin> Future for Doing<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut shared = open(&self.0);
        if let Work::Doing { work, doer, .. } = &mut *shared {
            keep(doer, cx);
            // It is not polled again after a panic, only dropped.
            let answer = match catch_unwind(AssertUnwindSafe(|| Pin::new(work).poll(cx))) {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(answer)) => Ok(answer),
                Err(_) => Err(GivenUp::Panicked),
            };
            end(shared, answer);
        }
        Poll::Ready(())
    }
}

impl<F: Future> Drop for Doing<F> {
    fn drop(&mut self) {
        let shared = open(&self.0);
        if matches!(*shared, Work::Doing { .. }) {
            end(shared, Err(GivenUp::Ended));
        }
    }
}

/// Leaves an answer for who waits.
fn end<F: Future>(mut shared: MutexGuard<'_, Work<F>>, answer: Result<F::Output, GivenUp>) {
    let before = std::mem::replace(&mut *shared, Work::Done(answer));
    drop(shared);
    if let Work::Doing { waiter: Some(waiter), .. } = before {
        waiter.wake();
    }
}

fn keep(kept: &mut Option<Waker>, cx: &Context<'_>) {
    match kept {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *kept = Some(cx.waker().clone()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

    use tokio::sync::{mpsc, oneshot};

    use super::*;

    #[tokio::test]
    async fn what_is_done_at_once_needs_no_task() {
        let here = std::thread::current().id();
        assert_eq!(under_way(&Worker::default(), std::future::ready(std::thread::current().id())).await.unwrap(), here);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn steps_follow_each_other_while_nobody_polls() {
        let (first, second) = (oneshot::channel::<()>(), oneshot::channel());
        let (told, mut heard) = mpsc::unbounded_channel();
        let worker = Worker::default();
        let mut work = Box::pin(under_way(
            &worker,
            Box::pin(async move {
                first.1.await.unwrap();
                told.send(()).unwrap();
                second.1.await.unwrap()
            }),
        ));
        assert!(futures_util::poll!(work.as_mut()).is_pending());
        first.0.send(()).unwrap();
        heard.recv().await.unwrap();
        second.0.send(7).unwrap();
        assert_eq!(work.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_dropped_at_once() {
        let held = Arc::new(());
        let theirs = Arc::clone(&held);
        let worker = Worker::default();
        let mut work = Box::pin(under_way(
            &worker,
            Box::pin(async move {
                std::future::pending::<()>().await;
                drop(theirs);
            }),
        ));
        assert!(futures_util::poll!(work.as_mut()).is_pending());
        tokio::task::yield_now().await;
        drop(work);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn an_answer_that_nobody_took_is_dropped_at_once() {
        let (go, gone) = oneshot::channel::<()>();
        let held = Arc::new(());
        let theirs = Arc::clone(&held);
        let worker = Worker::default();
        let mut work = Box::pin(under_way(
            &worker,
            Box::pin(async move {
                gone.await.unwrap();
                theirs
            }),
        ));
        assert!(futures_util::poll!(work.as_mut()).is_pending());
        go.send(()).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(Arc::strong_count(&held), 2);
        drop(work);
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn a_panic_is_told() {
        let (go, gone) = oneshot::channel::<()>();
        let worker = Worker::default();
        let mut work = Box::pin(under_way(
            &worker,
            Box::pin(async move {
                gone.await.unwrap();
                panic!("of its own")
            }),
        ));
        assert!(futures_util::poll!(work.as_mut()).is_pending());
        go.send(()).unwrap();
        let told: Result<(), GivenUp> = work.await;
        assert_eq!(told.unwrap_err(), GivenUp::Panicked);
    }
}
