//! How a runtime comes to be.

use std::fmt;
use std::sync::Arc;

use super::code::{Code, Wasm};
use super::limits::GuestLimits;
use super::run::Defaults;
use super::{CodeCache, Inner, Runtime, StageLimits};
use crate::cache::{CachePolicy, Caches, EnvelopeChoice, StageChoice};
use crate::error::{Error, StageKind};
use crate::guest::Grant;
use crate::lock::{LockClass, Locks, Quorum};
use crate::names::{Holder, Prefix};
use crate::stage::Stages;
use crate::stage::component::{StageEngine, StageEngineOptions};
use crate::store::{self, Store, StoreOptions};

/// What a [`Runtime`] is to have. All of it is checked by [`RuntimeBuilder::build`].
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct RuntimeBuilder {
    store: Source,
    store_options: StoreOptions,
    prefix: String,
    holder: Holder,
    native_stages: Stages,
    stages: Vec<Stage>,
    quorum: Quorum,
    lock_classes: Vec<(String, Arc<dyn LockClass>)>,
    policy: CachePolicy,
    defaults: Defaults,
    code_cache: CodeCache,
}

enum Source {
    Address(String),
    Open(Arc<dyn Store>),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The rest may have a password in it.
            Self::Address(address) => write!(f, "{}:…", address.split(':').next().unwrap_or_default()),
            Self::Open(store) => store.fmt(f),
        }
    }
}

#[derive(Debug)]
struct Stage {
    name: String,
    wasm: Wasm,
    limits: StageLimits,
}

impl Default for RuntimeBuilder {
    fn default() -> Self {
        Self {
            store: Source::Address("memory:".to_owned()),
            store_options: StoreOptions::default(),
            prefix: String::new(),
            holder: Holder::default(),
            native_stages: Stages::builtin(),
            stages: Vec::new(),
            quorum: Quorum::default(),
            lock_classes: Vec::new(),
            policy: CachePolicy::default(),
            defaults: Defaults::default(),
            code_cache: CodeCache::default(),
        }
    }
}

impl RuntimeBuilder {
    /// The address of the store, as [`store::open`] understands it. `memory:` by default.
    pub fn store(mut self, address: impl Into<String>) -> Self {
        self.store = Source::Address(address.into());
        self
    }

    /// The address of the store as it is set so far, password and all.
    #[must_use]
    pub fn store_url(&self) -> &str {
        match &self.store {
            Source::Address(address) => address,
            Source::Open(store) => store.address(),
        }
    }

