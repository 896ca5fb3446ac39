//! Stages that are components: sandboxed, bounded, in any language.
//!
//! A [`StageEngine`] compiles components and keeps the code in a cache on disk; a [`StageComponent`] is one of them with a pool
//! of warm instances, and stands behind the same traits as every other stage.
//!
//! A stage is pure, so it is granted nothing: the components of most languages import WASI 0.2 all the same, and find one in
//! which nothing is there.
//!
//! # What a stage finds
//! No files, no network, no arguments, no environment, an empty standard input. The clocks stand still at zero, and every
//! instance is given the same random numbers: the same input gives the same output on every machine. (A stage that hashes
//! hostile input can be slowed down by it; its deadline bounds that.) What it prints is thrown away, but the last of it is part
//! of the report of a trap. Any other import keeps a component from being loaded.
//!
//! # Where a stage runs
//! Inputs of up to [`INLINE`] bytes are worked on at once, on the caller's thread: a warm call is shorter than a hop to another.
//! Larger ones, and all of a stage that once overran its deadline or is slow again and again, go through tokio's `spawn_blocking`, so that no worker is kept
//! from its tasks. Outside a tokio runtime everything runs on the caller's thread.
//!
//! # Example
//! ```no_run
//! # fn main() -> Result<(), bellwether::Error> {
//! use bellwether::stage::component::{StageEngine, StageEngineOptions, StageLimits};
//!
//! let engine = StageEngine::new(&StageEngineOptions::default())?;
//! let wasm = std::fs::read("msgpack.wasm").unwrap_or_default();
//! let stage = engine.load("msgpack", &wasm, StageLimits::default())?;
//! let serializer = stage.serializer();
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

mod call;
mod cell;
mod code_cache;
mod engine;
mod exports;
mod instance;
mod load;
mod pool;
mod sandbox;
mod stages;
mod ticker;

pub use call::INLINE;
pub use code_cache::CodeCache;
pub use engine::{StageEngine, StageEngineOptions};
pub use stages::StageComponent;

/// What one stage component may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageLimits {
    /// How long one call may take, and one start of an instance. At least 1 ms; kept to within some 10 ms. 1 s by default.
    pub deadline: Duration,
    /// How long a call may wait while all instances are busy. 1 s by default.
    pub wait: Duration,
    /// The memory of one instance, in bytes. 64 MiB by default.
    pub memory: u64,
    /// The elements of one instance's tables, all together. 100,000 by default.
    pub table: usize,
    /// The output of one call, in bytes. 16 MiB by default.
    pub output: u64,
    /// How many instances there may be at once, at least 1. 8 by default.
    pub instances: usize,
    /// Whether each call has an instance of its own, so that no call can leave anything to the next. Some ten microseconds a
    /// call. False by default.
    pub fresh: bool,
}

impl Default for StageLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(1),
            wait: Duration::from_secs(1),
            memory: 64 << 20,
            table: 100_000,
            output: 16 << 20,
            instances: 8,
            fresh: false,
        }
    }
}
