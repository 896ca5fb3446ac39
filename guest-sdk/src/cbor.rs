//! Values as CBOR (RFC 8949), the form in which they cross between guest, host and stages.
//!
//! [`Cache`](crate::Cache) does this by itself; a [`Serializer`](crate::Serializer) gets and gives CBOR, and a cache's
//! `get_cbor` and `set_cbor` take it as it is.

use serde::Serialize;
use serde::de::{self, DeserializeOwned};

use crate::error::{Error, Result};

pub use ciborium::Value;

/// A value as one CBOR data item.
///
/// # Errors
/// [`Error::Encode`] if the value's own `Serialize` refuses.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes)
        .map_err(|error| Error::Encode { type_name: std::any::type_name::<T>(), why: error.to_string() })?;
    Ok(bytes)
}

/// The value that one CBOR data item stands for.
///
/// # Errors
/// [`Error::Decode`] if the bytes are not CBOR, are more than one item, or do not fit the type.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let fault = |why| Error::Decode { type_name: std::any::type_name::<T>(), why };
    let mut rest = bytes;
    let value = ciborium::from_reader(&mut rest).map_err(|error| fault(plain(&error)))?;
    if rest.is_empty() { Ok(value) } else { Err(fault(format!("{} more bytes follow the item", rest.len()))) }
}

/// ciborium's own texts are the `Debug` form of its errors.
fn plain<E: std::fmt::Debug>(error: &ciborium::de::Error<E>) -> String {
    use ciborium::de::Error as De;
    match error {
        De::Io(_) => "the bytes end within the item".to_owned(),
        De::Syntax(at) => format!("byte {at} is not allowed there"),
        De::Semantic(_, why) => why.clone(),
        De::RecursionLimitExceeded => "items are nested too deep".to_owned(),
    }
}

/// Bytes as a CBOR byte string, which serde would otherwise write as an array of numbers.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// The bytes of a CBOR byte string.
pub(crate) struct ByteBuf(pub(crate) Vec<u8>);

impl<'de> de::Deserialize<'de> for ByteBuf {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteBuf;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a byte string")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> std::result::Result<ByteBuf, E> {
                Ok(ByteBuf(bytes.to_vec()))
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> std::result::Result<ByteBuf, E> {
                Ok(ByteBuf(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn values_come_back_as_they_went() {
        let value = ("text".to_owned(), vec![1_i64, -2, i64::MAX], None::<bool>);
        assert_eq!(decode::<(String, Vec<i64>, Option<bool>)>(&encode(&value).unwrap()).unwrap(), value);
    }

    #[test]
    fn bytes_are_one_byte_string() {
        assert_eq!(encode(&Bytes(&[1, 2, 3])).unwrap(), [0x43, 1, 2, 3]);
        let long: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        assert_eq!(decode::<ByteBuf>(&encode(&Bytes(&long)).unwrap()).unwrap().0, long);
        // Of indefinite length, as other languages may write it.
        assert_eq!(decode::<ByteBuf>(&[0x5f, 0x42, 1, 2, 0x41, 3, 0xff]).unwrap().0, [1, 2, 3]);
    }

    #[test]
    fn a_wrong_type_says_which_and_why() {
        let error = decode::<u8>(&encode("text").unwrap()).unwrap_err();
        assert!(matches!(&error, Error::Decode { type_name: "u8", .. }), "{error}");
        assert!(matches!(decode::<ByteBuf>(&encode("text").unwrap()), Err(Error::Decode { .. })));
    }

    #[test]
    fn bytes_that_are_not_one_item_are_refused() {
        for bytes in [&[][..], &[0x62, b'a'], &[0x01, 0x02], &[0xff]] {
            assert!(matches!(decode::<Value>(bytes), Err(Error::Decode { .. })), "{bytes:?}");
        }
    }

    #[test]
    fn a_value_that_refuses_names_its_type() {
        struct Refuses;
        impl Serialize for Refuses {
            fn serialize<S: serde::Serializer>(&self, _: S) -> std::result::Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("not today"))
            }
        }
        let error = encode(&Refuses).unwrap_err().to_string();
        assert!(error.contains("Refuses") && error.contains("not today"), "{error}");
    }
}
