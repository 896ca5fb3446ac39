//! Between the contract's types and ours.

use std::time::Duration;

use super::bindings::bellwether::core::{cache, lock, types};
use super::view::BellwetherCtxView;
use crate::cache::{CacheOptions, EnvelopeChoice, Herd, StageChoice};
use crate::clock::{Wait, millis};
use crate::error::Error;
use crate::lock::{Kind, LockOptions};
use crate::store::Ttl;

/// How a call of a guest ends that has no value to give.
#[derive(Debug)]
pub enum Failure {
    /// With an error that the guest gets.
    Answer(Error),
    /// With a trap: the guest did something that no correct bindings let it do.
    Trap(wasmtime::Error),
}

impl Failure {
    /// The trap that stands for this where a call cannot answer with an error.
    pub(super) fn into_trap(self) -> wasmtime::Error {
        match self {
            Self::Answer(error) => wasmtime::Error::new(error),
            Self::Trap(trap) => trap,
        }
    }
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Answer(error.into())
    }
}

impl types::Host for BellwetherCtxView<'_> {
    fn convert_error(&mut self, failure: Failure) -> wasmtime::Result<types::Error> {
        match failure {
            Failure::Answer(error) => Ok(error_for_guests(&error)),
            Failure::Trap(trap) => Err(trap),
        }
    }
}

/// The contract's error with the same meaning. Its variant says the kind, so the text does not.
fn error_for_guests(error: &Error) -> types::Error {
    match error {
        Error::Invalid(why) => types::Error::Invalid(why.to_string()),
        Error::Denied(why) => types::Error::Denied(why.to_string()),
        Error::Limit(why) => types::Error::Limit(why.to_string()),
        Error::Unavailable(why) => types::Error::Unavailable(why.to_string()),
        Error::NotHeld(_) => types::Error::NotHeld,
        Error::Stage(why) => types::Error::Stage(why.to_string()),
        Error::Corrupt(why) => types::Error::Corrupt(why.to_string()),
    }
}

impl From<lock::Wait> for Wait {
    fn from(wait: lock::Wait) -> Self {
        match wait {
            lock::Wait::None => Self::None,
            lock::Wait::UpTo(time) => Self::UpTo(Duration::from_millis(time)),
            lock::Wait::Forever => Self::Forever,
        }
    }
}

impl From<lock::Options> for LockOptions {
    fn from(options: lock::Options) -> Self {
        Self {
            kind: match options.kind {
                lock::Kind::Simple => Kind::Simple,
                lock::Kind::Quorum => Kind::Quorum,
            },
            lease: time(options.lease),
            renew: options.renew,
            fair: options.fair,
            retry: Duration::from_millis(options.retry),
        }
    }
}

impl From<cache::Options> for CacheOptions {
    fn from(options: cache::Options) -> Self {
        Self {
            herd: options.herd.map(|herd| Herd {
                herd_timeout: Duration::from_millis(herd.herd_timeout),
                extend_timeout: Duration::from_millis(herd.extend_timeout),
            }),
            expire: time(options.expire),
            // The contract leaves it to the platform.
            near: None,
            identity: options.identity.into(),
            serializer: options.serializer.into(),
            compressor: options.compressor.into(),
            // The platform's.
            reads_serializers: None,
            reads_compressors: None,
            envelope: EnvelopeChoice::Default,
            // The contract has no words for it.
            tuning: None,
        }
    }
}

impl From<cache::Stage> for StageChoice {
    fn from(stage: cache::Stage) -> Self {
        match stage {
            cache::Stage::Default => Self::Default,
            cache::Stage::None => Self::None,
            cache::Stage::Named(name) => Self::Named(name),
        }
    }
}

impl From<Ttl> for cache::TimeToLive {
    fn from(ttl: Ttl) -> Self {
        match ttl {
            Ttl::Absent => Self::Absent,
            Ttl::Persistent => Self::Persistent,
            Ttl::Remaining(time) => Self::Remaining(millis(time)),
        }
    }
}

/// A time that need not be there.
pub(super) fn time(time: Option<types::Milliseconds>) -> Option<Duration> {
    time.map(Duration::from_millis)
}
