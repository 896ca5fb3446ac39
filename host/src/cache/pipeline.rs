//! From a value to the bytes of an entry and back, and from a key to the store's.

use std::borrow::Cow;

use bytes::Bytes;
use tokio::runtime::Handle;

use crate::cbor;
use crate::envelope::{Envelope, StageId, Tag};
use crate::error::{CborFault, Corrupt, Error, Invalid, Limit, StageError, StageFault, StageKind};
use crate::glob::Glob;
use crate::names::{escape, escape_char, escape_last, is_tag, unescape};
use crate::stage::{Compressor, Identity, Registered, Serializer, Stages};

use super::CacheLimits;
use super::format::Formats;
use super::near::Form;

/// The stages of one cache, and what they may do. It has no store.
#[derive(Debug)]
pub(super) struct Pipeline {
    pub(super) cache: String,
    /// What the key of every entry begins with.
    pub(super) entries: String,
    pub(super) identity: Option<Registered<dyn Identity>>,
    pub(super) serializer: Option<Registered<dyn Serializer>>,
    pub(super) compressor: Option<Registered<dyn Compressor>>,
    /// In which other forms entries can be, too.
    pub(super) formats: Formats,
    /// For the names of stages that others used.
    pub(super) stages: Stages,
    pub(super) limits: CacheLimits,
}

/// Who says that a payload is what a serializer made.
pub(super) enum Origin<'a> {
    /// The envelope's checksum, or one within the payload.
    Serializer,
    /// No more than this compressor, whose output nobody vouches for.
    Compressor(&'a Registered<dyn Compressor>),
    /// Nobody.
    Anybody,
}

/// What an entry keeps of a value, apart from the envelope.
#[derive(Debug)]
pub(super) struct Payload {
    bytes: Bytes,
    /// The envelope is to say that the compressor made it smaller.
    compressed: bool,
}

/// When a value was computed and is due.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stamp {
    /// When it is written, in milliseconds since 1970.
    pub(super) created: u64,
    /// When it is due to be computed anew, likewise; `None`: never.
    pub(super) expires: Option<u64>,
    /// How long it took, in milliseconds; 0: unknown.
    pub(super) took: u32,
}

/// How much longer than a key an identity may be: room for a tenant and a digest.
const IDENTITY_ROOM: usize = 1024;

impl Pipeline {
    /// The store's key of an entry. `content` is canonical.
    pub(super) async fn key(&self, key: &str, content: Option<&[u8]>) -> Result<String, Error> {
        if key.is_empty() {
            return Err(Invalid::Empty { what: "key" }.into());
        }
        within("key", key.len(), self.limits.key_bytes)?;
        within("content", content.map_or(0, <[u8]>::len), self.limits.content_bytes)?;
        let Some(stage) = &self.identity else {
            return match content {
                None => Ok(self.entry(&escape(key))),
                Some(_) => Err(Invalid::ContentWithoutIdentity.into()),
            };
        };
        let failed = failed(stage, StageKind::Identity, "name an entry");
        let identity = stage.stage().generate(&self.cache, key, content).await.map_err(failed)?;
        if stage.stage().escapes() {
            return Ok(self.entry(&identity));
        }
        if identity.is_empty() {
            return Err(failed(StageFault::Refused("it gave an empty text".to_owned())));
        }
        output(identity.len(), self.limits.key_bytes.saturating_add(IDENTITY_ROOM)).map_err(failed)?;
        Ok(self.entry(&escape_last(&identity)))
    }

    /// What an entry keeps of this value. All that the value can be refused for is found here.
    pub(super) async fn payload(&self, value: Bytes) -> Result<Payload, Error> {
        within("value", value.len(), self.limits.value_bytes)?;
        check(&value).await.map_err(|why| Invalid::Cbor { what: "value", why })?;
        let payload = match &self.serializer {
            None => cbor::unwrap_bytes(&value).ok_or(Invalid::NotByteString)?,
            Some(stage) => {
                let failed = failed(stage, StageKind::Serializer, "serialize a value");
                let payload = stage.stage().serialize(value).await.map_err(failed)?;
                output(payload.len(), self.limits.value_bytes).map_err(failed)?;
                payload
            }
        };
        if self.formats.plain {
            return Ok(Payload { bytes: self.compress_plain(payload).await?, compressed: false });
        }
        let smaller = match &self.compressor {
            None => None,
            Some(stage) => {
                let compressed = stage.stage().compress(payload.clone()).await;
                compressed
                    .map_err(failed(stage, StageKind::Compressor, "compress a value"))?
                    .filter(|it| it.len() < payload.len())
            }
        };
        let compressed = smaller.is_some();
        Ok(Payload { bytes: smaller.unwrap_or(payload), compressed })
    }

