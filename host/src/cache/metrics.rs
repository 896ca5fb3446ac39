//! What caches tell a recorder of the [`metrics`](https://docs.rs/metrics) facade.
//!
//! | name | | labels besides `cache` | |
//! | --- | --- | --- | --- |
//! | `bellwether_cache_reads_total` | counter | `outcome` | entries that were asked for, each of many for itself |
//! | `bellwether_cache_writes_total` | counter | | entries that were stored, fills among them |
//! | `bellwether_cache_deletes_total` | counter | | entries that were deleted |
//! | `bellwether_cache_tag_invalidations_total` | counter | | tags that were invalidated, of which there could be an entry |
//! | `bellwether_cache_read_bytes_total` | counter | | bytes of entries that came from the store |
//! | `bellwether_cache_written_bytes_total` | counter | | bytes of entries that went to it |
//! | `bellwether_cache_fills_total` | counter | `outcome` | values that were computed for an entry which this process had claimed |
//! | `bellwether_cache_wait_seconds` | histogram | `outcome` | waits for a value that somebody else computes |
//! | `bellwether_cache_errors_total` | counter | `stage` | calls that failed |
//! | `bellwether_cache_operation_seconds` | histogram | `operation` | from a call to its end, however it ended |
//!
//! - `cache`: the name, if [`super::CachePolicy::in_metrics`] has it, else `other`. Programs make names of what they work on, and
//!   recorders keep every combination of labels for ever.
//! - `outcome` of a read: `hit`, also of a copy in this process, which brings no bytes; `miss`; `stale`, an old value while somebody computes a fresh one; `claim`, none, as it is the caller who is
//!   to compute it. Of a fill: `stored`; `void`, as the entry was deleted or set meanwhile. Of a wait: `filled`; `vacant`, as it became
//!   the caller's turn; `busy`, as the wait was over.
//! - `stage`: `identity`, `serializer` or `compressor`, which failed; `store`, which was not reached or is full; `corrupt`, for stored
//!   bytes that cannot be read; `caller`, for what was invalid, denied or too large.
//! - `operation`: `get`, `get_many`, `set`, `set_many`, `exists`, `ttl`, `delete`, `delete_many`, `delete_pattern`, `clear`, `lookup`, `fill`,
//!   `invalidate_tag`.
//!
//! Bytes are of envelope and payload together. A call that was dropped counts for nothing. Every call looks its metrics up anew, as
//! those of locks do ([`crate::lock::metrics`]), by keys that are made once.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use metrics::{Key, Label, Level, Metadata, Unit, describe_counter, describe_histogram, with_recorder};
use tokio::time::Instant;

use crate::error::{Error, Limit, StageKind};

const READS: &str = "bellwether_cache_reads_total";
const WRITES: &str = "bellwether_cache_writes_total";
const DELETES: &str = "bellwether_cache_deletes_total";
const INVALIDATIONS: &str = "bellwether_cache_tag_invalidations_total";
const READ_BYTES: &str = "bellwether_cache_read_bytes_total";
const WRITTEN_BYTES: &str = "bellwether_cache_written_bytes_total";
const FILLS: &str = "bellwether_cache_fills_total";
const WAIT: &str = "bellwether_cache_wait_seconds";
const ERRORS: &str = "bellwether_cache_errors_total";
const SECONDS: &str = "bellwether_cache_operation_seconds";

/// Tells the recorder what the metrics mean. [`super::Caches::new`] does that; call it if the recorder is installed later.
pub fn describe() {
    describe_counter!(READS, Unit::Count, "entries that were asked for");
    describe_counter!(WRITES, Unit::Count, "entries that were stored");
    describe_counter!(DELETES, Unit::Count, "entries that were deleted");
    describe_counter!(INVALIDATIONS, Unit::Count, "tags that were invalidated");
    describe_counter!(READ_BYTES, Unit::Bytes, "bytes of entries that came from the store");
    describe_counter!(WRITTEN_BYTES, Unit::Bytes, "bytes of entries that went to the store");
    describe_counter!(FILLS, Unit::Count, "values that were computed for an entry which this process had claimed");
    describe_histogram!(WAIT, Unit::Seconds, "waits for a value that somebody else computes");
    describe_counter!(ERRORS, Unit::Count, "calls that failed");
    describe_histogram!(SECONDS, Unit::Seconds, "time from a call to its end");
}

/// What was called.
#[derive(Debug, Clone, Copy)]
pub(super) enum Operation {
    Get,
    GetMany,
    Set,
    SetMany,
    Exists,
    Ttl,
    Delete,
    DeleteMany,
    DeletePattern,
    Clear,
    Lookup,
    Fill,
    InvalidateTag,
}

/// In the order of [`Operation`].
const OPERATIONS: [&str; 13] = [
    "get",
    "get_many",
    "set",
    "set_many",
    "exists",
    "ttl",
    "delete",
    "delete_many",
    "delete_pattern",
    "clear",
    "lookup",
    "fill",
    "invalidate_tag",
];

/// How a wait for somebody else's value ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Waited {
    /// With the value.
    Filled,
    /// With the duty to compute it.
    Vacant,
    /// With neither.
    Busy,
}

/// The metrics of all caches that have one label.
#[derive(Debug)]
pub(super) struct Metrics {
    hits: Key,
    misses: Key,
    stale: Key,
    claims: Key,
    writes: Key,
    deletes: Key,
    invalidations: Key,
    read_bytes: Key,
    written_bytes: Key,
    fills: [Key; 2],
    waits: [Key; 3],
    errors: [Key; 6],
    seconds: [Key; OPERATIONS.len()],
}

