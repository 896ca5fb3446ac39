//! Whether bytes are one data item, in one pass and without recursion: every value passes through here.

use super::{Head, MAX_DEPTH, Reader};
use crate::error::CborFault;

/// Checks that the bytes are exactly one well-formed data item.
///
/// # Errors
/// What is wrong with them, and where.
pub fn check(bytes: &[u8]) -> Result<(), CborFault> {
    walk(bytes, &mut Ignored)
}

/// The same, and counts what the arrays and maps of indefinite length hold.
pub(crate) fn check_and_count(bytes: &[u8]) -> Result<Counts, CborFault> {
    let mut counts = Counting::default();
    walk(bytes, &mut counts)?;
    Ok(Counts(counts.done.into_iter()))
}

/// How many items each array, and pairs each map, of indefinite length holds, in the order in which they begin.
#[derive(Debug)]
pub(crate) struct Counts(std::vec::IntoIter<u64>);

impl Counts {
    /// The length of the next array or map: as it says itself, or as it was counted.
    pub(crate) fn length(&mut self, given: Option<u64>) -> u64 {
        given.or_else(|| self.0.next()).unwrap_or(0)
    }
}

/// What a walk tells about arrays and maps of indefinite length.
trait Lengths {
    fn begin(&mut self);
    fn end(&mut self, count: u64);
}

struct Ignored;

impl Lengths for Ignored {
    fn begin(&mut self) {}
    fn end(&mut self, _: u64) {}
}

#[derive(Default)]
struct Counting {
    done: Vec<u64>,
    open: Vec<usize>,
}

impl Lengths for Counting {
    fn begin(&mut self) {
        self.open.push(self.done.len());
        self.done.push(0);
    }

    fn end(&mut self, count: u64) {
        if let Some(slot) = self.open.pop().and_then(|at| self.done.get_mut(at)) {
            *slot = count;
        }
    }
}

/// Marks a container that lasts until its break and counts upwards. All others count down to 0.
const OPEN: u64 = 1 << 63;
/// Marks an open container in which keys and values alternate.
const PAIRS: u64 = 1 << 62;

fn walk(bytes: &[u8], lengths: &mut impl Lengths) -> Result<(), CborFault> {
    if bytes.is_empty() {
        return Err(CborFault::Empty);
    }
    let mut reader = Reader::new(bytes);
    let mut outer = [0_u64; MAX_DEPTH];
    let mut depth = 0;
    let mut current = 1;
    loop {
        let at = reader.at();
        let begun = match reader.next()? {
            Head::Array(Some(items)) => within(&reader, items)?,
            Head::Map(Some(pairs)) => within(&reader, pairs.saturating_mul(2))?,
            Head::Array(None) => {
                lengths.begin();
                OPEN
            }
            Head::Map(None) => {
                lengths.begin();
                OPEN | PAIRS
            }
            Head::Tag(_) => 1,
            Head::BytesChunks => {
                while reader.bytes_chunk()?.is_some() {}
                0
            }
            Head::TextChunks => {
                while reader.text_chunk()?.is_some() {}
                0
            }
            Head::Break => {
                let pairs = current & PAIRS != 0;
                let items = current & !(OPEN | PAIRS);
                if current & OPEN == 0 || (pairs && items % 2 == 1) {
                    return Err(CborFault::Malformed { at });
                }
                lengths.end(if pairs { items / 2 } else { items });
                depth -= 1;
                current = outer.get(depth).copied().unwrap_or(1);
                0
            }
            _ => 0,
        };
        if begun != 0 {
            *outer.get_mut(depth).ok_or(CborFault::TooDeep)? = current;
            depth += 1;
            current = begun;
            continue;
        }
        // An item ended, and with it perhaps the container around it.
        loop {
            if current & OPEN != 0 {
                current += 1;
                break;
            }
            current -= 1;
            if current != 0 {
                break;
            }
            if depth == 0 {
                return if reader.left() == 0 { Ok(()) } else { Err(CborFault::Trailing { at: reader.at() }) };
            }
            depth -= 1;
            current = outer.get(depth).copied().unwrap_or(1);
        }
    }
}

/// A length that the bytes that are left can hold, as every item takes one at least.
fn within(reader: &Reader<'_>, items: u64) -> Result<u64, CborFault> {
    if items > reader.left() as u64 { Err(CborFault::Truncated) } else { Ok(items) }
}