    /// The bytes of an entry with this payload and these tags.
    pub(super) fn seal(&self, payload: Payload, stamp: Stamp, tags: &[Tag]) -> Result<Bytes, Error> {
        if self.formats.plain {
            return Ok(payload.bytes);
        }
        let envelope = Envelope {
            compressed: payload.compressed,
            serializer: id(self.serializer.as_ref()),
            compressor: id(self.compressor.as_ref()),
            created: stamp.created,
            expires: stamp.expires,
            took: stamp.took,
            ..Envelope::default()
        };
        envelope.seal_with(tags, &payload.bytes)
    }

    /// The value in the bytes of an entry. `key` is the store's, for errors.
    pub(super) async fn open(&self, key: &str, stored: Bytes) -> Result<Bytes, Error> {
        if self.formats.plain {
            return self.open_plain(key, stored).await;
        }
        let (envelope, payload) = Envelope::open(key, stored)?;
        let serializer = self.formats.serializer(self.serializer.as_ref(), envelope.serializer);
        let serializer = serializer.ok_or_else(|| self.other(key, StageKind::Serializer, envelope.serializer))?;
        let compressor = self.formats.compressor(self.compressor.as_ref(), envelope.compressor);
        let compressor = compressor.ok_or_else(|| self.other(key, StageKind::Compressor, envelope.compressor))?;
        let (payload, origin) = match (compressor, envelope.compressed) {
            (_, false) => (payload, Origin::Serializer),
            (None, true) => return Err(Corrupt::Flags { key: key.to_owned(), flags: 1 }.into()),
            (Some(stage), true) if stage.stage().trusted() => (self.decompress(stage, payload).await?, Origin::Serializer),
            (Some(stage), true) => (self.decompress(stage, payload).await?, Origin::Compressor(stage)),
        };
        self.deserialize(serializer, payload, origin).await
    }

    /// The bytes that a compressor once was given.
    pub(super) async fn decompress(&self, stage: &Registered<dyn Compressor>, payload: Bytes) -> Result<Bytes, Error> {
        let max = self.limits.value_bytes;
        let failed = decompression_failed(stage);
        let payload = stage.stage().decompress(payload, max as u64).await.map_err(failed)?;
        output(payload.len(), max).map_err(failed)?;
        Ok(payload)
    }

    /// The value in a payload.
    pub(super) async fn deserialize(
        &self,
        serializer: Option<&Registered<dyn Serializer>>,
        payload: Bytes,
        origin: Origin<'_>,
    ) -> Result<Bytes, Error> {
        within("stored value", payload.len(), self.limits.value_bytes)?;
        let Some(stage) = serializer else {
            return Ok(cbor::wrap_bytes(&payload).into());
        };
        let failed = failed(stage, StageKind::Serializer, "deserialize a value");
        let value = stage.stage().deserialize(payload).await.map_err(failed)?;
        let trusted = stage.stage().trusted();
        if trusted && matches!(origin, Origin::Serializer) {
            return Ok(value);
        }
        check(&value).await.map_err(|why| match origin {
            // Such a serializer answers for the value only as far as it was given what it once made.
            Origin::Compressor(stage) if trusted => decompression_failed(stage)(StageFault::NotCbor(why)),
            _ => failed(StageFault::NotCbor(why)),
        })?;
        Ok(value)
    }

    /// What decides which value the bytes of an entry are.
    pub(super) fn form(&self) -> Form {
        (self.formats.plain, [id(self.serializer.as_ref()), id(self.compressor.as_ref())])
    }

