//! Looks at many entries, a bounded batch at a time.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use redis::Value;

use super::claims::{self, Left, Question};
use super::fault::{Fault, integer, odd};
use super::request::Request;
use super::scan::escaped;
use super::sweep::{Visitor, sweep};
use super::wire::Wire;
use crate::envelope::has_no_value;
use crate::store::Ttl;
use crate::store::browse::{About, Browse, Seen, Told};

/// One walk over all servers.
struct Walk<'a> {
    wire: &'a Wire,
    which: Browse<'a>,
    /// How many entries are still to be looked at.
    closely: AtomicU64,
    over: AtomicBool,
    tell: Mutex<Told<'a>>,
}

/// Looks, on all servers side by side, at the entries that are meant.
pub(super) async fn browse(wire: &Wire, which: Browse<'_>, tell: Told<'_>) -> Result<(), Fault> {
    let pattern = format!("{}{}", escaped(which.prefix), which.hint.as_redis_pattern());
    let walk = Walk { wire, which, closely: AtomicU64::new(which.closely), over: AtomicBool::new(false), tell: Mutex::new(tell) };
    sweep(wire, &pattern, &walk).await
}

impl Visitor for Walk<'_> {
    async fn visit(&self, keys: Vec<String>) -> Result<(), Fault> {
        let ours = |key: &String| key.strip_prefix(self.which.prefix).is_some_and(self.which.chosen);
        let keys: Vec<_> = keys.into_iter().filter(ours).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let seen = if self.closely.load(Ordering::Relaxed) > 0 {
            let seen = look(self.wire, keys).await?;
            let closely = |left: u64| Some(left.saturating_sub(seen.len() as u64));
            let _ = self.closely.fetch_update(Ordering::Relaxed, Ordering::Relaxed, closely);
            seen
        } else {
            keys.into_iter().map(|key| Seen { key, about: None }).collect()
        };
        let mut tell = self.tell.lock().unwrap_or_else(PoisonError::into_inner);
        if (*tell)(seen) == ControlFlow::Break(()) {
            self.over.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// Looks at the entries of these keys that are still there.
async fn look(wire: &Wire, keys: Vec<String>) -> Result<Vec<Seen>, Fault> {
    let requests = keys.iter().flat_map(|key| [Request::Head(key), Request::Length(key), Request::Entry(Question::Left(key))]);
    let mut replies = wire.call_all(requests).await.into_iter();
    let mut seen = Vec::with_capacity(keys.len());
    for key in keys {
        let (Some(head), Some(length), Some(left)) = (replies.next(), replies.next(), replies.next()) else { break };
        let about = match (head, length) {
            // What is no entry keeps nobody from seeing the others.
            (Err(fault), _) | (_, Err(fault)) if fault.code() == "WRONGTYPE" => {
                tracing::debug!(key, "is no entry");
                continue;
            }
            (head, length) => about(head?, &length?, &left?)?,
        };
        if about.is_some() {
            seen.push(Seen { key, about });
        }
    }
    Ok(seen)
}

/// What an entry is like; `None` if it has gone meanwhile.
fn about(head: Value, length: &Value, left: &Value) -> Result<Option<About>, Fault> {
    let Value::BulkString(head) = head else { return Err(odd("bytes", &head)) };
    let (ttl, tags) = match claims::left(left)? {
        Left::Entry(ttl, tags) => (ttl, tags),
        // It was an entry when its first bytes were read, and is none any more.
        Left::NoValue(_) if !has_no_value(&head) => return Ok(None),
        Left::NoValue(ttl) => (ttl, Vec::new()),
    };
    let tags = tags.into_iter().map(|tag| tag.name).collect();
    let about = About { bytes: integer(length)?.unsigned_abs(), head: Bytes::from(head), ttl, tags };
    Ok((ttl != Ttl::Absent).then_some(about))
}
