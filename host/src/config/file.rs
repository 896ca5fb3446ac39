//! The configuration as it is written. What a field means is said in `sample.toml`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::Deserialize;

use super::units::{Size, Time};

/// No more than the version, whatever else there is.
#[derive(Debug, Deserialize)]
pub(super) struct Version {
    pub(super) version: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(rename = "version")]
    pub(super) _version: u32,
    #[serde(default)]
    pub(super) store: Store,
    #[serde(default)]
    pub(super) lock: Lock,
    #[serde(default)]
    pub(super) cache: Cache,
    #[serde(default, rename = "stage")]
    pub(super) stages: Vec<Stage>,
    #[serde(default)]
    pub(super) guest: Guest,
    #[serde(default)]
    pub(super) code: Code,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) url: Option<String>,
    pub(super) url_env: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) holder: Option<String>,
    pub(super) connect_timeout: Option<Time>,
    pub(super) response_timeout: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lock {
    pub(super) quorum: Option<Quorum>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Quorum {
    Majority,
    All,
    AtLeast(NonZeroU32),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cache {
    pub(super) herd: Option<Herd>,
    pub(super) expire: Option<Time>,
    pub(super) jitter: Option<u8>,
    pub(super) refresh_ahead: Option<u16>,
    pub(super) stale_if_error: Option<Time>,
    pub(super) failures: Option<Time>,
    pub(super) identity: Option<String>,
    pub(super) serializer: Option<String>,
    pub(super) compressor: Option<String>,
    pub(super) near: Option<bool>,
    pub(super) near_size: Option<Size>,
    pub(super) near_age: Option<Time>,
    #[serde(default)]
    pub(super) reads_serializers: Vec<String>,
    #[serde(default)]
    pub(super) reads_compressors: Vec<String>,
    pub(super) envelope: Option<Envelope>,
    #[serde(default)]
    pub(super) pin: Vec<Part>,
    pub(super) max_key: Option<Size>,
    pub(super) max_content: Option<Size>,
    pub(super) max_value: Option<Size>,
    pub(super) max_batch: Option<usize>,
    pub(super) max_batch_bytes: Option<Size>,
    #[serde(default)]
    pub(super) in_metrics: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Herd {
    pub(super) timeout: Time,
    pub(super) extend_timeout: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Part {
    Herd,
    Expire,
    Near,
    Identity,
    Serializer,
    Compressor,
    ReadsSerializers,
    ReadsCompressors,
    Envelope,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Envelope {
    Standard,
    None,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) file: PathBuf,
    pub(super) deadline: Option<Time>,
    pub(super) wait: Option<Time>,
    pub(super) memory: Option<Size>,
    pub(super) output: Option<Size>,
    pub(super) instances: Option<usize>,
    pub(super) fresh: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Guest {
    #[serde(default)]
    pub(super) locks: Vec<String>,
    #[serde(default)]
    pub(super) lock_classes: Vec<String>,
    #[serde(default)]
    pub(super) caches: Vec<String>,
    #[serde(default)]
    pub(super) network: bool,
    #[serde(default, rename = "directory")]
    pub(super) directories: Vec<Directory>,
    pub(super) deadline: Option<Time>,
    pub(super) memory: Option<Size>,
    pub(super) table: Option<u64>,
    pub(super) call_bytes: Option<Size>,
    pub(super) resources: Option<u64>,
    pub(super) calls: Option<u64>,
    pub(super) bytes: Option<Size>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Directory {
    pub(super) host: PathBuf,
    pub(super) guest: String,
    #[serde(default)]
    pub(super) write: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    pub(super) cache: Option<bool>,
    pub(super) directory: Option<PathBuf>,
}
