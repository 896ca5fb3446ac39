//! The engine that all stages of a program share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime::{Cache, Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::code_cache::CodeCache;
use super::ticker::Ticker;
use super::{StageComponent, StageLimits, load};
use crate::error::{Error, Invalid};

/// How many elements a table in a reserved place may have. A component with more gets its tables when it starts.
const TABLE: usize = 20_000;

/// How a [`StageEngine`] is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageEngineOptions {
    /// Where compiled code is kept between starts. In the user's cache directory by default.
    pub code_cache: CodeCache,
    /// For how many instances, of all stages together, address space is reserved: these start several times as fast. Some
    /// 4 GiB of addresses each, and no memory. 256 by default, 0 for none.
    pub reserved: u32,
}

impl Default for StageEngineOptions {
    fn default() -> Self {
        Self { code_cache: CodeCache::default(), reserved: 256 }
    }
}

/// Loads stages. Cheap to clone; one is enough for a program.
#[derive(Debug, Clone)]
pub struct StageEngine {
    shared: Arc<Shared>,
}

impl StageEngine {
    /// Makes an engine. Where the address space that [`StageEngineOptions::reserved`] asks for is not to be had, every instance
    /// gets its own when it starts.
    ///
    /// # Errors
    /// [`Invalid::Config`] when the code cache's directory cannot be used, or this machine cannot run WebAssembly.
    pub fn new(options: &StageEngineOptions) -> Result<Self, Error> {
        let cache = options.code_cache.open()?;
        let mut config = config();
        config.cache(cache.clone());
        let on_demand = Engine::new(&config).map_err(|error| unusable(&format!("{error:#}")))?;
        let pooling = pooling(&mut config, options.reserved);
        let engines = pooling.iter().chain([&on_demand]).cloned().collect();
        let ticker = Ticker::start(engines).map_err(|error| unusable(&format!("no thread for its ticker: {error}")))?;
        let left = AtomicU32::new(if pooling.is_some() { options.reserved } else { 0 });
        Ok(Self { shared: Arc::new(Shared { on_demand, pooling, left, ticker, cache }) })
    }

    /// Compiles a component, or finds its code in the cache, and starts a first instance of it. `name` is what messages call it.
    ///
    /// Compiling takes a while (50 ms for a small Rust component, seconds for one with an interpreter in it); call it from where
    /// that may be waited for.
    ///
    /// # Errors
    /// [`Invalid::Component`] for what is no component, imports what a stage does not get, exports no stage, or does not start;
    /// [`Invalid::Config`] for limits under which no call can work.
    pub fn load(&self, name: &str, wasm: &[u8], limits: StageLimits) -> Result<StageComponent, Error> {
        Ok(StageComponent::new(load::load(&self.shared, name, wasm, limits)?))
    }

    /// How many components were found in the code cache since this engine was made.
    #[must_use]
    pub fn code_cache_hits(&self) -> usize {
        self.shared.cache.as_ref().map_or(0, Cache::cache_hits)
    }
}

/// What all stages of an engine share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) on_demand: Engine,
    pub(super) pooling: Option<Engine>,
    /// How many of the reserved places nobody has claimed.
    left: AtomicU32,
    pub(super) ticker: Ticker,
    cache: Option<Cache>,
}

impl Shared {
    /// Claims reserved places, if there are so many left.
    pub(super) fn claim(self: &Arc<Self>, count: u32) -> Option<Claim> {
        self.left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(count))
            .is_ok()
            .then(|| Claim { shared: Arc::clone(self), count })
    }
}

/// Reserved places that are one stage's until this is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    shared: Arc<Shared>,
    count: u32,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.shared.left.fetch_add(self.count, Ordering::AcqRel);
    }
}

fn unusable(why: &str) -> Error {
    Invalid::Config { what: "the stage engine".to_owned(), why: why.to_owned() }.into()
}

/// What both engines have in common. Floats are kept deterministic, so that an entry has one name on all machines.
fn config() -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    config
}

/// The engine whose instances take places that were reserved before.
fn pooling(config: &mut Config, reserved: u32) -> Option<Engine> {
    if reserved == 0 {
        return None;
    }
    let mut places = PoolingAllocationConfig::new();
    places
        .total_memories(reserved)
        .total_tables(reserved)
        .total_component_instances(reserved)
        // Counted, not reserved: a component has as many as it was linked from.
        .total_core_instances(reserved.saturating_mul(64))
        .total_stacks(1)
        .table_elements(TABLE)
        // Tables are small: to clear one is cheaper than to have the system do it.
        .table_keep_resident(TABLE * size_of::<usize>())
        .max_unused_warm_slots(reserved);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(places));
    Engine::new(config).inspect_err(|error| tracing::debug!("stage instances get their address space one by one: {error:#}")).ok()
}
