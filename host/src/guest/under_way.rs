//! What a guest's call has the store do goes on while the guest computes.
//!
//! wasmtime polls what a guest waits for only when the guest lets it. A call that takes more than one step, a command that is sent once
//! a connection is there for example, would stand still between them for as long as the guest computes, and be late by its own clock
//! then although the store never was.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tracing::Instrument;

/// Performs something on a task of its own, unless it is done at once, or there is no runtime to have tasks. When this is dropped, so is
/// what is under way.
///
/// # Errors
/// When it panicked on its task, or the runtime has ended.
pub(super) async fn under_way<F>(work: F) -> Result<F::Output, JoinError>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut work = Box::pin(work.in_current_span());
    // What asks no server is done by one poll, and a task would be most of what it costs.
    if let Poll::Ready(answer) = futures_util::poll!(work.as_mut()) {
        return Ok(answer);
    }
    match Handle::try_current() {
        Ok(runtime) => UnderWay::start(work, &runtime).answer().await,
        Err(_) => Ok(work.await),
    }
}

/// Work that goes on by itself. It is shared with the task, because a task that is aborted drops what it has some time later: whoever
/// waits for what a guest left behind would miss what has yet to be dropped, a guard for one.
struct UnderWay<F: Future> {
    work: Arc<Mutex<Work<F>>>,
    task: JoinHandle<()>,
}

enum Work<F: Future> {
    Doing(Pin<Box<F>>),
    Done(F::Output),
    Taken,
}

impl<F: Future<Output: Send> + Send + 'static> UnderWay<F> {
    fn start(work: Pin<Box<F>>, runtime: &Handle) -> Self {
        let work = Arc::new(Mutex::new(Work::Doing(work)));
        let shared = Arc::clone(&work);
        let task = runtime.spawn(std::future::poll_fn(move |cx| {
            let mut work = shared.lock().unwrap_or_else(PoisonError::into_inner);
            if let Work::Doing(doing) = &mut *work {
                *work = Work::Done(ready!(doing.as_mut().poll(cx)));
            }
            Poll::Ready(())
        }));
        Self { work, task }
    }

    async fn answer(mut self) -> Result<F::Output, JoinError> {
        (&mut self.task).await?;
        match self.take() {
            Work::Done(answer) => Ok(answer),
            // The task ends with an answer, which is taken once.
            Work::Doing(_) | Work::Taken => std::future::pending().await,
        }
    }
}

impl<F: Future> UnderWay<F> {
    fn take(&self) -> Work<F> {
        std::mem::replace(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner), Work::Taken)
    }
}

impl<F: Future> Drop for UnderWay<F> {
    fn drop(&mut self) {
        self.task.abort();
        drop(self.take());
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
        assert_eq!(under_way(async { std::thread::current().id() }).await.unwrap(), here);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn steps_follow_each_other_while_nobody_polls() {
        let (first, second) = (oneshot::channel::<()>(), oneshot::channel());
        let (told, mut heard) = mpsc::unbounded_channel();
        let mut work = Box::pin(under_way(async move {
            first.1.await.unwrap();
            told.send(()).unwrap();
            second.1.await.unwrap()
        }));
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
        let mut work = Box::pin(under_way(async move {
            std::future::pending::<()>().await;
            drop(theirs);
        }));
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
        let mut work = Box::pin(under_way(async move {
            gone.await.unwrap();
            theirs
        }));
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
        let mut work = Box::pin(under_way(async move {
            gone.await.unwrap();
            panic!("of its own")
        }));
        assert!(futures_util::poll!(work.as_mut()).is_pending());
        go.send(()).unwrap();
        let told: Result<(), JoinError> = work.await;
        assert!(told.unwrap_err().is_panic());
    }
}
