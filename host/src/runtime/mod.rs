//! Everything put together: a store, stages, and guests that run.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use bellwether::guest::Grant;
//! use bellwether::runtime::{Capture, GuestRun, Output, Runtime};
//!
//! let runtime = Runtime::builder()
//!     .store("redis://localhost:6379")
//!     .prefix("tenant-a:")
//!     .stage("msgpack", "stages/msgpack.wasm")
//!     .grant(Grant::all())
//!     .build()
//!     .await?;
//! let guest = runtime.load("guest.wasm")?;
//! let stdout = Capture::default();
//! let status = guest.run(GuestRun::default().args(["--verbose"]).stdout(Output::Capture(stdout.clone()))).await?;
//! println!("{} ended with {status}: {}", guest.name(), stdout.text());
//! runtime.shutdown().await;
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;

use crate::cache::Caches;
use crate::error::Error;
use crate::guest::Grant;
use crate::lock::Locks;
use crate::store::Store;

mod builder;
mod check;
mod code;
mod error;
mod guest;
mod limits;
mod output;
mod pulse;
mod run;
mod state;

pub use crate::stage::component::{CodeCache, StageLimits};
pub use builder::RuntimeBuilder;
pub use code::Wasm;
pub use error::GuestError;
pub use guest::Guest;
pub use limits::GuestLimits;
pub use output::{Capture, Output};
pub use run::{ExitStatus, GuestRun, Input};

/// A store, the locks and caches on it, and an engine for guests. Clones share all of it.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    store: Arc<dyn Store>,
    locks: Locks,
    caches: Caches,
    code: code::Code,
    defaults: run::Defaults,
}

impl Runtime {
    /// A runtime to be. As it is, it has the memory store, no prefix, the built-in stages, and guests that may do nothing.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// Compiles a guest, or finds its code in the cache, and checks that it can run here. `wasm` is a path, or bytes.
    ///
    /// Compiling a large component takes seconds, on this thread: call it in `tokio::task::spawn_blocking` where that matters.
    ///
    /// # Errors
    /// [`crate::error::Invalid::Component`] for what is no component, cannot be run, or imports what nobody grants. The text says
    /// which, and what to do.
    pub fn load(&self, wasm: impl Into<Wasm>) -> Result<Guest, Error> {
        Guest::load(Arc::clone(&self.inner), &wasm.into())
    }

    /// Locks under the runtime's prefix, for use without a guest.
    #[must_use]
    pub fn locks(&self) -> Locks {
        self.inner.locks.clone()
    }

    /// Caches under the runtime's prefix, with its stages and its policy, for use without a guest.
    #[must_use]
    pub fn caches(&self) -> Caches {
        self.inner.caches.clone()
    }

    /// What guests may do unless their run says otherwise.
    #[must_use]
    pub fn grant(&self) -> &Grant {
        &self.inner.defaults.grant
    }

    /// What guests may use unless their run says otherwise.
    #[must_use]
    pub fn guest_limits(&self) -> &GuestLimits {
        &self.inner.defaults.limits
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner.store)
    }

    /// Waits until the locks and vacancies that were dropped so far, by guests that ended or by others, are given up. Call it after the last guest ended
    /// and before the process does; what is still running goes on.
    pub async fn shutdown(&self) {
        tokio::join!(self.inner.locks.settled(), self.inner.caches.settled());
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("store", &self.inner.store.address()).finish_non_exhaustive()
    }
}
