//! What scripts are asked about an entry, or a tag of entries.

use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Value};

use super::fault::{Fault, integer, odd, time_left};
use super::request::time_or_none;
use super::script::{self, Script};
use crate::clock::{Span, millis};
use crate::envelope::{Claim, Envelope, Generation, Head, Tag, tags};
use crate::store::{Abandoning, Bid, Filling, Prolonging, REMEMBERED, Replaces, Stale, Standing, Tagged, Tagging, Ttl};

/// A question about one entry or tag. Those that tell others something have the command for it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question<'a> {
    /// See `entry_claim.lua`.
    Claim(&'a str, &'a Bid),
    /// See `entry_fill.lua`.
    Fill(&'a Filling, &'static str),
    /// See `entry_prolong.lua`.
    Prolong(Prolonging<'a>),
    /// See `entry_abandon.lua`.
    Abandon(Abandoning<'a>, &'static str),
    /// See `entry_delete.lua`.
    Delete(&'a str, &'static str),
    /// See `entry_discard.lua`. The bytes are of the entry that is meant.
    Discard(&'a str, &'a Bytes, &'static str),
    /// See `entry_left.lua`.
    Left(&'a str),
    /// See `tag_begin.lua`.
    Tag(&'a Tagging),
    /// See `tag_invalidate.lua`.
    Invalidate(&'a str),
}

impl<'a> Question<'a> {
    pub(super) fn key(self) -> &'a str {
        match self {
            Self::Claim(key, _) | Self::Delete(key, _) | Self::Discard(key, ..) | Self::Left(key) | Self::Invalidate(key) => key,
            Self::Tag(tagging) => &tagging.key,
            Self::Fill(filling, _) => &filling.entry.key,
            Self::Prolong(prolonging) => prolonging.key,
            Self::Abandon(abandoning, _) => abandoning.key,
        }
    }

    pub(super) fn script(self) -> &'static Script {
        match self {
            Self::Claim(..) => &script::ENTRY_CLAIM,
            Self::Fill(..) => &script::ENTRY_FILL,
            Self::Prolong(_) => &script::ENTRY_PROLONG,
            Self::Abandon(..) => &script::ENTRY_ABANDON,
            Self::Delete(..) => &script::ENTRY_DELETE,
            Self::Discard(..) => &script::ENTRY_DISCARD,
            Self::Left(_) => &script::ENTRY_LEFT,
            Self::Tag(_) => &script::TAG_BEGIN,
            Self::Invalidate(_) => &script::TAG_INVALIDATE,
        }
    }

    pub(super) fn command(self) -> Cmd {
        let payload = if let Self::Fill(filling, _) = self { filling.entry.bytes.len() } else { 0 };
        let mut command = Cmd::with_capacity(10, 192 + self.key().len() + payload);
        command.arg("EVALSHA").arg(self.script().digest()).arg(1).arg(self.key());
        match self {
            Self::Claim(_, Bid { claim, lease, cold, early, seen }) => {
                command.arg(&claim.to_bytes()).arg(lease.millis());
                placeholder(&mut command, cold.then_some(*claim));
                let identity = seen.as_ref().and_then(|seen| Head::identity(seen));
                command.arg(*early).arg(identity.as_ref().map_or(&[][..], |identity| &identity[..]));
            }
            Self::Fill(Filling { entry, replaces, due, kept }, publish) => {
                let claim = replaces.claim().map(Claim::to_bytes);
                command.arg(claim.as_ref().map_or(&[][..], |claim| &claim[..])).arg(&entry.bytes[..]);
                time_or_none(&mut command, *due);
                time_or_none(&mut command, *kept);
                command.arg(publish).arg(if matches!(replaces, Replaces::ClaimedOrNothing(_)) { "late" } else { "" });
            }
            Self::Prolong(Prolonging { claim, lease, serves, .. }) => {
                command.arg(&claim.to_bytes()).arg(lease.millis());
                placeholder(&mut command, (!serves).then_some(claim));
            }
            Self::Abandon(Abandoning { claim, rest, left, .. }, publish) => {
                command.arg(&claim.to_bytes()).arg(rest.map_or(0, Span::millis)).arg(publish);
                match left {
                    Some(left) => command.arg(millis(left)),
                    None => command.arg(""),
                };
            }
            Self::Delete(_, publish) => {
                command.arg(publish);
            }
            Self::Discard(_, seen, publish) => {
                let identity = Head::identity(seen);
                command.arg(identity.as_ref().map_or(&[][..], |identity| &identity[..])).arg(publish);
            }
            Self::Left(_) => {}
            Self::Tag(Tagging { fresh, kept, .. }) => {
                command.arg(&fresh.to_bytes());
                time_or_none(&mut command, *kept);
            }
            Self::Invalidate(_) => {
                command.arg(millis(REMEMBERED));
            }
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

/// What `entry_left.lua` gives.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// How long an entry has to live, or that there is none, and its tags.
    Entry(Ttl, Vec<Tag>),
    /// How long a placeholder or failure has to live.
    NoValue(Ttl),
}

/// Understands what `entry_left.lua` gives.
pub(super) fn left(reply: &Value) -> Result<Left, Fault> {
    let ttl = |left| match left {
        -2 => Ttl::Absent,
        left => time_left(left).map_or(Ttl::Persistent, Ttl::Remaining),
    };
    match reply {
        Value::Array(parts) => match parts.as_slice() {
            [Value::Int(-2), Value::Int(left)] => Ok(Left::NoValue(ttl(*left))),
            [Value::Int(left), Value::BulkString(head)] => Ok(Left::Entry(ttl(*left), tags(head))),
            _ => Err(odd("how long an entry has to live", reply)),
        },
        left => Ok(Left::Entry(ttl(integer(left)?), Vec::new())),
    }
}

/// Understands what `tag_begin.lua` gives.
pub(super) fn tagged(reply: &Value) -> Result<Tagged, Fault> {
    let strange = || odd("the generation of a tag", reply);
    let Value::Array(parts) = reply else { return Err(strange()) };
    let [Value::BulkString(generation), Value::Int(ago)] = parts.as_slice() else { return Err(strange()) };
    let generation = generation.as_slice().try_into().ok().and_then(Generation::of_bytes).ok_or_else(strange)?;
    Ok(Tagged { generation, invalidated: u64::try_from(*ago).ok().map(Duration::from_micros) })
}
