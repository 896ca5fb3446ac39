//! Walks all keys of a server, a bounded batch at a time, and deletes what begins alike.

use std::sync::Arc;

use futures_util::future::try_join_all;
use redis::Value;

use super::claims::Question;
use super::fault::{Fault, integer, odd};
use super::link::{Link, Live};
use super::request::Request;
use super::wire::Wire;
use crate::glob::Glob;
use crate::names::is_tag;

/// How many keys a server looks at in one go, while everybody else waits.
const BATCH: u32 = 500;

/// How many entries a server deletes in one go. It answers all that has come over one connection before it turns to the next.
const DELETIONS: usize = 50;

/// How often a sweep begins again when its connection was lost. A failover costs one.
const AGAIN: usize = 3;

/// Which of the keys that begin with the prefix are meant, by the rest of the key.
pub(super) type Chosen<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// Deletes, on all servers side by side, the entries whose keys begin with `prefix` and are chosen, and says how many there were. Tags
/// are invalidated.
pub(super) async fn delete_matching(wire: &Wire, prefix: &str, hint: &Glob, chosen: Chosen<'_>) -> Result<u64, Fault> {
    let pattern = format!("{}{}", escaped(prefix), hint.as_redis_pattern());
    let links = wire.topology().primaries(wire.deadline()).await?;
    let sweeps = links.iter().map(|link| sweep(wire, link, &pattern, prefix, chosen));
    Ok(try_join_all(sweeps).await?.into_iter().sum())
}

async fn sweep(wire: &Wire, link: &Link, pattern: &str, prefix: &str, chosen: Chosen<'_>) -> Result<u64, Fault> {
    let (mut deleted, mut again) = (0, 0..AGAIN);
    let mut scan = Scan::new(wire, link, pattern);
    loop {
        let keys = match scan.next().await {
            Ok(Some(keys)) => keys,
            Ok(None) => return Ok(deleted),
            // What was deleted is not met again, so all are counted once.
            Err(Fault::Lost(_)) if again.next().is_some() => {
                scan = Scan::new(wire, link, pattern);
                continue;
            }
            Err(fault) => return Err(fault),
        };
        let ours: Vec<_> = keys.iter().filter(|key| key.strip_prefix(prefix).is_some_and(chosen)).collect();
        let (tags, entries): (Vec<_>, Vec<_>) = ours.into_iter().partition(|key| key.strip_prefix(prefix).is_some_and(is_tag));
        let delete = |key| Request::Entry(Question::Delete(key, wire.topology().publish()));
        for some in entries.chunks(DELETIONS) {
            for reply in wire.call_all(some.iter().map(|key| delete(key))).await {
                deleted += u64::try_from(integer(&reply?)?).unwrap_or(0);
            }
        }
        for some in tags.chunks(DELETIONS) {
            let invalidate = some.iter().map(|key| Request::Entry(Question::Invalidate(key)));
            for (key, reply) in some.iter().zip(wire.call_all(invalidate).await) {
                match reply {
                    // A stranger's, and no text. It goes all the same.
                    Err(fault) if fault.code() == "WRONGTYPE" => wire.call(&delete(key)).await?,
                    reply => reply?,
                };
            }
        }
    }
}

/// The keys of one server that match a pattern, page by page. A key that is there all the while is on one page at least.
pub(super) struct Scan<'a> {
    wire: &'a Wire,
    link: &'a Link,
    pattern: &'a str,
    /// Where the first page came from. To another server, which another connection may lead to, the cursor means other keys.
    live: Option<Arc<Live>>,
    /// Where the next page begins; `None` behind the last.
    cursor: Option<Vec<u8>>,
}

impl<'a> Scan<'a> {
    /// A scan that begins.
    pub(super) fn new(wire: &'a Wire, link: &'a Link, pattern: &'a str) -> Self {
        Self { wire, link, pattern, live: None, cursor: Some(b"0".to_vec()) }
    }

    /// The next page, which may be empty; `None` behind the last. [`Fault::Lost`] if the connection of those before is not the one for
    /// requests any more: then there can be keys that were on none of them.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<String>>, Fault> {
        let deadline = self.wire.deadline();
        let live = match &self.live {
            None => self.link.live(deadline).await?,
            Some(live) if self.link.open().is_some_and(|open| Arc::ptr_eq(&open, live)) => live.clone(),
            Some(_) => return Err(Fault::Lost("the connection was lost half way through all keys".into())),
        };
        self.live = Some(live.clone());
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor.as_slice()).arg("MATCH").arg(self.pattern).arg("COUNT").arg(BATCH);
        let reply = live.send(&scan, deadline).await?;
        let (next, keys) = page(reply)?;
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
