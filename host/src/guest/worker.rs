//! One task for all that the calls of a guest have under way.
//!
//! A task for each call would be most of what a call costs: a thousand calls at once are a thousand tasks that wake one by one, and one
//! that finds many of its calls answered at each turn.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::runtime::{Handle, Id};

/// Does what it is given, on one task for as long as there is something to do. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Worker(Arc<Mutex<Option<Shift>>>);

/// A task that works, or has ended.
#[derive(Debug, Clone)]
struct Shift {
    on: Id,
    desk: Arc<Mutex<Desk>>,
}

/// What the task finds when it looks up.
#[derive(Default)]
struct Desk {
    new: Vec<BoxFuture<'static, ()>>,
    waker: Option<Waker>,
    over: bool,
}

impl Worker {
    /// Takes something on. It is dropped unfinished if the runtime ends.
    pub(super) fn take(&self, work: impl Future<Output = ()> + Send + 'static, runtime: &Handle) {
        let work: BoxFuture<'static, ()> = Box::pin(work);
        let mut shift = open(&self.0);
        // What is given in one runtime is not to depend on whether another is still driven.
        let added = match shift.as_ref().filter(|shift| shift.on == runtime.id()) {
            Some(shift) => shift.add(work),
            None => Err(work),
        };
        let Err(work) = added else { return };
        let desk = Arc::new(Mutex::new(Desk { new: vec![work], ..Desk::default() }));
        *shift = Some(Shift { on: runtime.id(), desk: Arc::clone(&desk) });
        drop(shift);
        runtime.spawn(At(desk).work());
    }
}

impl Shift {
    /// Gives the work back if the task has ended.
    fn add(&self, work: BoxFuture<'static, ()>) -> Result<(), BoxFuture<'static, ()>> {
        let mut desk = open(&self.desk);
        if desk.over {
            return Err(work);
        }
        desk.new.push(work);
        let waker = desk.waker.take();
        drop(desk);
        waker.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

/// The task's side of a desk. However the task ends, nothing is left behind or taken on any more.
struct At(Arc<Mutex<Desk>>);

impl At {
    async fn work(self) {
        let mut doing = FuturesUnordered::new();
        std::future::poll_fn(|cx| self.turn(&mut doing, cx)).await;
    }

    fn turn(&self, doing: &mut FuturesUnordered<BoxFuture<'static, ()>>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            doing.extend(open(&self.0).new.drain(..));
            let next = doing.poll_next_unpin(cx);
            let mut desk = open(&self.0);
            match next {
                Poll::Ready(Some(())) => {}
                _ if !desk.new.is_empty() => {}
                Poll::Pending => {
                    desk.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(None) => {
                    desk.over = true;
                    return Poll::Ready(());
                }
            }
        }
    }
}

impl Drop for At {
    fn drop(&mut self) {
        let mut desk = open(&self.0);
        desk.over = true;
        let new = std::mem::take(&mut desk.new);
        drop(desk);
        drop(new);
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("new", &self.new.len()).field("over", &self.over).finish_non_exhaustive()
    }
}

/// A panic elsewhere leaves nothing half done behind these mutexes, or what is not looked at again.
pub(super) fn open<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::sync::oneshot;

    use super::*;

    fn alive() -> usize {
        Handle::current().metrics().num_alive_tasks()
    }

    #[tokio::test]
    async fn a_thousand_are_done_by_one_task_that_ends_with_them() {
        let worker = Worker::default();
        for _ in 0..2 {
            let (mut go, mut done) = (Vec::new(), Vec::new());
            for _ in 0..1_000 {
                let ((start, started), (end, ended)) = (oneshot::channel::<()>(), oneshot::channel());
                worker.take(
                    async move {
                        started.await.unwrap();
                        end.send(()).unwrap();
                    },
                    &Handle::current(),
                );
                go.push(start);
                done.push(ended);
            }
            tokio::task::yield_now().await;
            assert_eq!(alive(), 1);
            go.into_iter().rev().for_each(|go| go.send(()).unwrap());
            for done in done {
                done.await.unwrap();
            }
            while alive() > 0 {
                tokio::task::yield_now().await;
            }
        }
    }

    #[test]
    fn what_comes_in_another_runtime_does_not_wait_for_the_first() {
        let worker = Worker::default();
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (first, second) = (runtime(), runtime());
        worker.take(std::future::pending(), first.handle());
        let (told, heard) = oneshot::channel();
        worker.take(async { told.send(7).unwrap() }, second.handle());
        assert_eq!(second.block_on(heard), Ok(7), "nobody drives the first");
    }

    #[test]
    fn what_a_runtime_leaves_behind_is_dropped_with_it() {
        let worker = Worker::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (begun, kept) = (oneshot::channel::<()>(), oneshot::channel::<()>());
        worker.take(
            async move {
                let _begun = begun.0;
                std::future::pending::<()>().await;
            },
            runtime.handle(),
        );
        runtime.block_on(tokio::task::yield_now());
        worker.take(
            async move {
                let _kept = kept.0;
            },
            runtime.handle(),
        );
        drop(runtime);
        assert!(begun.1.blocking_recv().is_err() && kept.1.blocking_recv().is_err());
    }
}
