//! The epoch ticker: what ends calls that overrun their deadline.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// How long an epoch is.
const TICK: Duration = Duration::from_millis(5);

/// A thread that ticks while calls are made, sleeps when there were none for a while, and ends when this is dropped.
#[derive(Debug)]
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether a call began since the last tick.
    used: AtomicBool,
    /// Whether the thread sleeps until it is woken.
    parked: AtomicBool,
    /// Whether the thread is to end.
    stop: AtomicBool,
    /// The longest deadline of all, in ticks: for so long after the last call began one may still be running.
    longest: AtomicU64,
    /// How many ticks there were.
    ticks: AtomicU64,
}

impl Ticker {
    /// Starts to tick for these engines.
    pub(super) fn start(engines: Vec<Engine>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let handle = thread::Builder::new().name("bellwether-epoch".to_owned()).spawn(move || theirs.run(&engines))?;
        Ok(Self { shared, thread: handle.thread().clone() })
    }

    /// The time in ticks. It goes on while calls are made.
    pub(super) fn now(&self) -> u64 {
        self.shared.ticks.load(Relaxed)
    }

    /// A deadline in ticks. Calls with it may follow.
    pub(super) fn ticks(&self, deadline: Duration) -> u64 {
        let whole = u64::try_from(deadline.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX >> 1);
        // The tick that is under way when the call begins does not count.
        let ticks = whole.saturating_add(1);
        self.shared.longest.fetch_max(ticks, SeqCst);
        ticks
    }

    /// Says that a call begins. Its epoch deadline has to be set before: then, however long this thread is kept from running
    /// after the next line, either the ticker still ticks or the deadline has passed already.
    pub(super) fn begin(&self) {
        if !self.shared.used.load(SeqCst) {
            self.shared.used.store(true, SeqCst);
            if self.shared.parked.swap(false, SeqCst) {
                self.thread.unpark();
            }
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, SeqCst);
        self.thread.unpark();
    }
}

impl Shared {
    fn run(&self, engines: &[Engine]) {
        let mut idle = 0;
        loop {
            thread::park_timeout(TICK);
            if self.stop.load(SeqCst) {
                return;
            }
            for engine in engines {
                engine.increment_epoch();
            }
            self.ticks.fetch_add(1, Relaxed);
            if self.used.swap(false, SeqCst) {
                idle = 0;
            } else if idle <= self.longest.load(SeqCst) {
                idle += 1;
            } else {
                self.park();
                idle = 0;
            }
        }
    }

    /// Sleeps until a call begins. `parked` is set before `used` is read, and `begin` does it the other way round, so one of
    /// the two always sees the other.
    fn park(&self) {
        self.parked.store(true, SeqCst);
        while self.parked.load(SeqCst) && !self.used.load(SeqCst) && !self.stop.load(SeqCst) {
            thread::park();
        }
        self.parked.store(false, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn wait_until(what: &str, condition: impl Fn() -> bool) {
        let end = std::time::Instant::now() + Duration::from_secs(10);
        while !condition() {
            assert!(std::time::Instant::now() < end, "{what} did not come about");
            thread::yield_now();
        }
    }

    #[test]
    fn sleeps_when_nothing_runs_wakes_for_a_call_and_ends() {
        let ticker = Ticker::start(vec![Engine::default()]).unwrap();
        assert_eq!(ticker.ticks(Duration::from_millis(11)), 4);
        let shared = Arc::clone(&ticker.shared);
        wait_until("sleep", || shared.parked.load(SeqCst));
        ticker.begin();
        wait_until("waking", || !shared.used.load(SeqCst));
        wait_until("sleep again", || shared.parked.load(SeqCst));
        drop(ticker);
        wait_until("the end", || Arc::strong_count(&shared) == 1);
    }
}
