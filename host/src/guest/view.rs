//! What the bindings see of a store's data.

use wasmtime::component::{HasData, Linker, ResourceTable};

use super::bindings::bellwether::core::{cache, lock, types};
use super::grant::Grant;
use super::quota::{Quota, Quotas};
use crate::cache::Caches;
use crate::lock::Locks;

/// Adds the interfaces `types`, `lock` and `cache` of `bellwether:core` to a linker. The linker's engine needs
/// `Config::wasm_component_model_async`.
///
/// What a guest may do with them is up to the [`BellwetherCtx`] in its store.
///
/// # Errors
/// When the linker has one of them already.
pub fn add_to_linker<T: BellwetherView + 'static>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    types::add_to_linker::<T, HasBellwether>(linker, T::bellwether)?;
    lock::add_to_linker::<T, HasBellwether>(linker, T::bellwether)?;
    cache::add_to_linker::<T, HasBellwether>(linker, T::bellwether)
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
}

impl BellwetherCtx {
    /// A context for one guest. The prefixes of `locks` and `caches` keep its names apart from those of others.
    #[must_use]
    pub fn new(locks: Locks, caches: Caches, grant: Grant, quotas: Quotas) -> Self {
        Self { locks, caches, grant, quota: Quota::new(quotas) }
    }
}
