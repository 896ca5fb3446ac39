//! The epochs of the guests' engine: at each, a guest that computes lets others run.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use wasmtime::Engine;

/// How long a guest may compute until it lets others run.
const EPOCH: Duration = Duration::from_millis(5);

/// A thread that ends an epoch every [`EPOCH`] while guests run, and sleeps while none does. It is a thread of its own because a
/// guest that computes may keep every worker of tokio busy.
#[derive(Debug)]
pub(super) struct Pulse {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<Beats>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Beats {
    running: usize,
    ended: bool,
}

impl Pulse {
    pub(super) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        thread::Builder::new().name("bellwether-guests".to_owned()).spawn(move || theirs.beat(&engine))?;
        Ok(Self { shared })
    }

    /// Beats as long as the answer lives.
    pub(super) fn keep(&self) -> Beating {
        self.shared.state().running += 1;
        self.shared.changed.notify_all();
        Beating(Arc::clone(&self.shared))
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
    }
}

/// A guest that runs.
pub(super) struct Beating(Arc<Shared>);

impl Drop for Beating {
    fn drop(&mut self) {
        self.0.state().running -= 1;
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Beats> {
        // Every change is a single assignment, so a panic leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beat(&self, engine: &Engine) {
        loop {
            {
                let idle = |beats: &mut Beats| beats.running == 0 && !beats.ended;
                let beats = self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
                if beats.ended {
                    return;
                }
            }
            thread::sleep(EPOCH);
            engine.increment_epoch();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn the_thread_ends_with_the_pulse() {
        let pulse = Pulse::start(Engine::default()).unwrap();
        let shared = Arc::downgrade(&pulse.shared);
        drop(pulse.keep());
        drop(pulse);
        let end = std::time::Instant::now() + Duration::from_secs(10);
        while shared.strong_count() > 0 {
            assert!(std::time::Instant::now() < end, "the thread goes on");
            thread::yield_now();
        }
    }
}
