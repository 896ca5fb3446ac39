//! Locks and caches for guests: the host's side of the WIT package `bellwether:core`.
//!
//! Most platforms use [`crate::runtime::Runtime`], which is built on this. Those who have a wasmtime linker and store data of
//! their own implement [`BellwetherView`] for the latter and call [`add_to_linker`]:
//!
//! ```
//! use bellwether::guest::{BellwetherCtx, BellwetherCtxView, BellwetherView, add_to_linker};
//! use wasmtime::component::{Linker, ResourceTable};
//!
//! struct State {
//!     bellwether: BellwetherCtx,
//!     table: ResourceTable,
//! }
//!
//! impl BellwetherView for State {
//!     fn bellwether(&mut self) -> BellwetherCtxView<'_> {
//!         BellwetherCtxView { ctx: &mut self.bellwether, table: &mut self.table }
//!     }
//! }
//!
//! fn main() -> wasmtime::Result<()> {
//!     let mut config = wasmtime::Config::new();
//!     config.wasm_component_model_async(true);
//!     let engine = wasmtime::Engine::new(&config)?;
//!     let mut linker = Linker::<State>::new(&engine);
//!     add_to_linker(&mut linker)?;
//!     // … add WASI, instantiate a component with a `BellwetherCtx` of its own, and run it with `Store::run_concurrent`.
//!     Ok(())
//! }
//! ```
//!
//! A guest that ends in any way, by a trap, by an exit or because its store was dropped, leaves its guards behind in the
//! [`ResourceTable`](wasmtime::component::ResourceTable). They are dropped with it, and their locks released in the background.

mod bindings;
#[allow(unreachable_pub, reason = "the bindings re-export its types")]
mod cache;
#[allow(unreachable_pub, reason = "the bindings re-export its types")]
mod call;
#[allow(unreachable_pub, reason = "the bindings re-export its types")]
mod convert;
mod grant;
#[allow(unreachable_pub, reason = "the bindings re-export its types")]
mod lock;
#[allow(unreachable_pub, reason = "the bindings re-export its types")]
mod multi_lock;
mod quota;
#[allow(unreachable_pub, reason = "the bindings re-export its types")]
mod read_write_lock;
#[allow(unreachable_pub, reason = "the bindings re-export its types")]
mod semaphore;
mod under_way;
mod view;
mod worker;

pub use grant::{Directory, Grant, Names};
pub use quota::Quotas;
pub(crate) use view::INTERFACES;
pub use view::{BellwetherCtx, BellwetherCtxView, BellwetherView, HasBellwether, add_to_linker};
