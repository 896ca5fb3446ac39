//! Distributed locks and herd-proof caches on Redis, for Rust and for WebAssembly components.
//!
//! ```
//! use std::time::Duration;
//!
//! use bellwether::clock::Wait;
//! use bellwether::lock::LockOptions;
//! use bellwether::store::{self, StoreOptions};
//! use bellwether::{Caches, Locks};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), bellwether::Error> {
//!     // Or redis://host, redis+sentinel://host,host/service, redis+cluster://host,host
//!     let store = store::open("memory:", &StoreOptions::default()).await?;
//!     let (locks, caches) = (Locks::new(store.clone()), Caches::new(store));
//!
//!     let reports = caches.open("reports", None)?;
//!     let lock = locks.open("report of today", LockOptions::default())?;
//!     if let Some(guard) = lock.acquire(Wait::UpTo(Duration::from_secs(10))).await? {
//!         // Whoever held the lock before may have written the report meanwhile.
//!         if reports.get::<String>("today").await?.is_none() {
//!             reports.set("today", "all is well", Some(Duration::from_secs(3600))).await?;
//!         }
//!         guard.release().await?;
//!     }
//!     assert_eq!(reports.get::<String>("today").await?.as_deref(), Some("all is well"));
//!     locks.settled().await;
//!     Ok(())
//! }
//! ```
//!
//! # Where to begin
//! - [`lock`]: leases, renewal, fences, hand-over.
//! - [`cache`]: entries that pass through the stages of [`stage`]: identity, serializer, compressor.
//! - [`store`]: where both are kept: in memory, on a Redis server, behind Sentinel, on a Redis Cluster.
#![cfg_attr(
    feature = "component",
    doc = "- [`runtime`]: runs guests, which are components that import locks and caches; [`config`] reads its settings from a file.",
    doc = "- [`guest`]: the same for those who own their wasmtime linker.",
    doc = "- [`stage::component`]: stages that are sandboxed components."
)]
//! - [`error`]: everything that can go wrong, as types.
//!
//! # Features
//! `redis` (stores on Redis) and `component` (guests and stages as WebAssembly components, by wasmtime) are on by default. Without
//! them this is a small library with a store in memory.

pub mod cache;
pub mod cbor;
pub mod clock;
#[cfg(feature = "component")]
pub mod config;
pub mod envelope;
mod errand;
pub mod error;
pub mod glob;
#[cfg(feature = "component")]
pub mod guest;
pub mod lock;
pub mod names;
mod pause;
#[cfg(feature = "component")]
pub mod runtime;
pub mod stage;
pub mod store;
#[cfg(test)]
mod told;

pub use cache::{Cache, Caches};
pub use error::Error;
pub use lock::{Lock, Locks};
#[cfg(feature = "component")]
pub use runtime::{Guest, GuestError, GuestLimits, GuestRun, Runtime, RuntimeBuilder};
