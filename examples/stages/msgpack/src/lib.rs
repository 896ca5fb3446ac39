//! A serializer for bellwether caches: values are stored as `MessagePack`, which other programs can read.
//!
//! What `MessagePack` has no form for (tags, simple values such as `undefined`, integers below -2⁶³) is carried as an extension
//! of type 67 whose bytes are the CBOR item itself, so every value comes back as it was.

use bellwether_guest::Serializer;

mod read;
mod write;

/// The extension type that carries CBOR items: the letter C.
const EXTENSION: i8 = 67;

/// How deep arrays and maps can be nested, in values and in stored bytes. The host allows less.
const MAX_DEPTH: usize = 256;

struct MessagePack;

impl Serializer for MessagePack {
    fn serialize(value: Vec<u8>) -> Result<Vec<u8>, String> {
        write::message_pack(&value)
    }

    fn deserialize(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        read::cbor(&bytes)
    }
}

bellwether_guest::export_serializer!(MessagePack);

#[cfg(test)]
mod tests;
