//! Whose cache it is that a herd reads.

use std::convert::Infallible;
use std::time::Duration;

use bellwether::cache::{Cache, CacheOptions, Caches, ComputeError, Herd};
use bellwether::store::{self, StoreOptions};
use clap::ValueEnum;
use rustix::time::ClockId;
use tokio::time::sleep;

use super::{COMPUTES, EXPIRES};
use crate::cached::Cached;
use crate::processes::monotonic;

/// Whose cache it is, and how it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// Ours with herd protection, by `get` and `set`: an entry that has expired is still there.
    Hot,
    /// Ours without, by `get_or_try_insert_with`: an entry that has expired is gone.
    Cold,
    /// That of the crate `cached`, as its macros use it: an entry that has expired is gone.
    Cached,
}

impl Contender {
    /// How it is called on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
            Self::Cached => "cached",
        }
    }
}

/// One process's end of the cache. A clone costs next to nothing.
#[derive(Debug, Clone)]
pub(super) enum Side {
    Hot(Cache),
    Cold(Cache),
    Cached(Cached),
}

/// When a value was computed, on the monotonic clock: from the one moment until it was to be stored.
pub(super) type Computed = (Duration, Duration);

const KEY: &str = "entry";

/// How long an entry that has expired stays, and how long whoever computes may be silent: both longer than anything takes here.
const HERD: Herd = Herd { herd_timeout: Duration::from_mins(1), extend_timeout: Duration::from_secs(10) };

impl Side {
    /// Connects. Of a cache that has no value yet, everybody would compute the first, so `hot` begins with one.
    pub(super) async fn open(contender: Contender, url: &str) -> anyhow::Result<Self> {
        let name = format!("bench-herd-{}", contender.name());
        let open = async |herd| {
            let options = CacheOptions { herd, expire: Some(EXPIRES), ..CacheOptions::default() };
            anyhow::Ok(Caches::new(store::open(url, &StoreOptions::default()).await?).open(&name, Some(options))?)
        };
        Ok(match contender {
            Contender::Hot => {
                let cache = open(Some(HERD)).await?;
                cache.set(KEY, &value(), None).await?;
                Self::Hot(cache)
            }
            Contender::Cold => Self::Cold(open(None).await?),
            Contender::Cached => Self::Cached(Cached::open(url, &name, Some(EXPIRES), false).await?),
        })
    }

    /// Reads the entry, and computes it if that is asked for: tells when.
    pub(super) async fn read(&self) -> anyhow::Result<Option<Computed>> {
        let mut computed = None;
        let mut compute = async || {
            let began = monotonic(ClockId::Monotonic);
            sleep(COMPUTES).await;
            computed = Some((began, monotonic(ClockId::Monotonic)));
            value()
        };
        match self {
            Self::Hot(cache) => {
                if cache.get::<String>(KEY).await?.is_none() {
                    cache.set(KEY, &compute().await, None).await?;
                }
            }
            Self::Cold(cache) => {
                let compute = async || Ok::<_, Infallible>(compute().await);
                cache.get_or_try_insert_with(KEY, compute).await.map_err(|why: ComputeError<Infallible>| why)?;
            }
            Self::Cached(cache) => {
                cache.get_or_compute(KEY, compute).await?;
            }
        }
        Ok(computed)
    }
}

/// Some 100 bytes.
fn value() -> String {
    "value ".repeat(16)
}
