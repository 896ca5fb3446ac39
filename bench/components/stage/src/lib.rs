//! A stage that gives back what it gets and one that deflates.

use bellwether_guest::{Compressor, Serializer};

struct Bench;

impl Serializer for Bench {
    fn serialize(value: Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(value)
    }

    fn deserialize(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        Ok(bytes)
    }
}

impl Compressor for Bench {
    fn compress(bytes: Vec<u8>) -> Result<Option<Vec<u8>>, String> {
        let packed = miniz_oxide::deflate::compress_to_vec_zlib(&bytes, 6);
        Ok((packed.len() < bytes.len()).then_some(packed))
    }

    fn decompress(bytes: Vec<u8>, max_size: u64) -> Result<Vec<u8>, String> {
        let max = usize::try_from(max_size).unwrap_or(usize::MAX);
        miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&bytes, max).map_err(|why| why.to_string())
    }
}

bellwether_guest::export_serializer!(Bench);
bellwether_guest::export_compressor!(Bench);
