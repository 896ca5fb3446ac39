//! Caches: named series of entries, shared by every process that opens them by the same name.
//!
//! A value passes through three stages: identity, which names the entry; serializer, which makes bytes of it; compressor, which
//! makes them fewer. What comes out is kept in the store, in an [`envelope`](crate::envelope).
//!
//! ```
//! # use std::{sync::Arc, time::Duration};
//! # use bellwether::cache::{Caches, Key};
//! # async fn example(store: Arc<dyn bellwether::store::Store>) -> Result<(), bellwether::Error> {
//! let pages = Caches::new(store).open("pages", None)?;
//! pages.set("home", "<h1>Welcome</h1>", Some(Duration::from_secs(60))).await?;
//! let home: Option<String> = pages.get("home").await?;
//!
//! // The same key with other content is another entry.
//! let german = Key::with_content("home", &("de", 2))?;
//! assert_eq!(pages.get::<String>(german).await?, None);
//! # Ok(())
//! # }
//! ```
//!
//! Where many readers would compute one entry at once, [`Cache::get_or_try_insert_with`] and [`Cache::lookup`] have one of them do it,
//! among all processes. [`Herd`] protection has the others get the old value meanwhile, and [`Tuning`] says what becomes of
//! failures. [`Cache::with_tags`] sets entries that [`Cache::invalidate_tag`] puts an end to, all at once.

use std::sync::Arc;

use self::entries::Inner;
use self::flights::Flights;
use self::near::{NearDoor, Nears};
use self::promises::Promises;
use crate::error::Error;
use crate::names::{Prefix, entry_prefix};
use crate::stage::Stages;
use crate::store::Store;

mod begun;
mod compute;
mod entries;
mod failure;
mod fill;
mod flights;
mod format;
mod herd;
mod key;
mod keys;
mod lookup;
mod many;
pub mod metrics;
mod near;
mod opening;
mod options;
mod peek;
mod pipeline;
mod plain;
mod pledge;
mod promises;
mod raw;
mod serve;
mod standing;
mod survey;
mod tags;
mod tuning;
mod typed;
mod vacancy;
mod work;

pub use compute::ComputeError;
pub use entries::Cache;
pub use format::EnvelopeChoice;
pub use key::{Content, Key};
pub use lookup::Found;
pub use near::NearLimits;
pub use options::{CacheLimits, CacheOptions, CachePolicy, Herd, Pins};
pub use peek::Peeked;
pub use survey::{EntryAbout, EntryForm, FoundEntry, Listing, Stats};
pub use tuning::Tuning;
pub use vacancy::Vacancy;

pub use crate::stage::StageChoice;
pub use crate::store::Ttl;

/// The caches of one store. A clone costs next to nothing.
#[derive(Debug, Clone)]
pub struct Caches {
    store: Arc<dyn Store>,
    prefix: Prefix,
    stages: Stages,
    policy: Arc<CachePolicy>,
    metrics: metrics::ByName,
    flights: Flights,
    nears: Nears,
}

impl Caches {
    /// Caches in this store, with no prefix, the built-in stages and the default policy.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        metrics::describe();
        let metrics = metrics::ByName::new(&[]);
        let (flights, nears) = (Flights::default(), Nears::new(NearLimits::default()));
        let (prefix, stages, policy) = (Prefix::default(), Stages::builtin(), Arc::default());
        Self { store, prefix, stages, policy, metrics, flights, nears }
    }

    /// The same store with another prefix. Caches of one prefix never see those of another, unless one of the prefixes begins with
    /// the other: see [`crate::names`].
    #[must_use]
    pub fn with_prefix(&self, prefix: Prefix) -> Self {
        Self { prefix, ..self.clone() }
    }

    /// The same with these stages to choose from.
    #[must_use]
    pub fn with_stages(&self, stages: Stages) -> Self {
        // A name may stand for another stage from here on.
        Self { stages, nears: Nears::new(self.policy.near), ..self.clone() }
    }

    /// The same under this policy.
    #[must_use]
    pub fn with_policy(&self, policy: CachePolicy) -> Self {
        let metrics = metrics::ByName::new(&policy.in_metrics);
        Self { metrics, nears: Nears::new(policy.near), policy: Arc::new(policy), ..self.clone() }
    }

    /// The stages to choose from.
    #[must_use]
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// The policy that options are checked against.
    #[must_use]
    pub fn policy(&self) -> &CachePolicy {
        &self.policy
    }

    /// Opens a cache: checks the name and the options; with no options, the policy's. Touches no store.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name or option that cannot be, [`Error::Limit`] for a name that is too long, and [`Error::Denied`] for an
    /// option that the policy pins to something else.
    pub fn open(&self, name: &str, options: Option<CacheOptions>) -> Result<Cache, Error> {
        let entries = entry_prefix(&self.prefix, name)?;
        let settled = self.policy.settle(options)?;
        let pipeline = pipeline::Pipeline {
            cache: name.to_owned(),
            identity: self.stages.identity(&settled.identity)?,
            serializer: self.stages.serializer(&settled.serializer)?,
            compressor: self.stages.compressor(&settled.compressor)?,
            formats: format::Formats::new(&self.stages, &settled.formats)?,
            stages: self.stages.clone(),
            limits: self.policy.limits,
            entries,
        };
        let promises = Promises::new(pipeline.limits.batch_entries);
        Ok(Cache::new(Inner {
            store: self.store.clone(),
            pipeline,
            metrics: self.metrics.of(name),
            expiry: settled.expiry,
            promises,
            flights: self.flights.clone(),
            near: NearDoor::new(self.nears.clone(), settled.near),
        }))
    }

    /// Waits until the vacancies that were dropped so far, and the lookups that were given up, have told the store.
    pub async fn settled(&self) {
        self.flights.settled().await;
    }
}

#[cfg(test)]
mod tests;
