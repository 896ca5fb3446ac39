//! Writes heads in their shortest form.

/// The major types of RFC 8949.
pub(crate) mod major {
    pub(crate) const UNSIGNED: u8 = 0;
    pub(crate) const NEGATIVE: u8 = 1;
    pub(crate) const BYTES: u8 = 2;
    pub(crate) const TEXT: u8 = 3;
    pub(crate) const ARRAY: u8 = 4;
    pub(crate) const MAP: u8 = 5;
    pub(crate) const TAG: u8 = 6;
}

/// A head with its argument in the shortest form.
pub(crate) fn put_head(out: &mut Vec<u8>, major: u8, argument: u64) {
    let (head, size) = head(major, argument);
    out.extend_from_slice(head.get(..size).unwrap_or(&head));
}

/// Puts the head of an array or a map where [`reserve_head`] kept a byte for it.
pub(crate) fn fill_head(out: &mut Vec<u8>, reserved: usize, major: u8, argument: u64) {
    let (head, size) = head(major, argument);
    out.splice(reserved..=reserved, head.into_iter().take(size));
}

/// Keeps a byte for the head of an array or map whose length is not known yet; few have a longer head.
pub(crate) fn reserve_head(out: &mut Vec<u8>) -> usize {
    out.push(0);
    out.len() - 1
}

/// A simple value. Those from 24 to 31 cannot be written.
pub(crate) fn put_simple(out: &mut Vec<u8>, value: u8) {
    match value {
        0..=23 => out.push(0xe0 | value),
        _ => out.extend_from_slice(&[0xf8, value]),
    }
}

/// A floating-point number in the shortest form that keeps its value, and one form for all that are not a number.
pub(crate) fn put_float(out: &mut Vec<u8>, value: f64) {
    #[allow(clippy::cast_possible_truncation, reason = "the result is kept only if nothing was lost")]
    let single = value as f32;
    if value.is_nan() {
        out.extend_from_slice(&[0xf9, 0x7e, 0x00]);
    } else if f64::from(single).to_bits() != value.to_bits() {
        out.push(0xfb);
        out.extend_from_slice(&value.to_be_bytes());
    } else if let Some(half) = half(single) {
        out.push(0xf9);
        out.extend_from_slice(&half.to_be_bytes());
    } else {
        out.push(0xfa);
        out.extend_from_slice(&single.to_be_bytes());
    }
}

/// A head, and how many of its bytes count.
fn head(major: u8, argument: u64) -> ([u8; 9], usize) {
    let [.., small] = argument.to_be_bytes();
    let (info, size) = match argument {
        0..=23 => (small, 0),
        24..=0xff => (24, 1),
        0x100..=0xffff => (25, 2),
        0x1_0000..=0xffff_ffff => (26, 4),
        _ => (27, 8),
    };
    let mut head = [0; 9];
    head[0] = major << 5 | info;
    head[1..].copy_from_slice(&argument.checked_shl(64 - 8 * size).unwrap_or(0).to_be_bytes());
    (head, 1 + size as usize)
}

/// The same number in half precision, if that has it.
fn half(value: f32) -> Option<u16> {
    let bits = value.to_bits();
    let sign = (bits >> 16) & 0x8000;
    let mantissa = bits & 0x007f_ffff;
    let short = match (bits >> 23) & 0xff {
        0 if mantissa == 0 => 0,
        0xff if mantissa == 0 => 0x7c00,
        // 2^-14 to 2^15: a normal number of 10 bits after the point.
        biased @ 113..=142 if mantissa.trailing_zeros() >= 13 => ((biased - 112) << 10) | (mantissa >> 13),
        // 2^-24 to 2^-15: a subnormal one.
        biased @ 103..=112 => {
            let whole = mantissa | 0x0080_0000;
            let shift = 126 - biased;
            if whole.trailing_zeros() < shift {
                return None;
            }
            whole >> shift
        }
        _ => return None,
    };
    u16::try_from(sign | short).ok()
}
