//! The compressor `zlib`.

use std::cell::RefCell;

use bytes::Bytes;
use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, TDEFLStatus, compress, create_comp_flags_from_zip_params};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_PARSE_ZLIB_HEADER, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::work;
use crate::error::StageFault;
use crate::stage::{Compressor, Work};

/// The built-in compressor `zlib`, the default: RFC 1950 at level 6. Less than 64 bytes are left as they are, and so is what
/// would not become smaller.
#[derive(Debug, Clone, Copy)]
pub struct ZlibStage;

impl Compressor for ZlibStage {
    fn compress(&self, bytes: Bytes) -> Work<'_, Option<Bytes>> {
        if bytes.len() < MIN_SIZE {
            return Work::done(Ok(None));
        }
        let most = bytes.len() - 1;
        work(bytes.len() > LARGE, move || Ok(deflate(&bytes, most).map(Bytes::from)))
    }

    fn compress_always(&self, bytes: Bytes) -> Work<'_, Bytes> {
        // Bytes that cannot be compressed are stored in blocks of some kilobytes, with five bytes before each.
        let most = bytes.len() + bytes.len() / 1024 + 64;
        let compressed = move || {
            let compressed = deflate(&bytes, most).map(Bytes::from);
            compressed.ok_or_else(|| StageFault::Refused("the compressed bytes have no end".to_owned()))
        };
        work(most > LARGE, compressed)
    }

    fn decompress(&self, bytes: Bytes, max_size: u64) -> Work<'_, Bytes> {
        if bytes.len() <= LARGE {
            // A few bytes can become a thousand times as many: how many is known only when it is done.
            let now = max_size.min(LARGE_OUTPUT);
            match inflate(&bytes, now) {
                Err(StageFault::Output { .. }) if now < max_size => {}
                answer => return Work::done(answer.map(Bytes::from)),
            }
        }
        work(true, move || inflate(&bytes, max_size).map(Bytes::from))
    }

    /// Its checksum says that what comes out is what went in.
    fn trusted(&self) -> bool {
        true
    }
}

/// Under this many bytes there is next to nothing to win.
const MIN_SIZE: usize = 64;

/// Takes about two milliseconds to compress.
const LARGE: usize = 64 * 1024;

/// What is decompressed to more than this is done again from the beginning where it may take its time.
const LARGE_OUTPUT: u64 = 512 * 1024;

const LEVEL: i32 = 6;

thread_local! {
    // The state of a compressor is some 300 KiB, that of a decompressor 10 KiB: too much to set up for every value.
    static DEFLATE: RefCell<Option<Box<CompressorOxide>>> = const { RefCell::new(None) };
    static INFLATE: RefCell<Box<DecompressorOxide>> = RefCell::default();
}

/// The compressed bytes, if they are at most so many.
fn deflate(bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; most];
    DEFLATE.with_borrow_mut(|state| {
        let state = state.get_or_insert_with(|| Box::new(CompressorOxide::new(create_comp_flags_from_zip_params(LEVEL, 15, 0))));
        state.reset();
        let (mut read, mut written) = (0, 0);
        loop {
            let (rest, room) = (bytes.get(read..)?, out.get_mut(written..)?);
            let full = room.is_empty();
            let (status, more_read, more_written) = compress(state, rest, room, TDEFLFlush::Finish);
            read += more_read;
            written += more_written;
            match status {
                TDEFLStatus::Done => break,
                TDEFLStatus::Okay if !full => {}
                // There is no room left: the result would not be small enough.
                _ => return None,
            }
        }
        out.truncate(written);
        Some(out)
    })
}

fn inflate(bytes: &[u8], max_size: u64) -> Result<Vec<u8>, StageFault> {
    const FLAGS: u32 = TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let refused = |why: &str| Err(StageFault::Refused(format!("the stored bytes are not zlib: {why}")));
    let max = usize::try_from(max_size).unwrap_or(usize::MAX);
    INFLATE.with_borrow_mut(|state| {
        state.init();
        let mut out = vec![0; bytes.len().saturating_mul(4).max(1024).min(max)];
        let (mut read, mut written) = (0, 0);
        loop {
            let rest = bytes.get(read..).unwrap_or_default();
            let (status, more_read, more_written) = decompress(state, rest, &mut out, written, FLAGS);
            read += more_read;
            written += more_written;
            match status {
                TINFLStatus::Done if read == bytes.len() => break,
                TINFLStatus::Done => return refused("there are more bytes after the end"),
                TINFLStatus::HasMoreOutput if out.len() == max => {
                    return Err(StageFault::Output { size: max_size.saturating_add(1), max: max_size });
                }
                TINFLStatus::HasMoreOutput => out.resize(out.len().saturating_mul(2).min(max), 0),
                TINFLStatus::FailedCannotMakeProgress | TINFLStatus::NeedsMoreInput => return refused("they end too early"),
                TINFLStatus::Adler32Mismatch => return refused("the checksum does not match"),
                _ => return refused("they are damaged"),
            }
        }
        out.truncate(written);
        Ok(out)
    })
}
