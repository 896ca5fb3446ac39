//! Takes many locks in one step.

use redis::Value;

use super::RedisStore;
use super::fault::{BAD_FENCE, time_left};
use super::request::Request;
use crate::error::{Error, Invalid};
use crate::names::LockKeys;
use crate::store::{AttemptAll, Ticket, given_up};

/// As [`crate::store::LockStore::attempt_all`] says.
pub(super) async fn attempt(store: &RedisStore, locks: &[LockKeys], ticket: &Ticket, fair: bool) -> Result<AttemptAll, Error> {
    let (token, lease) = (&ticket.token, ticket.lease);
    let reply = store.ask(Request::AcquireAll { locks, token, lease, fair }).await?;
    let Value::Array(parts) = &reply else { return Err(store.odd("an attempt's outcome", &reply)) };
    let which = |which: &i64| usize::try_from(*which).ok().and_then(|which| which.checked_sub(1)).filter(|at| *at < locks.len());
    match parts.as_slice() {
        [Value::Int(1), Value::Int(fence)] => return Ok(AttemptAll::Acquired { fence: fence.unsigned_abs() }),
        [Value::Int(2)] => return Err(given_up(&store.address)),
        [Value::Int(0), Value::Int(at), Value::Int(left)] => {
            if let Some(first) = which(at) {
                return Ok(AttemptAll::Busy { first, lease_left: time_left(*left) });
            }
        }
        [Value::Int(3), Value::Int(at), Value::BulkString(why)] => {
            if let Some(lock) = which(at).and_then(|at| locks.get(at)) {
                let why = String::from_utf8_lossy(why).into_owned();
                let key = if why.contains(BAD_FENCE) { lock.fence() } else { lock.key() };
                return Err(Invalid::ForeignKey { key: key.to_owned(), why }.into());
            }
        }
        _ => {}
    }
    Err(store.odd("an attempt's outcome", &reply))
}