    /// A store that is open already, in place of an address.
    pub fn opened_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Source::Open(store);
        self
    }

    /// Time-outs and the like of the store that is opened by its address.
    pub fn store_options(mut self, options: StoreOptions) -> Self {
        self.store_options = options;
        self
    }

    /// What every name of a lock and every cache begins with in the store. Nothing by default. Where tenants share a store, none of
    /// their prefixes may begin with another's: see [`crate::names`].
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Who holds the locks, as those who look at them are shown. By default `<hostname>:<pid>`.
    pub fn holder(mut self, holder: Holder) -> Self {
        self.holder = holder;
        self
    }

    /// Registers a component under this name for each kind of stage that it exports. `wasm` is a path, or bytes.
    pub fn stage(self, name: impl Into<String>, wasm: impl Into<Wasm>) -> Self {
        self.stage_with_limits(name, wasm, StageLimits::default())
    }

    /// The same, with limits of its own.
    pub fn stage_with_limits(mut self, name: impl Into<String>, wasm: impl Into<Wasm>, limits: StageLimits) -> Self {
        self.stages.push(Stage { name: name.into(), wasm: wasm.into(), limits });
        self
    }

    /// The stages that are there besides the components, written in Rust. [`Stages::builtin`] by default.
    pub fn native_stages(mut self, stages: Stages) -> Self {
        self.native_stages = stages;
        self
    }

    /// How many replicas have to hold a lock of kind quorum. A majority by default.
    pub fn quorum(mut self, quorum: Quorum) -> Self {
        self.quorum = quorum;
        self
    }

    /// Registers a class under this name, for [`Locks::open_as`] and for guests whose grant has it.
    pub fn lock_class(mut self, name: impl Into<String>, class: Arc<dyn LockClass>) -> Self {
        self.lock_classes.push((name.into(), class));
        self
    }

    /// How caches behave that ask for nothing else, and which parts no one may choose.
    pub fn cache_policy(mut self, policy: CachePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Which stage of a kind caches use that ask for none by name. It changes the policy that is set so far.
    pub fn default_stage(mut self, kind: StageKind, stage: StageChoice) -> Self {
        let defaults = &mut self.policy.defaults;
        match kind {
            StageKind::Identity => defaults.identity = stage,
            StageKind::Serializer => defaults.serializer = stage,
            StageKind::Compressor => defaults.compressor = stage,
        }
        self
    }

    /// What stands around the entries of caches that ask for nothing else. It changes the policy that is set so far.
    pub fn default_envelope(mut self, envelope: EnvelopeChoice) -> Self {
        self.policy.defaults.envelope = envelope;
        self
    }

    /// What guests may do unless their run says otherwise. Nothing by default.
    pub fn grant(mut self, grant: Grant) -> Self {
        self.defaults.grant = grant;
        self
    }

    /// What guests may use unless their run says otherwise.
    pub fn guest_limits(mut self, limits: GuestLimits) -> Self {
        self.defaults.limits = limits;
        self
    }

    /// Where compiled code is kept between starts. In the user's cache directory by default.
    pub fn code_cache(mut self, code_cache: CodeCache) -> Self {
        self.code_cache = code_cache;
        self
    }

    /// Opens the store and loads the stages.
    ///
    /// # Errors
    /// [`crate::error::Unavailable`] when the store cannot be reached; [`crate::error::Invalid`] for an address, a prefix, a stage, a
    /// lock class or a setting that cannot be used.
    pub async fn build(self) -> Result<Runtime, Error> {
        let prefix = Prefix::new(&self.prefix)?;
        let stages = if self.stages.is_empty() {
            self.native_stages
        } else {
            let native = self.native_stages;
            let (stages, cache) = (self.stages, self.code_cache.clone());
            blocking(move || load_stages(native, stages, cache)).await?
        };
        let code = Code::new(&self.code_cache)?;
        let store = match self.store {
            Source::Address(address) => store::open(&address, &self.store_options).await?,
            Source::Open(store) => store,
        };
        let mut locks =
            Locks::new(Arc::clone(&store)).with_prefix(prefix.clone()).with_quorum(self.quorum).with_holder(self.holder);
        for (name, class) in self.lock_classes {
            locks = locks.with_class(&name, class)?;
        }
        let caches = Caches::new(Arc::clone(&store)).with_prefix(prefix).with_stages(stages).with_policy(self.policy);
        Ok(Runtime { inner: Arc::new(Inner { store, locks, caches, code, defaults: self.defaults }) })
    }
}

fn load_stages(mut stages: Stages, components: Vec<Stage>, code_cache: CodeCache) -> Result<Stages, Error> {
    let engine = StageEngine::new(&StageEngineOptions { code_cache, ..StageEngineOptions::default() })?;
    for Stage { name, wasm, limits } in components {
        let component = engine.load(&name, &wasm.read()?, limits)?;
        if let Some(identity) = component.identity() {
            stages = stages.with_identity(&name, identity)?;
        }
        if let Some(serializer) = component.serializer() {
            stages = stages.with_serializer(&name, serializer)?;
        }
        if let Some(compressor) = component.compressor() {
            stages = stages.with_compressor(&name, compressor)?;
        }
    }
    Ok(stages)
}

/// Compiling takes long, so it goes where it keeps no task waiting.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down, and this future with it.
            Err(_) => std::future::pending().await,
        },
    }
}
