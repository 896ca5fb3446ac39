//! Finds the locks that are held, by the fences that stand beside them.

use std::collections::HashMap;

use futures_util::future::try_join_all;
use redis::Value;

use super::fault::{BAD_FENCE, Fault, integer, odd, time_left};
use super::link::Link;
use super::request::Request;
use super::scan::{Scan, escaped};
use super::wire::Wire;
use crate::names::{COMPANION, Holder, LockKeys, Prefix};
use crate::store::{Fingerprint, Sighting};

/// Looks, on all servers side by side, at the locks under a prefix.
pub(super) async fn sightings(wire: &Wire, prefix: &Prefix) -> Result<Vec<Sighting>, Fault> {
    // The first run stands for the brace that may come first, the last for the `at:` that may be there.
    let pattern = format!("*{}*{COMPANION}*fence", escaped(prefix.as_str()));
    let links = wire.topology().primaries(wire.deadline()).await?;
    let found = try_join_all(links.iter().map(|link| sweep(wire, link, &pattern, prefix))).await?;
    // A scan may come by a key more than once, and where a slot moves more than one server has it.
    let once: HashMap<String, Sighting> =
        found.into_iter().flatten().map(|sighting| (sighting.lock.key().to_owned(), sighting)).collect();
    Ok(once.into_values().collect())
}

async fn sweep(wire: &Wire, link: &Link, pattern: &str, prefix: &Prefix) -> Result<Vec<Sighting>, Fault> {
    let mut found = Vec::new();
    let mut scan = Scan::new(wire, link, pattern);
    while let Some(fences) = scan.next().await? {
        let locks: Vec<_> = fences.iter().filter_map(|key| LockKeys::of_fence(prefix, key)).collect();
        let replies = wire.call_all(locks.iter().map(Request::Sight)).await;
        for (lock, reply) in locks.iter().zip(replies) {
            match reply {
                Ok(reply) => found.extend(sighting(lock, &reply)?),
                // One name that is in use for something else does not keep the others from being seen.
                Err(fault) if matches!(fault.code(), "WRONGTYPE" | BAD_FENCE) => {
                    tracing::debug!(lock = lock.name(), ?fault, "is no lock");
                }
                Err(fault) => return Err(fault),
            }
        }
    }
    Ok(found)
}

/// What the script `sight.lua` saw.
pub(super) fn sighting(lock: &LockKeys, reply: &Value) -> Result<Option<Sighting>, Fault> {
    let Value::Array(parts) = reply else { return Err(odd("who holds a lock", reply)) };
    let [label, digest, left, fence, waiters] = parts.as_slice() else {
        return if parts.is_empty() { Ok(None) } else { Err(odd("who holds a lock", reply)) };
    };
    Ok(Some(Sighting {
        lock: lock.clone(),
        holder: text(label).and_then(|label| Holder::new(label).ok()),
        fingerprint: text(digest).and_then(Fingerprint::parse).ok_or_else(|| odd("a digest", digest))?,
        fence: text(fence).and_then(|digits| digits.parse().ok()),
        lease_left: time_left(integer(left)?),
        waiters: u64::try_from(integer(waiters)?).unwrap_or(0),
    }))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        // A foreign label can be any bytes.
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}
