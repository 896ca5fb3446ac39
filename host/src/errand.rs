//! Tasks on which others rely than those of the runtime they run on: should it end before them, they go on in another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use tokio::runtime::{Handle, Id};

/// Something that one task at a time does for many.
pub(crate) trait Errand: Clone + Send + 'static {
    /// Does it. Where a task before this one left off is not known.
    fn run(self) -> impl Future<Output = ()> + Send + 'static;

    /// The runtime of somebody who relies on it, other than these, which have ended. If there is none, nobody goes on, and that
    /// has to be noted, so that whoever comes next starts it.
    fn another(&self, ended: &[Id]) -> Option<Handle>;
}

/// The task is being handed to a runtime, which drops it at once if it has ended; that was done; or the task was dropped.
const SPAWNING: u8 = 0;
const SPAWNED: u8 = 1;
const DROPPED: u8 = 2;

/// Starts an errand on a runtime, or on another if that has ended. Not to be called under a mutex that [`Errand::another`] takes.
pub(crate) fn start<E: Errand>(errand: &E, runtime: Handle) {
    start_on(errand, Some(runtime), Vec::new());
}

fn start_on<E: Errand>(errand: &E, mut runtime: Option<Handle>, mut ended: Vec<Id>) {
    while let Some(on) = runtime {
        let fate = Arc::new(AtomicU8::new(SPAWNING));
        let left = Left { errand: Some(errand.clone()), on: on.id(), fate: Arc::clone(&fate) };
        let running = errand.clone().run();
        on.spawn(async move {
            // Dropped after what runs.
            let mut left = left;
            running.await;
            left.errand = None;
        });
        if fate.compare_exchange(SPAWNING, SPAWNED, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return;
        }
        ended.push(on.id());
        runtime = errand.another(&ended);
    }
}

/// Has an errand go on that was left undone.
struct Left<E: Errand> {
    errand: Option<E>,
    on: Id,
    fate: Arc<AtomicU8>,
}

impl<E: Errand> Drop for Left<E> {
    fn drop(&mut self) {
        let Some(errand) = self.errand.take() else { return };
        // Whoever is about to start it goes on then; else there would be a recursion as deep as there are runtimes.
        if self.fate.compare_exchange(SPAWNING, DROPPED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            let ended = vec![self.on];
            start_on(&errand, errand.another(&ended), ended);
        }
    }
}
