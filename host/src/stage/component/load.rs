//! From bytes to a stage that is ready to be called.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Engine;
use wasmtime::component::Component;

use super::engine::{Claim, Shared};
use super::exports::Exports;
use super::instance::Blueprint;
use super::pool::Pool;
use super::sandbox::{self, Unlinked};
use super::{StageLimits, call::Stage};
use crate::clock::MAX_TIME;
use crate::error::{Error, Invalid, StageFault};

/// What the first bytes of a file say that it is (component model, binary format).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Component,
    CoreModule,
    Other,
}

impl Kind {
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Self::Component,
            [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => Self::CoreModule,
            _ => Self::Other,
        }
    }
}

/// Loads a component and starts its first instance.
///
/// # Errors
/// [`Invalid::Component`], [`Invalid::Config`].
pub(super) fn load(shared: &Arc<Shared>, name: &str, wasm: &[u8], limits: StageLimits) -> Result<Arc<Stage>, Error> {
    let unusable = |why: String| Invalid::Component { name: name.to_owned(), why };
    check(name, &limits)?;
    match Kind::of(wasm) {
        Kind::Component => {}
        Kind::CoreModule => {
            return Err(unusable(
                "is a core WebAssembly module and no component: build it for wasm32-wasip2, or turn it into one with \
                 `wasm-tools component new`"
                    .to_owned(),
            )
            .into());
        }
        Kind::Other => {
            return Err(unusable("is not WebAssembly: build it with `cargo build --target wasm32-wasip2`, say".to_owned()).into());
        }
    }
    let (engine, component, claim) = compile(shared, wasm, &limits)
        .map_err(|error| unusable(format!("is no component that this version can run: {error:#}")))?;
    let pre = sandbox::link(&engine, &component)
        .and_then(|linker| Ok(linker.instantiate_pre(&component)?))
        .map_err(|error| unusable(explain(error)))?;
    let exports = Exports::of(&component).map_err(unusable)?;
    let ticks = shared.ticker.ticks(limits.deadline);
    let blueprint = Blueprint { pre, exports, limits, ticks, shared: Arc::clone(shared) };
    let first = blueprint.start().map_err(|fault| {
        unusable(match fault {
            StageFault::Start(why) => format!("does not start: {why}"),
            fault => format!("does not start: {fault}"),
        })
    })?;
    Ok(Arc::new(Stage::new(name, Pool::new(blueprint, first, claim))))
}

fn check(name: &str, limits: &StageLimits) -> Result<(), Invalid> {
    let of = |what: &str, why: &str| Invalid::Config { what: format!("the {what} of the stage {name:?}"), why: why.to_owned() };
    if limits.instances == 0 {
        return Err(of("instances", "there are none, so no call can be made: allow at least 1"));
    }
    if limits.deadline < Duration::from_millis(1) {
        return Err(of("deadline", "it is under 1 ms, so no call can be made in time: give at least 1 ms"));
    }
    if limits.deadline > MAX_TIME {
        return Err(of("deadline", "it is over 100 years: give less"));
    }
    Ok(())
}

/// Compiles for the engine with reserved places if there are enough left, and the component fits them.
fn compile(shared: &Arc<Shared>, wasm: &[u8], limits: &StageLimits) -> wasmtime::Result<(Engine, Component, Option<Claim>)> {
    if let Some(pooling) = &shared.pooling {
        match Component::from_binary(pooling, wasm) {
            Ok(component) => {
                if let Some(claim) = places(&component, limits).and_then(|count| shared.claim(count)) {
                    return Ok((pooling.clone(), component, Some(claim)));
                }
                tracing::debug!("not enough reserved places are left for a stage: its instances start more slowly");
            }
            Err(error) => tracing::debug!("a component does not fit the reserved places: {error:#}"),
        }
    }
    let component = Component::from_binary(&shared.on_demand, wasm)?;
    Ok((shared.on_demand.clone(), component, None))
}

/// How many places all instances of a component take.
fn places(component: &Component, limits: &StageLimits) -> Option<u32> {
    let needs = component.resources_required()?;
    let each = needs.num_memories.max(needs.num_tables).max(1);
    each.checked_mul(u32::try_from(limits.instances).ok()?)
}

fn explain(error: Unlinked) -> String {
    match error {
        Unlinked::Ungranted(imports) => format!(
            "imports {}, which no stage is granted: a stage is pure, and finds nothing but the WASI 0.2 that its language's \
             standard library needs",
            imports.join(", ")
        ),
        Unlinked::Mismatch(error) => format!("imports a WASI that is not the one published: {error:#}"),
    }
}
