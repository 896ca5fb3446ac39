//! What a stage finds behind its imports: a WASI 0.2 in which nothing is there.
//!
//! Not wasmtime-wasi's, for that blocks on tokio wherever a guest may wait, and stages are called on tokio's own workers, where
//! blocking panics. Nothing here ever waits, does I/O, or answers the same question in two ways on two machines.

use wasmtime::component::types::{ComponentFunc, ComponentInstance, ComponentItem, Type};
use wasmtime::component::{Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, Val};
use wasmtime::{Engine, StoreContextMut};

use super::cell::Cell;

/// The packages of WASI 0.2 that the standard libraries of languages import.
const PACKAGES: [&str; 6] = ["wasi:io", "wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:random", "wasi:sockets"];

/// How much a stage may print at once, in bytes.
const PRINT: u64 = 4096;

/// How many random bytes a stage may take at once.
const RANDOM: u64 = 64 * 1024;

/// Why a component cannot be linked.
#[derive(Debug)]
pub(super) enum Unlinked {
    /// It imports what is not granted.
    Ungranted(Vec<String>),
    /// An import does not have the type that WASI gives it.
    Mismatch(wasmtime::Error),
}

impl From<wasmtime::Error> for Unlinked {
    fn from(error: wasmtime::Error) -> Self {
        Self::Mismatch(error)
    }
}

/// A linker with everything that the component imports.
///
/// # Errors
/// [`Unlinked`], with all imports that nobody grants.
pub(super) fn link(engine: &Engine, component: &Component) -> Result<Linker<Cell>, Unlinked> {
    let mut linker = Linker::new(engine);
    let mut ungranted = Vec::new();
    for (name, import) in component.component_type().imports(engine) {
        match (interface(name), import.ty) {
            (interface, ComponentItem::ComponentInstance(instance)) if interface.is_some() || only_types(engine, &instance) => {
                let mut inert = linker.instance(name)?;
                for (item, export) in instance.exports(engine) {
                    match export.ty {
                        // All resources are the same to the host, for there is nothing behind any of them.
                        ComponentItem::Resource(_) => inert.resource(item, ResourceType::host::<()>(), |_, _| Ok(()))?,
                        ComponentItem::ComponentFunc(_) => define(&mut inert, interface.unwrap_or_default(), name, item)?,
                        _ => {}
                    }
                }
            }
            (_, ComponentItem::Type(_)) => {}
            _ => ungranted.push(name.to_owned()),
        }
    }
    if ungranted.is_empty() { Ok(linker) } else { Err(Unlinked::Ungranted(ungranted)) }
}

/// The interface of `wasi:io/streams@0.2.6` as `io/streams`, if it is one of WASI 0.2's that stages find.
fn interface(name: &str) -> Option<&str> {
    let (path, version) = name.split_once('@')?;
    let (package, _) = path.split_once('/')?;
    (PACKAGES.contains(&package) && version.starts_with("0.2.")).then(|| path.strip_prefix("wasi:"))?
}

/// Whether an interface gives nothing but names of types, as our own `types` does.
fn only_types(engine: &Engine, instance: &ComponentInstance) -> bool {
    instance.exports(engine).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
}

/// An error of a stream.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<()>),
    #[component(name = "closed")]
    Closed,
}

/// A time of the wall clock.
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Cx<'a> = StoreContextMut<'a, Cell>;
type Streamed<T> = (Result<T, StreamError>,);

