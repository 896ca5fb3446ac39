//! Guests: loaded once, run as often and as concurrently as one likes.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime_wasi::I32Exit;

use super::check::Command;
use super::code::Wasm;
use super::error::GuestError;
use super::run::{ExitStatus, GuestRun};
use super::state::State;
use super::{GuestLimits, Inner};
use crate::error::Error;

/// A compiled guest. Clones share the code.
#[derive(Clone)]
pub struct Guest {
    runtime: Arc<Inner>,
    name: Arc<str>,
    command: Arc<Command>,
}

impl Guest {
    pub(super) fn load(runtime: Arc<Inner>, wasm: &Wasm) -> Result<Self, Error> {
        let command = runtime.code.compile(wasm)?;
        Ok(Self { name: wasm.name().into(), command: Arc::new(command), runtime })
    }

    /// What errors call it: the path of its file, or the name that was given with its bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs the guest from its beginning, in an instance of its own, until its `run` returns or it exits.
    ///
    /// Dropping the future kills the guest. However a run ends, the locks that the guest still holds are then released in
    /// the background; [`super::Runtime::shutdown`] waits for that.
    ///
    /// # Errors
    /// [`GuestError`] when it trapped, overran a limit, or could not be started.
    pub async fn run(&self, run: GuestRun) -> Result<ExitStatus, GuestError> {
        let defaults = &self.runtime.defaults;
        let grant = run.grant.clone().unwrap_or_else(|| defaults.grant.clone());
        let limits = run.limits.clone().unwrap_or_else(|| defaults.limits.clone());
        let (locks, caches) = (self.runtime.locks.clone(), self.runtime.caches.clone());
        let state = State::new(locks, caches, &self.name, run, grant, &limits)?;
        let store = self.store(state, &limits);
        let _beating = self.runtime.code.pulse.keep();
        let running = self.start(store, &limits);
        let end = match limits.deadline {
            None => running.await,
            // Around all of it: wasmtime may not poll what is inside `run_concurrent` while the guest computes.
            Some(deadline) => match tokio::time::timeout(deadline, running).await {
                Ok(end) => end,
                Err(_) => Err(GuestError::Deadline { guest: self.name.to_string(), deadline }),
            },
        };
        tracing::debug!(guest = &*self.name, ?end, "a guest ended");
        end
    }

    fn store(&self, state: State, limits: &GuestLimits) -> Store<State> {
        let mut store = Store::new(self.runtime.code.engine(), state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(usize::try_from(limits.call_bytes).unwrap_or(usize::MAX));
        // At each epoch a guest that computes lets other tasks run, the deadline's timer among them.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }

    async fn start(&self, mut store: Store<State>, limits: &GuestLimits) -> Result<ExitStatus, GuestError> {
        let end = match &*self.command {
            Command::P3(command) => match command.instantiate_async(&mut store).await {
                Ok(command) => {
                    let running = store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await);
                    Ok(running.await.flatten())
                }
                Err(why) => Err(why),
            },
            Command::P2(command) => match command.instantiate_async(&mut store).await {
                Ok(command) => Ok(command.wasi_cli_run().call_run(&mut store).await),
                Err(why) => Err(why),
            },
        };
        let (why, started) = match end {
            Ok(Ok(Ok(()))) => return Ok(ExitStatus::SUCCESS),
            Ok(Ok(Err(()))) => return Ok(ExitStatus::FAILURE),
            Ok(Err(trap)) => (trap, true),
            Err(why) => (why, false),
        };
        if let Some(I32Exit(code)) = why.downcast_ref() {
            return Ok(ExitStatus::of(*code));
        }
        Err(if store.data().meter.was_refused_memory() {
            GuestError::memory(&self.name, limits.memory, &why)
        } else if started {
            GuestError::trapped(&self.name, &why)
        } else {
            GuestError::Start { guest: self.name.to_string(), why: format!("{why:#}") }
        })
    }
}

impl std::fmt::Debug for Guest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guest").field("name", &self.name).finish_non_exhaustive()
    }
}
