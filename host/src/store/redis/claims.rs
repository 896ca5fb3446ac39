//! What scripts are asked about an entry.

use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Value};

use super::fault::{Fault, odd, time_left};
use super::request::time_or_none;
use super::script::{self, Script};
use crate::clock::Span;
use crate::envelope::{Claim, Envelope, Head};
use crate::store::{Bid, Filling, Prolonging, Stale, Standing};

/// A question about one entry. Those that tell others something have the command for it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question<'a> {
    /// See `entry_claim.lua`.
    Claim(&'a str, &'a Bid),
    /// See `entry_fill.lua`.
    Fill(&'a Filling, &'static str),
    /// See `entry_prolong.lua`.
    Prolong(Prolonging<'a>),
    /// See `entry_abandon.lua`.
    Abandon(&'a str, Claim, Option<Span>, &'static str),
    /// See `entry_delete.lua`.
    Delete(&'a str, &'static str),
    /// See `entry_left.lua`.
    Left(&'a str),
}

impl<'a> Question<'a> {
    pub(super) fn key(self) -> &'a str {
        match self {
            Self::Claim(key, _) | Self::Abandon(key, ..) | Self::Delete(key, _) | Self::Left(key) => key,
            Self::Fill(filling, _) => &filling.entry.key,
            Self::Prolong(prolonging) => prolonging.key,
        }
    }

    pub(super) fn script(self) -> &'static Script {
        match self {
            Self::Claim(..) => &script::ENTRY_CLAIM,
            Self::Fill(..) => &script::ENTRY_FILL,
            Self::Prolong(_) => &script::ENTRY_PROLONG,
            Self::Abandon(..) => &script::ENTRY_ABANDON,
            Self::Delete(..) => &script::ENTRY_DELETE,
            Self::Left(_) => &script::ENTRY_LEFT,
        }
    }

    pub(super) fn command(self) -> Cmd {
        let payload = if let Self::Fill(filling, _) = self { filling.entry.bytes.len() } else { 0 };
        let mut command = Cmd::with_capacity(9, 192 + self.key().len() + payload);
        command.arg("EVALSHA").arg(self.script().digest()).arg(1).arg(self.key());
        match self {
            Self::Claim(_, Bid { claim, lease, cold, early, seen }) => {
                command.arg(&claim.to_bytes()).arg(lease.millis());
                placeholder(&mut command, cold.then_some(*claim));
                let identity = seen.as_ref().and_then(|seen| Head::identity(seen));
                command.arg(*early).arg(identity.as_ref().map_or(&[][..], |identity| &identity[..]));
            }
            Self::Fill(Filling { entry, claim, due, kept }, publish) => {
                command.arg(claim.map(Claim::to_bytes).as_ref().map_or(&[][..], |claim| &claim[..])).arg(&entry.bytes[..]);
                time_or_none(&mut command, *due);
                time_or_none(&mut command, *kept);
                command.arg(publish);
            }
            Self::Prolong(Prolonging { claim, lease, serves, .. }) => {
                command.arg(&claim.to_bytes()).arg(lease.millis());
                placeholder(&mut command, (!serves).then_some(claim));
            }
            Self::Abandon(_, claim, rest, publish) => {
                command.arg(&claim.to_bytes()).arg(rest.map_or(0, Span::millis)).arg(publish);
            }
            Self::Delete(_, publish) => {
                command.arg(publish);
            }
            Self::Left(_) => {}
        }
        command
    }
}

fn placeholder(command: &mut Cmd, claim: Option<Claim>) {
    // An empty payload is never too large.
    let placeholder = claim.and_then(|claim| Envelope::vacant(claim).seal(&[]).ok()).unwrap_or_default();
    command.arg(&placeholder[..]);
}

/// Understands what `entry_claim.lua` gives.
pub(super) fn standing(reply: Value, bid: &Bid) -> Result<Standing, Fault> {
    let Value::Array(mut parts) = reply else { return Err(odd("how an entry stands", &reply)) };
    let sent = match parts.pop() {
        Some(Value::BulkString(bytes)) => Some(Bytes::from(bytes)),
        other => {
            parts.extend(other);
            None
        }
    };
    // What is left out is what the bid has.
    let bytes = || {
        let bytes = sent.or_else(|| bid.seen.clone());
        bytes.ok_or_else(|| Fault::Odd("the reply leaves out the bytes of an entry".into()))
    };
    match parts.as_slice() {
        [Value::Int(0)] => Ok(Standing::Absent),
        [Value::Int(1)] => Ok(Standing::Hit(bytes()?)),
        [Value::Int(2)] => Ok(Standing::Yours { stale: None }),
        [Value::Int(2), Value::Int(kept)] => {
            Ok(Standing::Yours { stale: Some(Stale { bytes: bytes()?, kept: time_left(*kept) }) })
        }
        [Value::Int(3), Value::Int(left)] => {
            Ok(Standing::Busy { lease_left: Duration::from_millis(u64::try_from(*left).unwrap_or(0)) })
        }
        _ => Err(odd("how an entry stands", &Value::Array(parts))),
    }
}
