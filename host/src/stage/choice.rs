//! Which stage a cache uses.

use std::fmt;

use crate::error::StageKind;

/// Which stage a cache uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StageChoice {
    /// The one that the platform uses by default: identity `default`, serializer `cbor`, compressor `zlib` unless it says otherwise.
    #[default]
    Default,
    /// None. Identity: the key as it is, and content is invalid. Serializer: values are CBOR byte strings, stored as their bare
    /// bytes. Compressor: nothing is compressed.
    None,
    /// The one that is registered under this name.
    Named(String),
}

impl StageChoice {
    /// The choice with the default spelt out.
    pub(crate) fn named(&self, kind: StageKind) -> Self {
        match self {
            Self::Default => Self::Named(default_of(kind).to_owned()),
            other => other.clone(),
        }
    }
}

impl From<&str> for StageChoice {
    /// `default`, `none` or a name, as a command line or a configuration has them.
    fn from(text: &str) -> Self {
        match text {
            "default" => Self::Default,
            "none" => Self::None,
            name => Self::Named(name.to_owned()),
        }
    }
}

impl fmt::Display for StageChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("`default`"),
            Self::None => f.write_str("`none`"),
            Self::Named(name) => write!(f, "`{name}`"),
        }
    }
}

pub(super) const DEFAULT_IDENTITY: &str = "default";
pub(super) const DEFAULT_SERIALIZER: &str = "cbor";
pub(super) const DEFAULT_COMPRESSOR: &str = "zlib";

/// The name of the stage that is the default where the platform says nothing else.
pub(super) fn default_of(kind: StageKind) -> &'static str {
    match kind {
        StageKind::Identity => DEFAULT_IDENTITY,
        StageKind::Serializer => DEFAULT_SERIALIZER,
        StageKind::Compressor => DEFAULT_COMPRESSOR,
    }
}
