//! Whether a component can run here, and as what.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime_wasi::{p2, p3};

use super::state::State;
use crate::guest::INTERFACES;

/// The export that the world `guest` has.
const RUN: &str = "wasi:cli/run@0.3.0";

/// What an interface of ours begins with.
const OURS: &str = "bellwether:core/";

/// A component that can be run.
pub(super) enum Command {
    /// By its asynchronous `run` of WASI 0.3.
    P3(p3::bindings::CommandPre<State>),
    /// By its synchronous `run` of WASI 0.2.
    P2(p2::bindings::CommandPre<State>),
}

/// Checks that bytes begin as a component does. An error says what they are instead, and what to do.
pub(super) fn is_component(bytes: &[u8]) -> Result<(), String> {
    const HOW: &str = "build one for the target wasm32-wasip2, for example with `cargo build --target wasm32-wasip2`";
    match bytes {
        [] => Err(format!("is empty: {HOW}")),
        [0, b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [0, b'a', b's', b'm', _, _, 0, 0, ..] => {
            Err(format!("is a core WebAssembly module, not a component: {HOW}, or wrap it with `wasm-tools component new`"))
        }
        [0, b'a', b's', b'm', ..] => Err(format!("is cut off, or of an unknown version of WebAssembly: {HOW}")),
        _ if bytes.trim_ascii_start().starts_with(b"(") => {
            Err("seems to be WebAssembly text: turn it into a binary with `wasm-tools parse`".to_owned())
        }
        _ => Err(format!("is not WebAssembly: {HOW}")),
    }
}

/// Finds out how to run a component. An error says why it cannot be run, and what to do.
pub(super) fn command(component: &Component, linker: &Linker<State>) -> Result<Command, String> {
    let engine = component.engine();
    let run = Run::of(component, engine)?;
    if let Run::P2(name) = &run {
        cannot_wait(component, engine, name)?;
    }
    let instance = linker.instantiate_pre(component).map_err(|why| unlinked(component, engine, &why))?;
    run.command(instance)
}

/// The export by which a component is run.
enum Run {
    P3,
    P2(String),
}

impl Run {
    fn of(component: &Component, engine: &Engine) -> Result<Self, String> {
        let ty = component.component_type();
        let exports: Vec<&str> = ty.exports(engine).map(|(name, _)| name).collect();
        if exports.iter().any(|name| name.starts_with("wasi:cli/run@0.3.")) {
            return Ok(Self::P3);
        }
        if let Some(name) = exports.iter().find(|name| name.starts_with("wasi:cli/run@0.2.")) {
            return Ok(Self::P2((*name).to_owned()));
        }
        let stage = ["identity", "serializer", "compressor"]
            .iter()
            .any(|kind| exports.iter().any(|name| name.strip_prefix(OURS).is_some_and(|rest| rest.starts_with(kind))));
        let what_to_do = if stage {
            "it is a stage, so register it as one".to_owned()
        } else if exports.is_empty() {
            format!("it exports nothing at all; with the guest SDK, `main!` exports `{RUN}`")
        } else {
            format!("it exports {}; with the guest SDK, `main!` exports `{RUN}`", exports.join(", "))
        };
        Err(format!("does not export `{RUN}`, so it cannot be run: {what_to_do}"))
    }

    fn command(self, instance: InstancePre<State>) -> Result<Command, String> {
        match self {
            Self::P3 => p3::bindings::CommandPre::new(instance).map(Command::P3),
            Self::P2(_) => p2::bindings::CommandPre::new(instance).map(Command::P2),
        }
        .map_err(|why| format!("exports a `run` that is not that of `wasi:cli`: {why:#}"))
    }
}

/// Refuses a command whose `run` is synchronous and that imports asynchronous functions: it would trap as soon as it waited for one.
fn cannot_wait(component: &Component, engine: &Engine, run: &str) -> Result<(), String> {
    let ty = component.component_type();
    for (import, item) in ty.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        for (function, item) in instance.exports(engine) {
            if matches!(item.ty, ComponentItem::ComponentFunc(func) if func.async_()) {
                return Err(format!(
                    "imports the asynchronous `{import}` ({function}), and its synchronous `{run}` could not wait for it: \
                     export `{RUN}` instead, with the guest SDK by `main!`"
                ));
            }
        }
    }
    Ok(())
}

/// What to say about a component that imports what is not there.
fn unlinked(component: &Component, engine: &Engine, why: &wasmtime::Error) -> String {
    let ty = component.component_type();
    for (import, _) in ty.imports(engine) {
        if import.strip_prefix(OURS).is_some_and(|ours| !is_known(ours)) {
            return format!("imports `{import}`, which this version does not have: build it against {}", ours(" or "));
        }
    }
    format!("imports what nobody grants: {why:#}. Guests can import {}, and WASI 0.2 and 0.3 without HTTP", ours(" and "))
}

/// Whether there is such an interface, as `lock@0.1.0`.
fn is_known(ours: &str) -> bool {
    let Some((interface, version)) = ours.split_once('@') else { return false };
    INTERFACES.iter().any(|(known, interfaces)| *known == version && interfaces.contains(&interface))
}

/// All interfaces of ours, as `bellwether:core/{lock,cache}@0.1.0`.
fn ours(and: &str) -> String {
    let versions = INTERFACES.iter().map(|(version, interfaces)| format!("`{OURS}{{{}}}@{version}`", interfaces.join(",")));
    versions.collect::<Vec<_>>().join(and)
}
