//! Walks over all keys of a server, a bounded batch at a time.

use std::sync::Arc;

use redis::Value;

use super::fault::{Fault, odd};
use super::link::{Link, Live};
use super::wire::Wire;

/// How many keys a server looks at in one go, while everybody else waits.
const BATCH: u32 = 500;

/// The keys of one server that match a pattern, page by page. A key that is there all the while is on one page at least.
pub(super) struct Scan<'a> {
    wire: &'a Wire,
    link: &'a Link,
    /// Where all pages come from. To another server, which another connection may lead to, a cursor means other keys.
    live: &'a Arc<Live>,
    pattern: &'a str,
    /// Where the next page begins; `None` behind the last.
    cursor: Option<Vec<u8>>,
}

impl<'a> Scan<'a> {
    /// A scan that begins, over the connection that `link` has.
    pub(super) fn new(wire: &'a Wire, link: &'a Link, live: &'a Arc<Live>, pattern: &'a str) -> Self {
        Self { wire, link, live, pattern, cursor: Some(b"0".to_vec()) }
    }

    /// The next page, which may be empty; `None` behind the last. [`Fault::Lost`] if the connection is not the one for requests any more:
    /// then there can be keys that were on none of the pages.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>, Fault> {
        if !self.link.open().is_some_and(|open| Arc::ptr_eq(&open, self.live)) {
            return Err(Fault::Lost("the connection was lost half way through all keys".into()));
        }
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor.as_slice()).arg("MATCH").arg(self.pattern).arg("COUNT").arg(BATCH);
        let (next, keys) = page(self.live.send(&scan, self.wire.deadline()).await?)?;
        self.cursor = (next != b"0").then_some(next);
        Ok(Some(keys))
    }
}

/// One page of a scan: where the next one begins, and the keys on it.
fn page(reply: Value) -> Result<(Vec<u8>, Vec<String>), Fault> {
    match reply {
        Value::ServerError(error) => Err(Fault::Answer(error)),
        Value::Array(parts) => match <[Value; 2]>::try_from(parts) {
            Ok([Value::BulkString(next), Value::Array(keys)]) => {
                let text = |key| match key {
                    // Ours are all text.
                    Value::BulkString(key) => String::from_utf8(key).ok(),
                    _ => None,
                };
                Ok((next, keys.into_iter().filter_map(text).collect()))
            }
            Ok(parts) => Err(odd("a page of keys", &Value::Array(parts.into()))),
            Err(parts) => Err(odd("a page of keys", &Value::Array(parts))),
        },
        other => Err(odd("a page of keys", &other)),
    }
}

/// A pattern that matches the text and nothing else.
pub(super) fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(escaped("a*b?[c-d]\\{e}:é"), "a\\*b\\?\\[c\\-d\\]\\\\{e}:é");
    }
}
