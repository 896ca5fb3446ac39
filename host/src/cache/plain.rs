//! Entries without an envelope: their bytes are the payload as it is.

use bytes::Bytes;

use super::opening::Origin;
use super::pipeline::{Pipeline, failed};
use crate::envelope::Envelope;
use crate::error::{Corrupt, Error, StageKind};

impl Pipeline {
    /// What such an entry keeps of a serialized value.
    pub(super) async fn compress_plain(&self, payload: Bytes) -> Result<Bytes, Error> {
        match &self.compressor {
            None => Ok(payload),
            Some(stage) => {
                let failed = failed(stage, StageKind::Compressor, "compress a value");
                stage.stage().compress_always(payload).await.map_err(failed)
            }
        }
    }

    /// The value in the bytes of an entry, which anybody may have written. `key` is the store's, for errors.
    pub(super) async fn open_plain(&self, key: &str, stored: Bytes) -> Result<Bytes, Error> {
        self.read_plain(stored.clone()).await.map_err(|why| match Envelope::open(key, stored) {
            Ok(_) => Corrupt::Enveloped { key: key.to_owned() }.into(),
            Err(_) => why,
        })
    }

    async fn read_plain(&self, stored: Bytes) -> Result<Bytes, Error> {
        let payload = match &self.compressor {
            None => stored,
            Some(stage) => self.decompress(stage, stored).await?,
        };
        self.deserialize(self.serializer.as_ref(), payload, Origin::Anybody).await
    }
}