/// Defines one function.
fn define(inert: &mut LinkerInstance<'_, Cell>, interface: &str, full: &str, name: &str) -> wasmtime::Result<()> {
    match (interface, name) {
        ("io/poll", "poll") => inert.func_wrap(name, |_: Cx<'_>, (all,): (Vec<Resource<()>>,)| {
            Ok(((0..u32::try_from(all.len()).unwrap_or(u32::MAX)).collect::<Vec<u32>>(),))
        }),
        ("io/poll", "[method]pollable.ready") => inert.func_wrap(name, |_: Cx<'_>, (_,): (Resource<()>,)| Ok((true,))),
        ("io/poll", "[method]pollable.block") => inert.func_wrap(name, |_: Cx<'_>, (_,): (Resource<()>,)| Ok(())),
        ("io/streams", "[method]input-stream.read" | "[method]input-stream.blocking-read") => inert
            .func_wrap(name, |_: Cx<'_>, (_, _): (Resource<()>, u64)| -> wasmtime::Result<Streamed<Vec<u8>>> {
                Ok((Err(StreamError::Closed),))
            }),
        ("io/streams", "[method]output-stream.check-write") => {
            inert.func_wrap(name, |_: Cx<'_>, (_,): (Resource<()>,)| -> wasmtime::Result<Streamed<u64>> { Ok((Ok(PRINT),)) })
        }
        ("io/streams", "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush") => {
            inert.func_wrap(name, |mut cx: Cx<'_>, (_, bytes): (Resource<()>, Vec<u8>)| -> wasmtime::Result<Streamed<()>> {
                cx.data_mut().say(&bytes);
                Ok((Ok(()),))
            })
        }
        ("io/streams", "[method]output-stream.flush" | "[method]output-stream.blocking-flush") => {
            inert.func_wrap(name, |_: Cx<'_>, (_,): (Resource<()>,)| -> wasmtime::Result<Streamed<()>> { Ok((Ok(()),)) })
        }
        ("io/streams", "[method]output-stream.subscribe" | "[method]input-stream.subscribe") => {
            inert.func_wrap(name, |_: Cx<'_>, (_,): (Resource<()>,)| Ok((Resource::<()>::new_own(0),)))
        }
        ("clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
            inert.func_wrap(name, |_: Cx<'_>, (_,): (u64,)| Ok((Resource::<()>::new_own(0),)))
        }
        ("cli/stdin", "get-stdin")
        | ("cli/stdout", "get-stdout")
        | ("cli/stderr", "get-stderr")
        | ("sockets/instance-network", "instance-network") => {
            inert.func_wrap(name, |_: Cx<'_>, (): ()| Ok((Resource::<()>::new_own(0),)))
        }
        ("cli/exit", "exit") => inert.func_wrap(name, |_: Cx<'_>, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
            let status = if status.is_ok() { "success" } else { "failure" };
            Err(wasmtime::Error::msg(format!("it called exit with {status}, which ends a program, not a stage")))
        }),
        ("clocks/monotonic-clock", "now") => inert.func_wrap(name, |_: Cx<'_>, (): ()| Ok((0_u64,))),
        ("clocks/monotonic-clock", "resolution") => inert.func_wrap(name, |_: Cx<'_>, (): ()| Ok((1_u64,))),
        ("clocks/wall-clock", "now") => inert.func_wrap(name, |_: Cx<'_>, (): ()| Ok((Datetime { seconds: 0, nanoseconds: 0 },))),
        ("clocks/wall-clock", "resolution") => {
            inert.func_wrap(name, |_: Cx<'_>, (): ()| Ok((Datetime { seconds: 1, nanoseconds: 0 },)))
        }
        ("random/random", "get-random-bytes") | ("random/insecure", "get-insecure-random-bytes") => {
            inert.func_wrap(name, |mut cx: Cx<'_>, (len,): (u64,)| {
                if len > RANDOM {
                    return Err(wasmtime::Error::msg(format!("it asked for {len} random bytes, and at most {RANDOM} are given")));
                }
                let mut bytes = Vec::new();
                while (bytes.len() as u64) < len {
                    bytes.extend(cx.data_mut().random().to_le_bytes());
                }
                bytes.truncate(usize::try_from(len)?);
                Ok((bytes,))
            })
        }
        ("random/random", "get-random-u64") | ("random/insecure", "get-insecure-random-u64") => {
            inert.func_wrap(name, |mut cx: Cx<'_>, (): ()| Ok((cx.data_mut().random(),)))
        }
        ("random/insecure-seed", "insecure-seed" | "get-insecure-seed") => {
            inert.func_wrap(name, |mut cx: Cx<'_>, (): ()| Ok(((cx.data_mut().random(), cx.data_mut().random()),)))
        }
        _ => {
            let text = format!("it called {full} {name}, and a stage has nothing there");
            inert.func_new(name, move |_, ty, _, results| nothing(&ty, results).ok_or_else(|| wasmtime::Error::msg(text.clone())))
        }
    }
}

/// The answer that says that there is nothing, if the function's type has one: none, an empty list, or access denied.
fn nothing(ty: &ComponentFunc, results: &mut [Val]) -> Option<()> {
    for (ty, result) in ty.results().zip(results) {
        *result = match ty {
            Type::Option(_) => Val::Option(None),
            Type::List(_) => Val::List(Vec::new()),
            Type::Result(ty) => match ty.err() {
                Some(Type::Enum(codes)) => {
                    let denied = codes.names().find(|code| ["access-denied", "not-permitted"].contains(code))?;
                    Val::Result(Err(Some(Box::new(Val::Enum(denied.to_owned())))))
                }
                _ => return None,
            },
            _ => return None,
        };
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_wasi_0_2_is_there() {
        assert_eq!(interface("wasi:io/streams@0.2.6"), Some("io/streams"));
        for name in ["wasi:io/streams@0.3.0", "wasi:http/types@0.2.3", "bellwether:core/lock@0.1.0", "wasi:io/streams", "log"] {
            assert_eq!(interface(name), None, "{name}");
        }
    }
}
