//! Distributed locks and herd-proof caches on Redis, for Rust and for WebAssembly components.

pub mod cache;
pub mod cbor;
pub mod clock;
#[cfg(feature = "component")]
pub mod config;
pub mod envelope;
pub mod error;
pub mod glob;
#[cfg(feature = "component")]
pub mod guest;
pub mod lock;
pub mod names;
#[cfg(feature = "component")]
pub mod runtime;
pub mod stage;
pub mod store;

pub use cache::{Cache, Caches};

pub use error::Error;
pub use lock::{Lock, Locks};
#[cfg(feature = "component")]
pub use runtime::{Guest, GuestError, GuestLimits, GuestRun, Runtime, RuntimeBuilder};
