//! How a guest ends that does not end by itself.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error as ThisError;
use wasmtime::{Trap, WasmBacktrace};

/// Why a guest did not come to its own end. Whatever it was, its locks are released in the background.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum GuestError {
    /// It trapped: it panicked, for example, or called the host in a way that no guest may.
    #[error("the guest {guest:?} trapped: {message}")]
    Trapped {
        /// The guest's name.
        guest: String,
        /// What happened.
        message: String,
        /// Where it happened, a line for each frame; empty where that cannot be told.
        backtrace: String,
    },
    /// It wanted more memory than it may have, and then trapped or could not even start. A guest can be refused memory and go on:
    /// `message` says what ended it.
    #[error(
        "the guest {guest:?} wanted more than its {max} bytes of memory (raise the limit, or have it use less), then: {message}"
    )]
    Memory {
        /// The guest's name.
        guest: String,
        /// What it may have.
        max: u64,
        /// What happened in the end.
        message: String,
        /// Where it trapped, a line for each frame; empty where that cannot be told.
        backtrace: String,
    },
    /// It was still running at its deadline.
    #[error("the guest {guest:?} did not end within {deadline:?}")]
    Deadline {
        /// The guest's name.
        guest: String,
        /// How long it may run.
        deadline: Duration,
    },
    /// It could not be started.
    #[error("the guest {guest:?} could not be started: {why}")]
    Start {
        /// The guest's name.
        guest: String,
        /// What happened.
        why: String,
    },
    /// A directory that is granted to it cannot be opened.
    #[error("the directory {path:?} that is granted to the guest cannot be opened: {why}")]
    Directory {
        /// The directory on the host.
        path: PathBuf,
        /// What happened.
        why: String,
    },
}

impl GuestError {
    /// Where it happened in the guest, a line for each frame; empty where that cannot be told.
    #[must_use]
    pub fn backtrace(&self) -> &str {
        match self {
            Self::Trapped { backtrace, .. } | Self::Memory { backtrace, .. } => backtrace,
            Self::Deadline { .. } | Self::Start { .. } | Self::Directory { .. } => "",
        }
    }

    pub(super) fn trapped(guest: &str, trap: &wasmtime::Error) -> Self {
        Self::Trapped { guest: guest.to_owned(), message: message(trap), backtrace: frames(trap) }
    }

    pub(super) fn memory(guest: &str, max: u64, trap: &wasmtime::Error) -> Self {
        Self::Memory { guest: guest.to_owned(), max, message: message(trap), backtrace: frames(trap) }
    }
}

fn message(trap: &wasmtime::Error) -> String {
    match trap.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => trap.root_cause().to_string(),
    }
}

fn frames(trap: &wasmtime::Error) -> String {
    trap.downcast_ref::<WasmBacktrace>().map(WasmBacktrace::to_string).unwrap_or_default()
}
