//! Deletes the entries whose keys begin alike.

use std::sync::atomic::{AtomicU64, Ordering};

use redis::Value;

use super::claims::Question;
use super::fault::{Fault, integer};
use super::request::Request;
use super::scan::escaped;
use super::sweep::{Visitor, sweep};
use super::wire::Wire;
use crate::glob::Glob;
use crate::names::is_tag;

/// How many entries a server deletes in one go. It answers all that has come over one connection before it turns to the next.
const DELETIONS: usize = 50;

/// Which of the keys that begin with the prefix are meant, by the rest of the key.
pub(super) type Chosen<'a> = &'a (dyn Fn(&str) -> bool + Send + Sync);

/// Deletes, on all servers side by side, the entries whose keys begin with `prefix` and are chosen, and says how many there were. Tags
/// are invalidated.
pub(super) async fn delete_matching(wire: &Wire, prefix: &str, hint: &Glob, chosen: Chosen<'_>) -> Result<u64, Fault> {
    let pattern = format!("{}{}", escaped(prefix), hint.as_redis_pattern());
    let deleting = Deleting { wire, prefix, chosen, deleted: AtomicU64::new(0) };
    sweep(wire, &pattern, &deleting).await?;
    Ok(deleting.deleted.into_inner())
}

struct Deleting<'a> {
    wire: &'a Wire,
    prefix: &'a str,
    chosen: Chosen<'a>,
    /// What was deleted is not met again, so all are counted once.
    deleted: AtomicU64,
}

impl Visitor for Deleting<'_> {
    async fn visit(&self, keys: Vec<String>) -> Result<(), Fault> {
        let ours = keys.iter().filter(|key| key.strip_prefix(self.prefix).is_some_and(self.chosen));
        let (tags, entries): (Vec<_>, Vec<_>) = ours.partition(|key| key.strip_prefix(self.prefix).is_some_and(is_tag));
        for some in entries.chunks(DELETIONS) {
            let replies = self.wire.call_all(some.iter().map(|key| self.delete(key))).await;
            replies.into_iter().map(|reply| self.count(reply)).fold(Ok(()), Result::and)?;
        }
        for some in tags.chunks(DELETIONS) {
            let invalidate = some.iter().map(|key| Request::Entry(Question::Invalidate(key)));
            for (key, reply) in some.iter().zip(self.wire.call_all(invalidate).await) {
                match reply {
                    // A stranger's, and no text. It goes all the same.
                    Err(fault) if fault.code() == "WRONGTYPE" => self.wire.call(&self.delete(key)).await?,
                    reply => reply?,
                };
            }
        }
        Ok(())
    }
}

impl Deleting<'_> {
    fn delete<'a>(&self, key: &'a str) -> Request<'a> {
        Request::Entry(Question::Delete(key, self.wire.topology().publish()))
    }

    fn count(&self, reply: Result<Value, Fault>) -> Result<(), Fault> {
        self.deleted.fetch_add(integer(&reply?)?.unsigned_abs(), Ordering::Relaxed);
        Ok(())
    }
}
