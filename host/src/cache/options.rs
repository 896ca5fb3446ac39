//! How a cache behaves, and what of that the platform decides.

use std::time::Duration;

use super::NearLimits;
use super::format::{Choices, EnvelopeChoice, choices};
use super::herd::{Life, Rules};
use super::tuning::Tuning;
use crate::clock::Span;
use crate::error::{Denied, Error, Invalid, StageKind};
use crate::pause::random;
use crate::stage::StageChoice;

/// How a cache behaves. The default: entries that live until they are deleted, and the platform's stages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CacheOptions {
    /// Herd protection, if any.
    pub herd: Option<Herd>,
    /// How long entries live that are set with no expiry of their own, from 1 ms to 100 years; `None`: until they are deleted.
    pub expire: Option<Duration>,
    /// Whether this process keeps copies of what it reads, which the store keeps right; see [`NearLimits`] for how old they can be.
    /// Nothing comes of it where the store is in this process anyway. `None`: as the platform has it, and by default not.
    pub near: Option<bool>,
    /// Names the entry in the store.
    pub identity: StageChoice,
    /// Turns values into bytes.
    pub serializer: StageChoice,
    /// Makes the bytes fewer.
    pub compressor: StageChoice,
    /// Serializers whose entries can be read too, while [`CacheOptions::serializer`] writes: those that the cache had before.
    /// `None`: those that the platform says.
    pub reads_serializers: Option<Vec<StageChoice>>,
    /// Compressors whose entries can be read too, likewise.
    pub reads_compressors: Option<Vec<StageChoice>>,
    /// What stands around the payload of an entry.
    pub envelope: EnvelopeChoice,
    /// What else is done to spare whoever computes values; `None`: what the platform says.
    pub tuning: Option<Tuning>,
}

/// Keeps a herd of readers from recomputing one entry all at once: the first who reads it after its expiry finds nothing and is to
/// compute it anew, while the others still get the old value. Entries without an expiry are not concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Herd {
    /// How long after its expiry an entry can still be served while one reader recomputes it, from 1 ms.
    pub herd_timeout: Duration,
    /// How long the one reader has before another is asked to, from 1 ms.
    pub extend_timeout: Duration,
}

/// What a platform decides about caches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CachePolicy {
    /// What a cache has that is opened without options, and what `default` means for its stages.
    pub defaults: CacheOptions,
    /// Which of the defaults cannot be changed.
    pub pins: Pins,
    /// How large things may be.
    pub limits: CacheLimits,
    /// The caches whose names are in [metrics](super::metrics); all others are `other` there.
    pub in_metrics: Vec<String>,
    /// How much is copied into this process, and for how long.
    pub near: NearLimits,
}

/// Which parts of [`CachePolicy::defaults`] cannot be changed: a different wish is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each part is pinned or not, whatever the others are")]
pub struct Pins {
    /// Herd protection.
    pub herd: bool,
    /// How long entries live, those too that are set with an expiry of their own.
    pub expire: bool,
    /// Whether there are copies in this process.
    pub near: bool,
    /// The identity.
    pub identity: bool,
    /// The serializer.
    pub serializer: bool,
    /// The compressor.
    pub compressor: bool,
    /// Which serializers' entries can be read too.
    pub reads_serializers: bool,
    /// Which compressors' entries can be read too.
    pub reads_compressors: bool,
    /// The envelope.
    pub envelope: bool,
}

/// How large things may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// The longest key, in bytes. An identity may be 1 KiB longer. Default: 16 KiB.
    pub key_bytes: usize,
    /// The largest content, in bytes of canonical CBOR. Default: 1 MiB.
    pub content_bytes: usize,
    /// The largest value, in bytes of CBOR, and in bytes after the serializer. Default: 16 MiB.
    pub value_bytes: usize,
    /// The most entries of one call. Default: 10,000.
    pub batch_entries: usize,
    /// The most bytes of all values of one call together, as CBOR. A call that reads stops at the first value beyond it; a call
    /// that writes has then written nothing. Default: 64 MiB.
    pub batch_bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { key_bytes: 16 << 10, content_bytes: 1 << 20, value_bytes: 16 << 20, batch_entries: 10_000, batch_bytes: 64 << 20 }
    }
}

