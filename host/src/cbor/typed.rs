//! Between CBOR and the caller's own types.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Head, Reader, major, put_head};
use crate::error::Invalid;

/// A value as CBOR.
///
/// # Errors
/// [`Invalid::Type`] if serde says that the value cannot be written.
pub fn to_vec<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Invalid> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|why| Invalid::Type { why: text(why) })?;
    Ok(bytes)
}

/// A value of CBOR that was checked.
///
/// # Errors
/// [`Invalid::Type`] if the bytes are not a `T`.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Invalid> {
    ciborium::from_reader(bytes).map_err(|why: ciborium::de::Error<_>| Invalid::Type {
        why: match why {
            ciborium::de::Error::Semantic(_, why) => why,
            other => text(other),
        },
    })
}

/// Bytes as a CBOR byte string.
#[must_use]
pub fn wrap_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut item = Vec::with_capacity(bytes.len() + 9);
    put_head(&mut item, major::BYTES, bytes.len() as u64);
    item.extend_from_slice(bytes);
    item
}

/// What a CBOR byte string holds, without copying it where it is in one piece; `None` for another item.
#[must_use]
pub fn unwrap_bytes(item: &Bytes) -> Option<Bytes> {
    let mut reader = Reader::new(item);
    let held = match reader.next().ok()? {
        Head::Bytes(held) => item.slice_ref(held),
        Head::BytesChunks => reader.all_bytes().ok()?.into(),
        _ => return None,
    };
    (reader.left() == 0).then_some(held)
}

/// What ciborium says, in this crate's style.
fn text(why: impl std::fmt::Display) -> String {
    why.to_string()
}
