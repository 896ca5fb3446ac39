//! Finds the locks that are held, by the keys that give them away.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use redis::Value;

use super::fault::{BAD_FENCE, Fault, integer, odd, time_left};
use super::request::Request;
use super::scan::escaped;
use super::sweep::{Visitor, sweep};
use super::wire::Wire;
use crate::names::{COMPANION, Holder, LockKeys, Prefix};
use crate::store::{Fingerprint, Part, SeenHolder, Sighting};

/// Looks, on all servers side by side, at the locks under a prefix.
pub(super) async fn sightings(wire: &Wire, prefix: &Prefix) -> Result<Vec<Sighting>, Fault> {
    // The first run stands for the brace that may come first, the one before the last for the `at:` that may be there. What is at
    // the end are the last letters of `fence`, `rw` and `permits`, of which no other companion has both.
    let pattern = format!("*{}*{COMPANION}*[crt][ews]", escaped(prefix.as_str()));
    let looking = Looking { wire, prefix, found: Mutex::default() };
    sweep(wire, &pattern, &looking).await?;
    let found = looking.found.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(found.into_values().collect())
}

struct Looking<'a> {
    wire: &'a Wire,
    prefix: &'a Prefix,
    /// By key, as one may be met more than once.
    found: Mutex<HashMap<String, Sighting>>,
}

impl Visitor for Looking<'_> {
    async fn visit(&self, keys: Vec<String>) -> Result<(), Fault> {
        let locks: Vec<_> = keys.iter().filter_map(|key| LockKeys::of_trace(self.prefix, key)).collect();
        let replies = self.wire.call_all(locks.iter().map(Request::Sight)).await;
        for (lock, reply) in locks.iter().zip(replies) {
            let seen = match reply {
                Ok(reply) => sighting(lock, &reply)?,
                // One name that is in use for something else does not keep the others from being seen.
                Err(fault) if matches!(fault.code(), "WRONGTYPE" | BAD_FENCE) => {
                    tracing::debug!(lock = lock.name(), ?fault, "is no lock");
                    None
                }
                Err(fault) => return Err(fault),
            };
            if let Some(seen) = seen {
                self.found.lock().unwrap_or_else(PoisonError::into_inner).insert(lock.key().to_owned(), seen);
            }
        }
        Ok(())
    }
}

/// What `sight.lua` or `shared_sight.lua` saw.
pub(super) fn sighting(lock: &LockKeys, reply: &Value) -> Result<Option<Sighting>, Fault> {
    let strange = || odd("who holds a lock", reply);
    let Value::Array(parts) = reply else { return Err(strange()) };
    if parts.is_empty() {
        return Ok(None);
    }
    let [fence, waiters, count, holders @ ..] = parts.as_slice() else { return Err(strange()) };
    let (holders, []) = holders.as_chunks() else { return Err(strange()) };
    let holders = holders.iter().filter_map(|parts| holder(parts).transpose()).collect::<Result<_, _>>()?;
    let number = |value| integer(value).map(|number| u64::try_from(number).unwrap_or(0));
    let (count, fence, waiters) = (number(count)?, digits(fence), number(waiters)?);
    Ok(Some(Sighting { lock: lock.clone(), holders, count, fence, waiters }))
}

/// One holder, as `seen.lua` tells of it; `None` for what somebody else has put there.
fn holder([share, label, digest, left, fence]: &[Value; 5]) -> Result<Option<SeenHolder>, Fault> {
    let part = match text(share) {
        Some("-") => Part::All,
        Some("r") => Part::Reads,
        Some("w") => Part::Writes,
        Some("p") => Part::Permit,
        _ => return Ok(None),
    };
    let label = text(label).and_then(|label| Holder::new(label).ok());
    let fingerprint = text(digest).and_then(Fingerprint::parse).ok_or_else(|| odd("a digest", digest))?;
    Ok(Some(SeenHolder { label, fingerprint, part, fence: digits(fence), lease_left: time_left(integer(left)?) }))
}

fn digits(value: &Value) -> Option<u64> {
    text(value)?.parse().ok()
}

fn text(value: &Value) -> Option<&str> {
    match value {
        // A foreign label can be any bytes.
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    }
}
