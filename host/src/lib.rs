//! Distributed locks and herd-proof caches on Redis, for Rust and for WebAssembly components.

pub mod cache;
pub mod cbor;
pub mod clock;
pub mod envelope;
pub mod error;
pub mod glob;
pub mod lock;
pub mod names;
pub mod stage;
pub mod store;

pub use cache::{Cache, Caches};

pub use error::Error;
