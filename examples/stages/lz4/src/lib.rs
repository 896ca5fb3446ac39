//! A compressor for bellwether caches: LZ4, for caches that are read more often than they are short of memory.
//!
//! Compressed bytes are one LZ4 block behind its decompressed size as four little-endian bytes, the form that other languages'
//! LZ4 libraries call a block with its size stored.

use bellwether_guest::Compressor;
use lz4_flex::block;

/// How many times its own size a block can decompress to: a byte of length in LZ4 stands for at most 255.
const MAX_RATIO: usize = 255;

struct Lz4;

impl Compressor for Lz4 {
    fn compress(bytes: Vec<u8>) -> Result<Option<Vec<u8>>, String> {
        if u32::try_from(bytes.len()).is_err() {
            return Ok(None);
        }
        let compressed = block::compress_prepend_size(&bytes);
        Ok((compressed.len() < bytes.len()).then_some(compressed))
    }

    fn decompress(bytes: Vec<u8>, max_size: u64) -> Result<Vec<u8>, String> {
        let (size, block) = block::uncompressed_size(&bytes).map_err(|_| "there is no size before the LZ4 block".to_owned())?;
        // Before any room is made for it: the size may be anybody's.
        if size as u64 > max_size {
            return Err(format!("the size of {size} bytes is over the limit of {max_size}"));
        }
        if size > block.len().saturating_mul(MAX_RATIO) {
            return Err(format!("an LZ4 block of {} bytes cannot hold the {size} bytes that it says", block.len()));
        }
        let decompressed = block::decompress(block, size).map_err(|error| format!("the LZ4 block is damaged: {error}"))?;
        if decompressed.len() != size {
            return Err(format!("the LZ4 block holds {} bytes and not the {size} that it says", decompressed.len()));
        }
        Ok(decompressed)
    }
}

bellwether_guest::export_compressor!(Lz4);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
        Lz4::compress(bytes.to_vec()).unwrap()
    }

    fn decompress(bytes: &[u8], max_size: u64) -> Result<Vec<u8>, String> {
        Lz4::decompress(bytes.to_vec(), max_size)
    }

    fn document() -> Vec<u8> {
        (0..500).flat_map(|n| format!("{{\"id\": {n}, \"licence\": \"MIT OR Apache-2.0\"}}\n").into_bytes()).collect()
    }

    #[test]
    fn documents_get_smaller_and_come_back() {
        let document = document();
        let compressed = compress(&document).unwrap();
        assert!(compressed.len() * 3 < document.len(), "{} of {}", compressed.len(), document.len());
        assert_eq!(decompress(&compressed, document.len() as u64).unwrap(), document);
    }

    #[test]
    fn long_runs_come_back_at_the_best_ratio_there_is() {
        for len in [64, 1_000, 1 << 20, 5_000_000] {
            let run = vec![b'a'; len];
            let compressed = compress(&run).unwrap();
            assert_eq!(decompress(&compressed, u64::MAX).unwrap(), run);
        }
    }

    #[test]
    fn bytes_that_do_not_get_fewer_are_left_as_they_are() {
        let mut state = 1_u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        });
        assert_eq!(compress(&noise.take(10_000).collect::<Vec<_>>()), None);
        assert_eq!(compress(b""), None);
        assert_eq!(compress(b"short"), None);
    }

    #[test]
    fn a_size_over_the_limit_is_refused() {
        let compressed = compress(&document()).unwrap();
        let error = decompress(&compressed, document().len() as u64 - 1).unwrap_err();
        assert!(error.contains("over the limit"), "{error}");
    }

    #[test]
    fn a_size_that_the_block_cannot_hold_is_refused_before_room_is_made() {
        let bomb = [&u32::MAX.to_le_bytes()[..], &[0; 10]].concat();
        let error = decompress(&bomb, u64::MAX).unwrap_err();
        assert!(error.contains("cannot hold"), "{error}");
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let compressed = compress(&document()).unwrap();
        for end in 0..compressed.len() {
            assert!(decompress(&compressed[..end], u64::MAX).is_err(), "up to {end}");
        }
        let mut other_size = compressed;
        other_size[0] ^= 1;
        assert!(decompress(&other_size, u64::MAX).is_err());
    }
}