    /// Which rests of keys, after [`Pipeline::entries`], a pattern of keys chooses.
    pub(super) fn choose(&self, pattern: Glob) -> (Glob, impl Fn(&str) -> bool + Send + Sync) {
        let hint = match &self.identity {
            None => pattern.hint(escape_char),
            Some(stage) => stage.stage().hint(&pattern),
        };
        let chosen = move |rest: &str| match &self.identity {
            _ if is_tag(rest) => false,
            Some(stage) if stage.stage().escapes() => pattern.matches(&stage.stage().matched(rest)),
            // What cannot be unescaped is no entry of ours.
            identity => unescape(rest).is_some_and(|text| {
                let text = identity.as_ref().map_or(Cow::Borrowed(&*text), |stage| stage.stage().matched(&text));
                pattern.matches(&text)
            }),
        };
        (hint, chosen)
    }

    /// The key that the rest of a store's key stands for, and the digest of its content where that can be told.
    pub(super) fn told(&self, rest: &str) -> (String, Option<String>) {
        match &self.identity {
            Some(stage) if stage.stage().escapes() => {
                let content = rest.split_once(':').map(|(_, digest)| digest.to_owned());
                (stage.stage().matched(rest).into_owned(), content)
            }
            identity => {
                let text = unescape(rest).unwrap_or(Cow::Borrowed(rest));
                (identity.as_ref().map_or(text.clone(), |stage| stage.stage().matched(&text)).into_owned(), None)
            }
        }
    }

    /// The name of the stage of a kind, `none` without one.
    pub(super) fn stage(&self, kind: StageKind) -> &str {
        match kind {
            StageKind::Identity => self.identity.as_ref().map(Registered::name),
            StageKind::Serializer => self.serializer.as_ref().map(Registered::name),
            StageKind::Compressor => self.compressor.as_ref().map(Registered::name),
        }
        .unwrap_or("none")
    }

    fn entry(&self, identity: &str) -> String {
        let mut key = String::with_capacity(self.entries.len() + identity.len());
        key.push_str(&self.entries);
        key.push_str(identity);
        key
    }

    /// What is wrong with an entry that a stage wrote which this cache does not read.
    fn other(&self, key: &str, kind: StageKind, wrote: StageId) -> Corrupt {
        let own = match kind {
            StageKind::Serializer => id(self.serializer.as_ref()),
            _ => id(self.compressor.as_ref()),
        };
        let reads: Vec<_> = std::iter::once(own).chain(self.formats.ids(kind)).map(|id| self.stages.describe(kind, id)).collect();
        Corrupt::OtherStage { key: key.to_owned(), kind, wrote: self.stages.describe(kind, wrote), reads: reads.join(", ") }
    }
}

/// Checks a value, off the caller's thread if it is so large that this may take over a millisecond.
async fn check(value: &Bytes) -> Result<(), CborFault> {
    const LARGE: usize = 256 * 1024;
    match Handle::try_current() {
        Ok(runtime) if value.len() > LARGE => {
            let job = runtime.spawn_blocking({
                let value = value.clone();
                move || cbor::check(&value)
            });
            // It fails only where the runtime is shutting down.
            job.await.unwrap_or_else(|_| cbor::check(value))
        }
        _ => cbor::check(value),
    }
}

/// Refuses what is larger than it may be.
pub(super) fn within(what: &'static str, size: usize, max: usize) -> Result<(), Limit> {
    if size > max { Err(Limit::Size { what, size: size as u64, max: max as u64 }) } else { Ok(()) }
}

fn output(size: usize, max: usize) -> Result<(), StageFault> {
    if size > max { Err(StageFault::Output { size: size as u64, max: max as u64 }) } else { Ok(()) }
}

pub(super) fn id<T: ?Sized>(stage: Option<&Registered<T>>) -> StageId {
    stage.map_or(StageId::NONE, Registered::id)
}

pub(super) fn failed<T: ?Sized>(
    stage: &Registered<T>,
    kind: StageKind,
    doing: &'static str,
) -> impl Fn(StageFault) -> Error + Copy {
    move |why| StageError { kind, name: stage.name().to_owned(), doing, why }.into()
}

fn decompression_failed(stage: &Registered<dyn Compressor>) -> impl Fn(StageFault) -> Error + Copy {
    failed(stage, StageKind::Compressor, "decompress a value")
}
