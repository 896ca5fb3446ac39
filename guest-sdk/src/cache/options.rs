//! How a cache behaves.

use std::time::Duration;

use crate::bindings::guest::bellwether::core::cache as wit;
use crate::time::millis;

/// How a cache behaves. The platform may pin any part; a different wish is then denied.
///
/// The default has no herd protection, entries that live until they are deleted, and the platform's stages.
///
/// ```
/// # use {bellwether_guest::CacheOptions, std::time::Duration};
/// let options = CacheOptions::default().expire(Duration::from_secs(600)).serializer("msgpack").compressor("lz4");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "options do nothing until a cache is opened with them"]
pub struct CacheOptions {
    herd: Option<Herd>,
    expire: Option<Duration>,
    identity: StageChoice,
    serializer: StageChoice,
    compressor: StageChoice,
}

/// Keeps a herd of readers from recomputing one entry all at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Herd {
    /// How long after its expiry an entry can still be served while one reader recomputes it.
    pub herd_timeout: Duration,
    /// How long the one reader has before another is asked to.
    pub extend_timeout: Duration,
}

/// Which stage a cache uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StageChoice {
    /// The one that the platform uses by default.
    #[default]
    Default,
    /// None. Identity: the key as it is, and content is invalid. Serializer: values are bytes (see
    /// [`Cache::set_bytes`](crate::Cache::set_bytes)), stored as they are. Compressor: nothing is compressed.
    None,
    /// The one that is registered under this name.
    Named(String),
}

impl CacheOptions {
    /// Herd protection.
    pub fn herd(mut self, herd: Herd) -> Self {
        self.herd = Some(herd);
        self
    }

    /// How long entries live that are set with no expiry of their own, at least 1 ms.
    pub fn expire(mut self, expire: Duration) -> Self {
        self.expire = Some(expire);
        self
    }

    /// The stage that names entries.
    pub fn identity(mut self, stage: impl Into<StageChoice>) -> Self {
        self.identity = stage.into();
        self
    }

    /// The stage that turns values into bytes.
    pub fn serializer(mut self, stage: impl Into<StageChoice>) -> Self {
        self.serializer = stage.into();
        self
    }

    /// The stage that makes the bytes fewer.
    pub fn compressor(mut self, stage: impl Into<StageChoice>) -> Self {
        self.compressor = stage.into();
        self
    }
}

impl From<&str> for StageChoice {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl From<String> for StageChoice {
    fn from(name: String) -> Self {
        Self::Named(name)
    }
}

impl From<StageChoice> for wit::Stage {
    fn from(choice: StageChoice) -> Self {
        match choice {
            StageChoice::Default => Self::Default,
            StageChoice::None => Self::None,
            StageChoice::Named(name) => Self::Named(name),
        }
    }
}

impl From<CacheOptions> for wit::Options {
    fn from(options: CacheOptions) -> Self {
        let CacheOptions { herd, expire, identity, serializer, compressor } = options;
        Self {
            herd: herd
                .map(|herd| wit::Herd { herd_timeout: millis(herd.herd_timeout), extend_timeout: millis(herd.extend_timeout) }),
            expire: expire.map(millis),
            identity: identity.into(),
            serializer: serializer.into(),
            compressor: compressor.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_leaves_the_stages_to_the_platform() {
        let options = wit::Options::from(CacheOptions::default());
        assert!(options.herd.is_none() && options.expire.is_none());
        assert!(matches!(
            (options.identity, options.serializer, options.compressor),
            (wit::Stage::Default, wit::Stage::Default, wit::Stage::Default)
        ));
    }

    #[test]
    fn each_option_reaches_the_contract() {
        let herd = Herd { herd_timeout: Duration::from_secs(2), extend_timeout: Duration::from_secs(1) };
        let options = CacheOptions::default().herd(herd).expire(Duration::from_secs(3));
        let options = wit::Options::from(options.identity(StageChoice::None).serializer("msgpack").compressor("lz4".to_owned()));
        assert_eq!(options.herd.map(|herd| (herd.herd_timeout, herd.extend_timeout)), Some((2_000, 1_000)));
        assert_eq!(options.expire, Some(3_000));
        assert!(matches!(options.identity, wit::Stage::None));
        assert!(matches!(options.serializer, wit::Stage::Named(name) if name == "msgpack"));
        assert!(matches!(options.compressor, wit::Stage::Named(name) if name == "lz4"));
    }
}