/// Options that were checked against a policy.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) expiry: Expiry,
    pub(super) near: bool,
    pub(super) identity: StageChoice,
    pub(super) serializer: StageChoice,
    pub(super) compressor: StageChoice,
    pub(super) formats: Choices,
}

/// How long entries live.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expiry {
    default: Option<Span>,
    pinned: bool,
    pub(super) rules: Rules,
}

impl CachePolicy {
    /// What a cache with these options has.
    pub(super) fn settle(&self, options: Option<CacheOptions>) -> Result<Settled, Error> {
        let CachePolicy { defaults, pins, .. } = self;
        let own = options.as_ref().map(|options| options.tuning);
        let wish = options.unwrap_or_else(|| defaults.clone());
        pinned("herd", pins.herd, defaults.herd, wish.herd, |herd| match herd {
            None => "none".to_owned(),
            Some(herd) => format!("{:?} and {:?}", herd.herd_timeout, herd.extend_timeout),
        })?;
        pinned("expire", pins.expire, defaults.expire, wish.expire, lifetime)?;
        let formats = choices(defaults, *pins, &wish)?;
        if wish.herd.is_some() && formats.plain {
            return Err(Invalid::NeedsEnvelope { what: "herd" }.into());
        }
        let near = wish.near.or(defaults.near).unwrap_or(false);
        pinned("near", pins.near, defaults.near.unwrap_or(false), near, |near| near.to_string())?;
        // A platform that has no envelope and tunes what needs one contradicts itself.
        let own = own.unwrap_or_else(|| defaults.tuning.filter(|_| formats.plain));
        let tuning = Rules::wished(own, defaults.tuning, wish.herd.is_some(), formats.plain)?;
        let rules = Rules::new(wish.herd, tuning)?;
        let default = span(wish.expire)?;
        rules.life(default, 0)?;
        let stage = |kind, pin, default: &StageChoice, wish: &StageChoice| {
            let default = default.named(kind);
            let wish = if *wish == StageChoice::Default { default.clone() } else { wish.clone() };
            let part = match kind {
                StageKind::Identity => "identity",
                StageKind::Serializer => "serializer",
                StageKind::Compressor => "compressor",
            };
            pinned(part, pin, &default, &wish, ToString::to_string).map(|()| wish)
        };
        Ok(Settled {
            expiry: Expiry { default, pinned: pins.expire, rules },
            near,
            identity: stage(StageKind::Identity, pins.identity, &defaults.identity, &wish.identity)?,
            serializer: stage(StageKind::Serializer, pins.serializer, &defaults.serializer, &wish.serializer)?,
            compressor: stage(StageKind::Compressor, pins.compressor, &defaults.compressor, &wish.compressor)?,
            formats,
        })
    }
}

impl Expiry {
    /// How long an entry lives that is set with this expiry of its own.
    pub(super) fn of(self, own: Option<Duration>) -> Result<Life, Error> {
        Ok(self.rules.life(self.expire(own)?, random())?)
    }

    fn expire(self, own: Option<Duration>) -> Result<Option<Span>, Error> {
        let Some(own) = span(own)? else { return Ok(self.default) };
        pinned("expire", self.pinned, self.default.map(Span::duration), Some(own.duration()), lifetime)?;
        Ok(Some(own))
    }

    /// The longest that an entry can be kept that is set with this expiry of its own; `None`: until it is deleted.
    pub(super) fn longest(self, own: Option<Duration>) -> Result<Option<Span>, Error> {
        Ok(self.rules.life(self.expire(own)?, 0)?.kept)
    }

    /// How long an entry lives that is set with none.
    pub(super) fn default(self) -> Option<Duration> {
        self.default.map(Span::duration)
    }
}

fn span(expire: Option<Duration>) -> Result<Option<Span>, Invalid> {
    expire.map(|time| Span::new("expire", time)).transpose()
}

fn lifetime(expire: Option<Duration>) -> String {
    expire.map_or_else(|| "none".to_owned(), |time| format!("{time:?}"))
}

/// Refuses a wish that is not what the part is pinned to.
pub(super) fn pinned<T: PartialEq>(
    part: &'static str,
    pin: bool,
    to: T,
    wish: T,
    text: impl Fn(T) -> String,
) -> Result<(), Denied> {
    if pin && wish != to { Err(Denied::Pinned { part, pinned: text(to), wish: text(wish) }) } else { Ok(()) }
}
