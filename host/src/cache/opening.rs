//! From the bytes of an entry to its value.

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::Either;

use super::pipeline::{Pipeline, Soon, check, failed, id, now, output, within};
use crate::cbor;
use crate::envelope::{Envelope, StageId};
use crate::error::{CborFault, Corrupt, Error, StageFault, StageKind};
use crate::stage::{Compressor, Registered, Serializer, Work};

/// Who says that a payload is what a serializer made.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// The envelope's checksum, or one within the payload.
    Serializer,
    /// No more than this compressor, whose output nobody vouches for.
    Compressor(&'a Registered<dyn Compressor>),
    /// Nobody.
    Anybody,
}

/// What was in an envelope, and which stages made it.
struct Opened<'a> {
    payload: Bytes,
    serializer: Option<&'a Registered<dyn Serializer>>,
    /// If it made the payload smaller.
    compressor: Option<&'a Registered<dyn Compressor>>,
}

impl Pipeline {
    /// The value in the bytes of an entry. `key` is the store's, for errors.
    pub(super) fn open<'a>(&'a self, key: &'a str, stored: Bytes) -> Soon<'a, Bytes> {
        if self.formats.plain {
            return self.open_plain(key, stored).boxed().right_future();
        }
        let Opened { payload, serializer, compressor } = match self.unseal(key, stored) {
            Ok(opened) => opened,
            Err(why) => return now(Err(why)),
        };
        let Some(stage) = compressor else { return self.deserialize(serializer, payload, Origin::Serializer) };
        let origin = if stage.stage().trusted() { Origin::Serializer } else { Origin::Compressor(stage) };
        let value = async move { self.deserialize(serializer, self.decompress(stage, payload).await?, origin).await };
        value.boxed().right_future()
    }

    fn unseal(&self, key: &str, stored: Bytes) -> Result<Opened<'_>, Error> {
        let (envelope, payload) = Envelope::open(key, stored)?;
        let serializer = self.formats.serializer(self.serializer.as_ref(), envelope.serializer);
        let serializer = serializer.ok_or_else(|| self.other(key, StageKind::Serializer, envelope.serializer))?;
        let compressor = self.formats.compressor(self.compressor.as_ref(), envelope.compressor);
        let compressor = compressor.ok_or_else(|| self.other(key, StageKind::Compressor, envelope.compressor))?;
        if envelope.compressed && compressor.is_none() {
            return Err(Corrupt::Flags { key: key.to_owned(), flags: 1 }.into());
        }
        Ok(Opened { payload, serializer, compressor: compressor.filter(|_| envelope.compressed) })
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

    /// The bytes that a compressor once was given.
    pub(super) async fn decompress(&self, stage: &Registered<dyn Compressor>, payload: Bytes) -> Result<Bytes, Error> {
        let max = self.limits.value_bytes;
        let failed = decompression_failed(stage);
        let payload = stage.stage().decompress(payload, max as u64).await.map_err(failed)?;
        output(payload.len(), max).map_err(failed)?;
        Ok(payload)
    }

    /// The value in a payload.
    pub(super) fn deserialize<'a>(
        &self,
        serializer: Option<&'a Registered<dyn Serializer>>,
        payload: Bytes,
        origin: Origin<'a>,
    ) -> Soon<'a, Bytes> {
        if let Err(why) = within("stored value", payload.len(), self.limits.value_bytes) {
            return now(Err(why.into()));
        }
        let Some(stage) = serializer else { return now(Ok(cbor::wrap_bytes(&payload).into())) };
        match stage.stage().deserialize(payload) {
            Work::Done(Some(value)) => believe(stage, value, origin),
            later => later.then(move |value| believe(stage, value, origin)).boxed().right_future(),
        }
    }
}

/// The value that a serializer gave, if it is one.
fn believe<'a>(stage: &'a Registered<dyn Serializer>, value: Result<Bytes, StageFault>, origin: Origin<'a>) -> Soon<'a, Bytes> {
    let failed = failed(stage, StageKind::Serializer, "deserialize a value");
    let trusted = stage.stage().trusted();
    let value = match value {
        Ok(value) if trusted && matches!(origin, Origin::Serializer) => return now(Ok(value)),
        Ok(value) => value,
        Err(fault) => return now(Err(failed(fault))),
    };
    let ill_formed = move |why: CborFault| match origin {
        // Such a serializer answers for the value only as far as it was given what it once made.
        Origin::Compressor(stage) if trusted => decompression_failed(stage)(StageFault::NotCbor(why)),
        _ => failed(StageFault::NotCbor(why)),
    };
    match check(value) {
        Either::Left(checked) => now(checked.into_inner().map_err(ill_formed)),
        Either::Right(checking) => checking.map(move |checked| checked.map_err(ill_formed)).boxed().right_future(),
    }
}

fn decompression_failed(stage: &Registered<dyn Compressor>) -> impl Fn(StageFault) -> Error + Copy {
    failed(stage, StageKind::Compressor, "decompress a value")
}
