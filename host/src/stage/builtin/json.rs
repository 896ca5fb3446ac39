//! The serializer `json`.

use bytes::Bytes;

use super::work;
use crate::cbor::{from_json, to_json};
use crate::error::StageFault;
use crate::stage::{Serializer, Work};

/// The built-in serializer `json`: what is stored is JSON, for other programs to read.
///
/// JSON has less than CBOR. A value with a byte string, a tag, a map key that is not text, `undefined`, NaN, an infinity or an
/// integer under -2^63 is refused, and so is one nested over 127 deep. All others come back equal.
#[derive(Debug, Clone, Copy)]
pub struct JsonStage;

impl Serializer for JsonStage {
    fn serialize(&self, value: Bytes) -> Work<'_, Bytes> {
        work(value.len() > LARGE, move || to_json(&value).map(Bytes::from).map_err(|why| StageFault::Refused(why.to_string())))
    }

    fn deserialize(&self, bytes: Bytes) -> Work<'_, Bytes> {
        work(bytes.len() > LARGE, move || from_json(&bytes).map(Bytes::from).map_err(|why| StageFault::Refused(why.to_string())))
    }
}

/// Takes about a millisecond.
const LARGE: usize = 256 * 1024;
