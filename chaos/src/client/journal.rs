//! Where a client writes down what happens to it.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::now;
use crate::history::{Event, What};

/// The events of one process. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Journal {
    process: u32,
    attempts: Arc<AtomicU64>,
}

/// The events of one attempt.
#[derive(Debug)]
pub(super) struct Page {
    process: u32,
    attempt: u64,
    lock: String,
}

impl Journal {
    pub(super) fn new(process: u32) -> Self {
        Self { process, attempts: Arc::default() }
    }

    /// A page for a new attempt on this lock.
    pub(super) fn turn(&self, lock: &str) -> Page {
        Page { process: self.process, attempt: self.attempts.fetch_add(1, Ordering::Relaxed), lock: lock.to_owned() }
    }
}

impl Page {
    /// Writes down what happens now.
    pub(super) fn note(&self, what: What) {
        self.note_at(now(), what);
    }

    /// Writes down what happened then. One line is one write, so a process that is killed leaves whole lines behind, or at most
    /// one that is cut.
    pub(super) fn note_at(&self, at: u64, what: What) {
        let event = Event { at, process: self.process, attempt: self.attempt, lock: self.lock.clone(), what };
        if let Ok(mut line) = serde_json::to_vec(&event) {
            line.push(b'\n');
            // Nobody reads any more: the harness is gone, and this process is about to go too.
            let _ = std::io::stdout().lock().write_all(&line);
        }
    }

    /// The lock it is about.
    pub(super) fn lock(&self) -> &str {
        &self.lock
    }

    /// The line with which the register is written to.
    pub(super) fn line(&self, fence: u64) -> String {
        format!("{} {} {} {fence}\n", self.process, self.attempt, self.lock)
    }
}
