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
    locks: Vec<String>,
}

impl Journal {
    pub(super) fn new(process: u32) -> Self {
        Self { process, attempts: Arc::default() }
    }

    /// A page for a new attempt on these locks.
    pub(super) fn turn(&self, locks: Vec<String>) -> Page {
        Page { process: self.process, attempt: self.attempts.fetch_add(1, Ordering::Relaxed), locks }
    }
}

impl Page {
    /// Writes down what happens now.
    pub(super) fn note(&self, what: &What) {
        self.note_at(now(), what);
    }

    /// Writes down what happened then: a line for each lock, and all in one write, so a process that is killed leaves whole lines
    /// behind, or at most one that is cut.
    pub(super) fn note_at(&self, at: u64, what: &What) {
        let mut lines = Vec::new();
        for lock in &self.locks {
            let event = Event { at, process: self.process, attempt: self.attempt, lock: lock.clone(), what: what.clone() };
            if serde_json::to_writer(&mut lines, &event).is_ok() {
                lines.push(b'\n');
            }
        }
        // Nobody reads any more: the harness is gone, and this process is about to go too.
        let _ = std::io::stdout().lock().write_all(&lines);
    }

    /// The locks it is about.
    pub(super) fn locks(&self) -> &[String] {
        &self.locks
    }

    /// The lines with which the register is written to.
    pub(super) fn lines(&self, fence: u64) -> impl Iterator<Item = String> {
        self.locks.iter().map(move |lock| format!("{} {} {lock} {fence}\n", self.process, self.attempt))
    }
}
