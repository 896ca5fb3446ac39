//! From what is written to what is meant.

use std::path::{Path, PathBuf};

use super::Config;
use super::file::{self, Part};
use super::units::{Size, Time};
use crate::cache::{CacheLimits, CacheOptions, CachePolicy, EnvelopeChoice, Herd, NearLimits, Pins, StageChoice, Tuning};
use crate::error::Error;
use crate::guest::{Directory, Grant, Names, Quotas};
use crate::lock::Quorum;
use crate::names::{Holder, Prefix};
use crate::runtime::{CodeCache, GuestLimits, Runtime, StageLimits};
use crate::store::StoreOptions;

/// Why a configuration cannot be used that is well written.
#[derive(Debug)]
pub(super) enum Refused {
    /// Because of one field: its name, and what is wrong with it.
    Field(&'static str, &'static str),
    /// Because of what its parts say.
    Error(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// `resolve` makes a path of the file one of the working directory.
pub(super) fn build(file: file::File, resolve: &dyn Fn(&Path) -> PathBuf) -> Result<Config, Refused> {
    let file::File { _version, store, lock, cache, stages, guest, code } = file;
    let mut runtime = Runtime::builder()
        .store_options(store_options(&store))
        .quorum(quorum(&lock))
        .cache_policy(policy(&cache)?)
        .grant(grant(&guest, resolve)?)
        .guest_limits(limits(&guest))
        .code_cache(code_cache(code, resolve)?);
    let store_env = match (store.url, store.url_env) {
        (Some(_), Some(_)) => return Err(Refused::Field("store.url_env", "excludes `store.url`: keep one of them")),
        (Some(url), None) => {
            runtime = runtime.store(url);
            None
        }
        (None, variable) => variable,
    };
    if let Some(prefix) = store.prefix {
        Prefix::new(&prefix)?;
        runtime = runtime.prefix(prefix);
    }
    if let Some(holder) = store.holder {
        runtime = runtime.holder(Holder::new(&holder)?);
    }
    for stage in stages {
        let limits = stage_limits(&stage)?;
        runtime = runtime.stage_with_limits(stage.name, resolve(&stage.file), limits);
    }
    Ok(Config { runtime, store_env })
}

fn store_options(store: &file::Store) -> StoreOptions {
    let mut options = StoreOptions::default();
    set_time(&mut options.connect_timeout, store.connect_timeout);
    set_time(&mut options.response_timeout, store.response_timeout);
    options
}

fn quorum(lock: &file::Lock) -> Quorum {
    match lock.quorum {
        None => Quorum::default(),
        Some(file::Quorum::Majority) => Quorum::Majority,
        Some(file::Quorum::All) => Quorum::All,
        Some(file::Quorum::AtLeast(count)) => Quorum::AtLeast(count),
    }
}

fn policy(cache: &file::Cache) -> Result<CachePolicy, Refused> {
    if cache.envelope == Some(file::Envelope::None) {
        let needing = [
            ("cache.herd", cache.herd.is_some()),
            ("cache.refresh_ahead", cache.refresh_ahead.is_some_and(|percent| percent > 0)),
            ("cache.stale_if_error", cache.stale_if_error.is_some()),
            ("cache.failures", cache.failures.is_some()),
        ];
        if let Some((field, _)) = needing.into_iter().find(|(_, given)| *given) {
            let why = "needs the envelope around entries, and `cache.envelope` is \"none\": leave one of the two out";
            return Err(Refused::Field(field, why));
        }
    }
    let pinned = |part| cache.pin.contains(&part);
    let stage = |name: &Option<String>| name.as_deref().map_or(StageChoice::Default, StageChoice::from);
    let reads = |names: &[String]| Some(names.iter().map(|name| StageChoice::from(name.as_str())).collect());
    let tuning = Tuning {
        jitter: cache.jitter.unwrap_or(0),
        refresh_ahead: cache.refresh_ahead.unwrap_or(0),
        stale_if_error: cache.stale_if_error.map(|time| time.0),
        failures: cache.failures.map(|time| time.0),
    };
    let herd = |herd: &file::Herd| Herd { herd_timeout: herd.timeout.0, extend_timeout: herd.extend_timeout.0 };
    let defaults = CacheOptions {
        herd: cache.herd.as_ref().map(herd),
        tuning: Some(tuning).filter(|tuning| *tuning != Tuning::default()),
        expire: cache.expire.map(|time| time.0),
        near: cache.near,
        identity: stage(&cache.identity),
        serializer: stage(&cache.serializer),
        compressor: stage(&cache.compressor),
        reads_serializers: reads(&cache.reads_serializers),
        reads_compressors: reads(&cache.reads_compressors),
        envelope: match cache.envelope {
            None | Some(file::Envelope::Standard) => EnvelopeChoice::Standard,
            Some(file::Envelope::None) => EnvelopeChoice::None,
        },
    };
    let pins = Pins {
        herd: pinned(Part::Herd),
        expire: pinned(Part::Expire),
        near: pinned(Part::Near),
        identity: pinned(Part::Identity),
        serializer: pinned(Part::Serializer),
        compressor: pinned(Part::Compressor),
        reads_serializers: pinned(Part::ReadsSerializers),
        reads_compressors: pinned(Part::ReadsCompressors),
        envelope: pinned(Part::Envelope),
    };
    let mut limits = CacheLimits::default();
    set_usize(&mut limits.key_bytes, cache.max_key, "cache.max_key")?;
    set_usize(&mut limits.content_bytes, cache.max_content, "cache.max_content")?;
    set_usize(&mut limits.value_bytes, cache.max_value, "cache.max_value")?;
    set_usize(&mut limits.batch_bytes, cache.max_batch_bytes, "cache.max_batch_bytes")?;
    limits.batch_entries = cache.max_batch.unwrap_or(limits.batch_entries);
    let mut near = NearLimits::default();
    set_size(&mut near.bytes, cache.near_size);
    set_time(&mut near.age, cache.near_age);
    Ok(CachePolicy { defaults, pins, limits, near, in_metrics: cache.in_metrics.clone() })
}

fn stage_limits(stage: &file::Stage) -> Result<StageLimits, Refused> {
    let mut limits = StageLimits::default();
    set_time(&mut limits.deadline, stage.deadline);
    set_time(&mut limits.wait, stage.wait);
    set_size(&mut limits.memory, stage.memory);
    set_size(&mut limits.output, stage.output);
    limits.instances = stage.instances.unwrap_or(limits.instances);
    limits.fresh = stage.fresh.unwrap_or(limits.fresh);
    if limits.instances == 0 {
        return Err(Refused::Field("stage.instances", "is 0: give at least 1"));
    }
    if limits.deadline.is_zero() {
        return Err(Refused::Field("stage.deadline", "is 0: give at least \"1ms\""));
    }
    Ok(limits)
}

fn grant(guest: &file::Guest, resolve: &dyn Fn(&Path) -> PathBuf) -> Result<Grant, Refused> {
    let directory = |directory: &file::Directory| Directory {
        host: resolve(&directory.host),
        guest: directory.guest.clone(),
        write: directory.write,
    };
    Ok(Grant {
        locks: Names::matching(&guest.locks)?,
        lock_classes: Names::matching(&guest.lock_classes)?,
        caches: Names::matching(&guest.caches)?,
        directories: guest.directories.iter().map(directory).collect(),
        network: guest.network,
    })
}

fn limits(guest: &file::Guest) -> GuestLimits {
    let mut limits = GuestLimits { deadline: guest.deadline.map(|time| time.0), ..GuestLimits::default() };
    set_size(&mut limits.memory, guest.memory);
    limits.table = guest.table.unwrap_or(limits.table);
    set_size(&mut limits.call_bytes, guest.call_bytes);
    let quotas = limits.quotas;
    limits.quotas = Quotas {
        resources: guest.resources.unwrap_or(quotas.resources),
        calls: guest.calls.unwrap_or(quotas.calls),
        bytes: guest.bytes.map_or(quotas.bytes, |size| size.0),
    };
    limits
}

fn code_cache(code: file::Code, resolve: &dyn Fn(&Path) -> PathBuf) -> Result<CodeCache, Refused> {
    match (code.cache, code.directory) {
        (Some(false), None) => Ok(CodeCache::Off),
        (Some(false), Some(_)) => {
            Err(Refused::Field("code.directory", "is of no use with `code.cache = false`: keep one of them"))
        }
        (_, Some(directory)) => Ok(CodeCache::Directory(resolve(&directory))),
        (_, None) => Ok(CodeCache::User),
    }
}

fn set_time(field: &mut std::time::Duration, time: Option<Time>) {
    *field = time.map_or(*field, |time| time.0);
}

fn set_size(field: &mut u64, size: Option<Size>) {
    *field = size.map_or(*field, |size| size.0);
}

fn set_usize(field: &mut usize, size: Option<Size>, name: &'static str) -> Result<(), Refused> {
    if let Some(size) = size {
        *field = usize::try_from(size.0).map_err(|_| Refused::Field(name, "is more than this machine can address"))?;
    }
    Ok(())
}
