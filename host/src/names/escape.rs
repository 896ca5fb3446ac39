//! How texts that may hold anything become parts of a key.
//!
//! A part never holds a control character, a brace or, unless it is the last, a colon: it ends where it seems to, cannot choose
//! its slot in a cluster, and can be shown. Different texts stay different.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A text as a part of a key that other parts may follow, with a `:` between.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte == b':' || is_special(byte)) { escaped(text, escape_char) } else { text.into() }
}

/// The same for the last part of a key, which may hold colons.
#[must_use]
pub fn escape_last(text: &str) -> Cow<'_, str> {
    if text.bytes().any(is_special) { escaped(text, escape_last_char) } else { text.into() }
}

/// What [`escape`] makes of one character.
pub fn escape_char(c: char, out: &mut String) {
    if c == ':' { out.push_str("%3A") } else { escape_last_char(c, out) }
}

/// What [`escape_last`] makes of one character.
pub fn escape_last_char(c: char, out: &mut String) {
    if c.is_control() || matches!(c, '%' | '{' | '}') {
        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    } else {
        out.push(c);
    }
}

/// The text that was escaped; `None` if this is nothing that [`escape`] or [`escape_last`] gives.
#[must_use]
pub fn unescape(part: &str) -> Option<Cow<'_, str>> {
    if !part.contains('%') {
        return Some(part.into());
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut pieces = part.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        let digit = |c: u8| char::from(c).to_digit(16).filter(|_| !c.is_ascii_lowercase());
        let [high, low] = <[u8; 2]>::try_from(digits.as_bytes()).ok()?;
        bytes.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

/// Whether a byte may begin a character that is escaped. Control characters past ASCII begin with `C2`, as do others.
fn is_special(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b'%' | b'{' | b'}' | 0xc2)
}

fn escaped(text: &str, each: fn(char, &mut String)) -> Cow<'_, str> {
    let mut out = String::with_capacity(text.len() + 8);
    text.chars().for_each(|c| each(c, &mut out));
    out.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_texts_stay_as_they_are() {
        for text in ["", "a", "user 42", "ü*?[x]\\", "\u{a0}no-break"] {
            assert_eq!(escape(text), text);
            assert_eq!(escape_last(text), text);
        }
        assert_eq!(escape_last("a:b"), "a:b");
    }

    #[test]
    fn everything_else_is_escaped() {
        assert_eq!(escape("a:b%c{d}\0\n\u{7f}\u{85}"), "a%3Ab%25c%7Bd%7D%00%0A%7F%C2%85");
        assert_eq!(escape_last("a:b{"), "a:b%7B");
        for part in ["%", "%4", "%zz", "%3a", "a%FF", "%+1"] {
            assert_eq!(unescape(part), None, "{part}");
        }
    }

    fn is_brace(c: char) -> bool {
        matches!(c, '{' | '}')
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in any::<String>()) {
            for part in [escape(&text), escape_last(&text)] {
                prop_assert_eq!(unescape(&part).unwrap(), text.as_str());
                prop_assert!(!part.contains(|c: char| c.is_control() || is_brace(c)));
            }
            prop_assert!(!escape(&text).contains(':'));
        }

        #[test]
        fn no_bytes_are_too_odd(part in any::<String>()) {
            if let Some(text) = unescape(&part) {
                let again = escape(&text).into_owned();
                prop_assert_eq!(unescape(&again).unwrap(), text);
            }
        }
    }
}
