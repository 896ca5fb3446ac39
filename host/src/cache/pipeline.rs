//! From a value to the bytes of an entry and back, and from a key to the store's.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, Ready, ready};
use tokio::runtime::Handle;

use crate::cbor;
use crate::envelope::{Envelope, StageId, Tag};
use crate::error::{CborFault, Error, Invalid, Limit, StageError, StageFault, StageKind};
use crate::glob::Glob;
use crate::names::{escape, escape_char, escape_last, is_tag, unescape};
use crate::stage::{Compressor, Identity, Registered, Serializer, Stages, Work};

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
    pub(super) fn key<'a>(&'a self, key: &'a str, content: Option<&'a [u8]>) -> Soon<'a, String> {
        if let Err(why) = self.check_key(key, content) {
            return now(Err(why));
        }
        let Some(stage) = &self.identity else { return now(Ok(self.entry(&escape(key)))) };
        match stage.stage().generate(&self.cache, key, content) {
            Work::Done(Some(identity)) => now(self.named(stage, identity)),
            later => later.map(|identity| self.named(stage, identity)).boxed().right_future(),
        }
    }

    fn check_key(&self, key: &str, content: Option<&[u8]>) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Invalid::Empty { what: "key" }.into());
        }
        within("key", key.len(), self.limits.key_bytes)?;
        within("content", content.map_or(0, <[u8]>::len), self.limits.content_bytes)?;
        if content.is_some() && self.identity.is_none() {
            return Err(Invalid::ContentWithoutIdentity.into());
        }
        Ok(())
    }

    /// The store's key of an entry, given what the identity calls it.
    fn named(&self, stage: &Registered<dyn Identity>, identity: Result<String, StageFault>) -> Result<String, Error> {
        let failed = failed(stage, StageKind::Identity, "name an entry");
        let identity = identity.map_err(failed)?;
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
        let value = check(value).await.map_err(|why| Invalid::Cbor { what: "value", why })?;
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
}

/// Something that is there at once, as nearly always, or comes later. A future of its own for each of a thousand entries would cost more than
/// the built-in stages do.
pub(super) type Soon<'a, T, E = Error> = Either<Ready<Result<T, E>>, BoxFuture<'a, Result<T, E>>>;

/// It is there.
pub(super) fn now<'a, T, E>(outcome: Result<T, E>) -> Soon<'a, T, E> {
    Either::Left(ready(outcome))
}

/// Gives a value if it is one, which is checked off the caller's thread if it is so large that this may take over a millisecond.
pub(super) fn check(value: Bytes) -> Soon<'static, Bytes, CborFault> {
    const LARGE: usize = 256 * 1024;
    match Handle::try_current() {
        Ok(runtime) if value.len() > LARGE => {
            let checking = value.clone();
            let job = runtime.spawn_blocking(move || cbor::check(&checking));
            // It fails only where the runtime is shutting down.
            let checked = async move { job.await.unwrap_or_else(|_| cbor::check(&value)).map(|()| value) };
            checked.boxed().right_future()
        }
        _ => now(cbor::check(&value).map(|()| value)),
    }
}

/// Refuses what is larger than it may be.
pub(super) fn within(what: &'static str, size: usize, max: usize) -> Result<(), Limit> {
    if size > max { Err(Limit::Size { what, size: size as u64, max: max as u64 }) } else { Ok(()) }
}

pub(super) fn output(size: usize, max: usize) -> Result<(), StageFault> {
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
