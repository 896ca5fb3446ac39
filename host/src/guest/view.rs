//! What the bindings see of a store's data.

use wasmtime::component::{HasData, Linker, ResourceTable};

use super::bindings::bellwether::core::{cache, lock, multi_lock, read_write_lock, semaphore, types};
use super::grant::Grant;
use super::quota::{Quota, Quotas};
use super::worker::Worker;
use crate::cache::Caches;
use crate::lock::Locks;

/// What guests can import of `bellwether:core`, by version, the newest first.
pub(crate) const INTERFACES: [(&str, &[&str]); 2] =
    [("0.2.0", &["types", "lock", "read-write-lock", "semaphore", "multi-lock", "cache"]), (V0_1, &["types", "lock", "cache"])];

/// The version before, of which every guest keeps running.
const V0_1: &str = "0.1.0";

/// Adds all interfaces of `bellwether:core` that guests can import to a linker, those of 0.2.0 and those of 0.1.0. The linker's
/// engine needs `Config::wasm_component_model_async`.
///
/// What a guest may do with them is up to the [`BellwetherCtx`] in its store.
///
/// # Errors
/// When the linker has one of them already.
pub fn add_to_linker<T: BellwetherView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    types::add_to_linker::<T, HasBellwether>(linker, T::bellwether)?;
    lock::add_to_linker::<T, HasBellwether>(linker, T::bellwether)?;
    read_write_lock::add_to_linker::<T, HasBellwether>(linker, T::bellwether)?;
    semaphore::add_to_linker::<T, HasBellwether>(linker, T::bellwether)?;
    multi_lock::add_to_linker::<T, HasBellwether>(linker, T::bellwether)?;
    cache::add_to_linker::<T, HasBellwether>(linker, T::bellwether)?;
    add_v0_1_to_linker(linker)
}

/// Adds what 0.1.0 had. Later versions only added to it, so the same functions serve it under its old name. An interface that is to
/// change needs bindings of its own version, from `wit/previous/`.
fn add_v0_1_to_linker<T: BellwetherView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let name = |interface: &str| format!("bellwether:core/{interface}@{V0_1}");
    types::add_to_linker_instance::<T, HasBellwether>(&mut linker.instance(&name("types"))?, T::bellwether)?;
    lock::add_to_linker_instance::<T, HasBellwether>(&mut linker.instance(&name("lock"))?, T::bellwether)?;
    cache::add_to_linker_instance::<T, HasBellwether>(&mut linker.instance(&name("cache"))?, T::bellwether)
}

/// Store data that a guest with locks and caches can run on.
pub trait BellwetherView: Send {
    /// The guest's context, and the table of its resources.
    fn bellwether(&mut self) -> BellwetherCtxView<'_>;
}

/// What [`BellwetherView`] gives.
#[derive(Debug)]
pub struct BellwetherCtxView<'a> {
    /// The guest's context.
    pub ctx: &'a mut BellwetherCtx,
    /// Where its locks, guards and caches are kept; WASI may share it.
    pub table: &'a mut ResourceTable,
}

/// The tag under which the bindings find a [`BellwetherCtxView`].
#[derive(Debug)]
pub struct HasBellwether;

impl HasData for HasBellwether {
    type Data<'a> = BellwetherCtxView<'a>;
}

/// Whose locks and caches one guest uses, and how much of them. Every store has one of its own.
#[derive(Debug)]
pub struct BellwetherCtx {
    pub(super) locks: Locks,
    pub(super) caches: Caches,
    pub(super) grant: Grant,
    pub(super) quota: Quota,
    pub(super) worker: Worker,
}

impl BellwetherCtx {
    /// A context for one guest. The prefixes of `locks` and `caches` keep its names apart from those of others.
    #[must_use]
    pub fn new(locks: Locks, caches: Caches, grant: Grant, quotas: Quotas) -> Self {
        Self { locks, caches, grant, quota: Quota::new(quotas), worker: Worker::default() }
    }
}
