//! One running instance of a stage: how it starts, how it is called, and how its failures are told.

use std::sync::Arc;

use wasmtime::component::InstancePre;
use wasmtime::{Store, Trap, WasmBacktrace};

use super::StageLimits;
use super::cell::Cell;
use super::engine::Shared;
use super::exports::{Answer, Exports, Functions};
use crate::error::StageFault;

/// How much an instance's memory may grow before it is retired, in bytes: large enough that a stage for megabytes stays warm,
/// small enough that idle instances hold little.
const GROWTH: usize = 16 << 20;

/// What one host call may bring out of an instance beside its output, in bytes: what it prints.
const PRINTED: usize = 64 * 1024;

/// How long the text of a fault may be, in bytes.
const TEXT: usize = 4096;

/// What instances of one component are made from.
pub(super) struct Blueprint {
    pub(super) pre: InstancePre<Cell>,
    pub(super) exports: Exports,
    pub(super) limits: StageLimits,
    /// The deadline in epochs.
    pub(super) ticks: u64,
    pub(super) shared: Arc<Shared>,
}

/// One instance.
pub(super) struct Instance {
    store: Store<Cell>,
    functions: Functions,
    /// The memory above which it is retired.
    retire_at: usize,
}

impl Blueprint {
    /// Starts an instance; boxed, for it is handed from pool to call and back.
    pub(super) fn start(&self) -> Result<Box<Instance>, StageFault> {
        let mut store = Store::new(self.pre.engine(), Cell::new(self.limits.memory, self.limits.table));
        store.limiter(|cell| cell);
        self.arm(&mut store, self.limits.output);
        match self.instantiate(&mut store) {
            Ok(functions) => {
                let start = store.data().memory();
                // A stage with little memory to grow into is retired before it runs out.
                let room = usize::try_from(self.limits.memory).unwrap_or(usize::MAX).saturating_sub(start);
                let retire_at = start.saturating_add(GROWTH.min(room / 2));
                Ok(Box::new(Instance { store, functions, retire_at }))
            }
            Err(error) => Err(match self.fault(&error, store.data(), self.limits.output) {
                StageFault::Trapped(text) => StageFault::Start(text),
                fault => fault,
            }),
        }
    }

    fn instantiate(&self, store: &mut Store<Cell>) -> wasmtime::Result<Functions> {
        let instance = self.pre.instantiate(&mut *store)?;
        self.exports.load(store, &instance)
    }

    /// Sets the deadline and the limit of what comes out. The deadline before the ticker is told, see [`super::ticker`].
    fn arm(&self, store: &mut Store<Cell>, output: u64) {
        store.set_hostcall_fuel(usize::try_from(output).unwrap_or(usize::MAX).max(PRINTED));
        store.set_epoch_deadline(self.ticks);
        self.shared.ticker.begin();
    }

    /// Calls an instance. `output` is what may come out, in bytes, and `size` measures what did. The second part says whether
    /// the instance can be called again.
    pub(super) fn call<T>(
        &self,
        instance: &mut Instance,
        output: u64,
        size: impl FnOnce(&T) -> usize,
        call: impl FnOnce(&Functions, &mut Store<Cell>) -> wasmtime::Result<Answer<T>>,
    ) -> (Result<T, StageFault>, bool) {
        instance.store.data_mut().begin();
        self.arm(&mut instance.store, output);
        match call(&instance.functions, &mut instance.store) {
            Ok(answer) => {
                let answer = match answer {
                    Ok(value) => within(output, size(&value) as u64).map(|()| value),
                    Err(words) => Err(StageFault::Refused(bounded(words, TEXT))),
                };
                (answer, instance.store.data().memory() <= instance.retire_at)
            }
            Err(error) => (Err(self.fault(&error, instance.store.data(), output)), false),
        }
    }

    fn fault(&self, error: &wasmtime::Error, cell: &Cell, output: u64) -> StageFault {
        let trap = error.downcast_ref::<Trap>();
        if trap == Some(&Trap::Interrupt) {
            return StageFault::Deadline(self.limits.deadline);
        }
        // A guest that is denied memory fails in its own way: whatever that is, this is the cause.
        if cell.denied() {
            return StageFault::Memory { max: self.limits.memory };
        }
        if trap.is_none() && out_of_hostcall_fuel(error) {
            return StageFault::Output { size: output.saturating_add(1), max: output };
        }
        let mut text = error.root_cause().to_string();
        let said = cell.said();
        if !said.is_empty() {
            text = format!("{text}; it said: {said}");
        }
        if let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() {
            text = format!("{text}\n{backtrace}");
        }
        StageFault::Trapped(bounded(text, TEXT))
    }
}

/// Whether wasmtime refused to bring so much out of an instance. It has no public type for it.
fn out_of_hostcall_fuel(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls has been exhausted")
}

fn within(max: u64, size: u64) -> Result<(), StageFault> {
    if size > max { Err(StageFault::Output { size, max }) } else { Ok(()) }
}

/// A text that is cut off after so many bytes.
fn bounded(mut text: String, max: usize) -> String {
    if text.len() > max {
        text.truncate(text.floor_char_boundary(max));
        text.push_str(" …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(bounded("aä".to_owned(), 2), "a …");
        assert_eq!(bounded("aä".to_owned(), 3), "aä");
    }
}