/// The metrics of caches by their names.
#[derive(Debug, Clone)]
pub(super) struct ByName {
    named: Arc<BTreeMap<String, Arc<Metrics>>>,
    other: Arc<Metrics>,
}

impl ByName {
    /// Those of the caches with these names, and of all others together.
    pub(super) fn new(names: &[String]) -> Self {
        let by_name = names.iter().map(|name| (name.clone(), Arc::new(Metrics::new(name)))).collect();
        Self { named: Arc::new(by_name), other: Arc::new(Metrics::new("other")) }
    }

    /// Those of the cache with this name.
    pub(super) fn of(&self, name: &str) -> Arc<Metrics> {
        Arc::clone(self.named.get(name).unwrap_or(&self.other))
    }
}

impl Metrics {
    fn new(cache: &str) -> Self {
        let cache = Label::new("cache", cache.to_owned());
        let alone = |name| Key::from_parts(name, vec![cache.clone()]);
        let with = |name, label, value| Key::from_parts(name, vec![cache.clone(), Label::from_static_parts(label, value)]);
        Self {
            hits: with(READS, "outcome", "hit"),
            misses: with(READS, "outcome", "miss"),
            stale: with(READS, "outcome", "stale"),
            claims: with(READS, "outcome", "claim"),
            writes: alone(WRITES),
            deletes: alone(DELETES),
            invalidations: alone(INVALIDATIONS),
            read_bytes: alone(READ_BYTES),
            written_bytes: alone(WRITTEN_BYTES),
            fills: ["void", "stored"].map(|outcome| with(FILLS, "outcome", outcome)),
            waits: ["filled", "vacant", "busy"].map(|outcome| with(WAIT, "outcome", outcome)),
            errors: ["identity", "serializer", "compressor", "store", "corrupt", "caller"]
                .map(|stage| with(ERRORS, "stage", stage)),
            seconds: OPERATIONS.map(|operation| with(SECONDS, "operation", operation)),
        }
    }

    /// Performs a call and takes note of its time and its failure. No async function, as one would hold the call twice: where it is
    /// given, and where it is awaited.
    pub(super) fn timed<'a, T>(
        &'a self,
        operation: Operation,
        call: impl Future<Output = Result<T, Error>> + 'a,
    ) -> impl Future<Output = Result<T, Error>> + 'a {
        let began = Instant::now();
        call.map(move |outcome| {
            if let Some(key) = self.seconds.get(operation as usize) {
                record(key, began.elapsed());
            }
            if let Err(why) = &outcome
                && let Some(key) = self.errors.get(stage(why))
            {
                count(key, 1);
            }
            outcome
        })
    }

    /// An entry of so many bytes was there.
    pub(super) fn hit(&self, bytes: usize) {
        count(&self.hits, 1);
        count(&self.read_bytes, bytes as u64);
    }

    /// An entry was not there.
    pub(super) fn miss(&self) {
        count(&self.misses, 1);
    }

    /// An entry of so many bytes was there, and somebody computes a fresher value.
    pub(super) fn stale(&self, bytes: usize) {
        count(&self.stale, 1);
        count(&self.read_bytes, bytes as u64);
    }

    /// The caller was told that it is its turn to compute an entry.
    pub(super) fn claim(&self) {
        count(&self.claims, 1);
    }

    /// So many entries of so many bytes together were stored.
    pub(super) fn written(&self, entries: usize, bytes: usize) {
        count(&self.writes, entries as u64);
        count(&self.written_bytes, bytes as u64);
    }

    /// A value was computed for an entry that this process had claimed: it was stored, or it came too late. Beside [`Metrics::written`].
    pub(super) fn filled(&self, stored: bool) {
        if let Some(key) = self.fills.get(usize::from(stored)) {
            count(key, 1);
        }
    }

    /// A wait for a value that somebody else computes is over.
    pub(super) fn waited(&self, time: Duration, how: Waited) {
        if let Some(key) = self.waits.get(how as usize) {
            record(key, time);
        }
    }

    /// A tag was invalidated, of which there could be an entry.
    pub(super) fn invalidated(&self, could_be: bool) {
        if could_be {
            count(&self.invalidations, 1);
        }
    }

    /// So many entries were deleted.
    pub(super) fn deleted(&self, entries: u64) {
        if entries > 0 {
            count(&self.deletes, entries);
        }
    }
}

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

fn count(key: &Key, by: u64) {
    with_recorder(|recorder| recorder.register_counter(key, &METADATA)).increment(by);
}

fn record(key: &Key, time: Duration) {
    with_recorder(|recorder| recorder.register_histogram(key, &METADATA)).record(time);
}

/// Which of [`Metrics::errors`] an error is.
fn stage(why: &Error) -> usize {
    match why {
        Error::Stage(why) => match why.kind {
            StageKind::Identity => 0,
            StageKind::Serializer => 1,
            StageKind::Compressor => 2,
        },
        Error::Unavailable(_) | Error::Limit(Limit::StoreFull { .. }) => 3,
        Error::Corrupt(_) => 4,
        Error::Invalid(_) | Error::Denied(_) | Error::Limit(_) | Error::NotHeld(_) => 5,
    }
}
