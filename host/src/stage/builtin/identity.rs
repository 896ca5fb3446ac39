//! The identity `default`.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::glob::Glob;
use crate::names::{escape, escape_char, unescape};
use crate::stage::{Identity, Work};

/// The built-in identity `default`: `{key}`, or `{key}:{digest}` for a key with content. The key is escaped, so the first colon
/// is the one before the digest, which is the SHA-256 of the canonical content in base64url.
#[derive(Debug, Clone, Copy)]
pub struct DefaultIdentity;

impl Identity for DefaultIdentity {
    fn generate<'a>(&'a self, _cache: &'a str, key: &'a str, content: Option<&'a [u8]>) -> Work<'a, String> {
        let key = escape(key);
        Work::done(Ok(match content {
            None => key.into_owned(),
            Some(content) => {
                let mut identity = String::with_capacity(key.len() + 1 + DIGEST);
                identity.push_str(&key);
                identity.push(':');
                base64url(&Sha256::digest(content), &mut identity);
                identity
            }
        }))
    }

    fn escapes(&self) -> bool {
        true
    }

    fn matched<'a>(&self, identity: &'a str) -> Cow<'a, str> {
        let key = identity.split_once(':').map_or(identity, |(key, _)| key);
        unescape(key).unwrap_or(Cow::Borrowed(key))
    }

    fn hint(&self, pattern: &Glob) -> Glob {
        pattern.hint(escape_char)
    }
}

/// How long a digest is as text.
const DIGEST: usize = 43;

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0, |bits, (at, &byte)| bits | u32::from(byte) << (16 - 8 * at));
        for digit in 0..=group.len() {
            let value = bits >> (18 - 6 * digit) & 0x3f;
            out.extend(DIGITS.get(value as usize).map(|&digit| char::from(digit)));
        }
    }
}
