//! Which primary of a cluster has which keys.

use std::ops::RangeInclusive;

use crc::{CRC_16_XMODEM, Crc, Table};
use redis::Value;

use super::fault::{Fault, odd};
use crate::names::hash_tag;
use crate::store::address::Endpoint;

/// How many slots a cluster has.
pub(super) const SLOTS: u16 = 16384;

/// The slot of a key.
pub(super) fn slot(key: &str) -> u16 {
    CRC.checksum(hash_tag(key).unwrap_or(key).as_bytes()) % SLOTS
}

/// As the Redis Cluster specification has it. Of the keys of a large call each is looked at, so by a table for 16 bytes at a time.
static CRC: Crc<u16, Table<16>> = Crc::<u16, Table<16>>::new(&CRC_16_XMODEM);

/// The slots of one primary, and who follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) slots: RangeInclusive<u16>,
    pub(super) primary: Endpoint,
    /// What all nodes call the primary, by whatever names they are reached.
    pub(super) id: String,
    pub(super) replicas: Vec<Endpoint>,
}

/// Understands the reply to `CLUSTER SLOTS` of the node `asked`.
pub(super) fn shards(reply: Value, asked: Option<&Endpoint>) -> Result<Vec<Shard>, Fault> {
    match reply {
        Value::Array(entries) => {
            entries.iter().map(|entry| shard(entry, asked).ok_or_else(|| odd("a range of slots", entry))).collect()
        }
        Value::ServerError(error) => Err(Fault::Answer(error)),
        other => Err(odd("a map of slots", &other)),
    }
}

fn shard(entry: &Value, asked: Option<&Endpoint>) -> Option<Shard> {
    let Value::Array(parts) = entry else { return None };
    let [Value::Int(first), Value::Int(last), primary, replicas @ ..] = parts.as_slice() else { return None };
    Some(Shard {
        slots: u16::try_from(*first).ok()?..=u16::try_from(*last).ok()?,
        primary: node(primary, asked)?,
        id: id(primary)?,
        // One that has no address yet does not spoil the rest.
        replicas: replicas.iter().filter_map(|replica| node(replica, asked)).collect(),
    })
}

fn node(entry: &Value, asked: Option<&Endpoint>) -> Option<Endpoint> {
    let Value::Array(parts) = entry else { return None };
    let [host, Value::Int(port), ..] = parts.as_slice() else { return None };
    let host = match host {
        Value::BulkString(host) => String::from_utf8_lossy(host).into_owned(),
        _ => String::new(),
    };
    Some(Endpoint { host: known(host, asked)?, port: u16::try_from(*port).ok()? })
}

fn id(entry: &Value) -> Option<String> {
    let Value::Array(parts) = entry else { return None };
    let [_, _, Value::BulkString(id), ..] = parts.as_slice() else { return None };
    Some(String::from_utf8_lossy(id).into_owned())
}

/// Understands where `MOVED` or `ASK` of the node `asked` lead to: the slot and its server.
pub(super) fn redirection(details: &str, asked: Option<&Endpoint>) -> Option<(u16, Endpoint)> {
    let (slot, address) = details.split_once(' ')?;
    Some((slot.parse().ok()?, server(address, asked)?))
}

/// The server of `HOST:PORT`, as the node `asked` calls it.
pub(super) fn server(address: &str, asked: Option<&Endpoint>) -> Option<Endpoint> {
    let (host, port) = address.rsplit_once(':')?;
    Some(Endpoint { host: known(host.to_owned(), asked)?, port: port.parse().ok()? })
}

/// A node that does not know the name it is reached by leaves it out: it is the one that was used.
pub(super) fn known(host: String, asked: Option<&Endpoint>) -> Option<String> {
    if host.is_empty() || host == "?" { asked.map(|asked| asked.host.clone()) } else { Some(host) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.into(), port }
    }

    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        // From CLUSTER KEYSLOT of a real server.
        for (key, at) in [("", 0), ("123456789", 12739), ("foo", 12182), ("bar", 5061), ("a{foo}b", 12182), ("{}foo", 9500)] {
            assert_eq!(slot(key), at, "{key:?}");
        }
    }

    #[test]
    fn a_map_of_slots_is_understood() {
        let text = |text: &str| Value::BulkString(text.into());
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), text("id"), Value::Array(vec![])]);
        let range = Value::Array(vec![Value::Int(0), Value::Int(9), node(text("b"), 2), node(Value::Nil, 3), node(text("?"), 4)]);
        let asked = endpoint("a", 1);
        let shards = shards(Value::Array(vec![range]), Some(&asked)).unwrap();
        let replicas = vec![endpoint("a", 3), endpoint("a", 4)];
        assert_eq!(shards, [Shard { slots: 0..=9, primary: endpoint("b", 2), id: "id".into(), replicas }]);
    }

    #[test]
    fn redirections_are_understood() {
        let asked = endpoint("a", 1);
        assert_eq!(redirection("3999 127.0.0.1:6381", Some(&asked)), Some((3999, endpoint("127.0.0.1", 6381))));
        assert_eq!(redirection("3999 :6381", Some(&asked)), Some((3999, endpoint("a", 6381))));
        assert_eq!(redirection("3999 ::1:6381", Some(&asked)), Some((3999, endpoint("::1", 6381))));
        assert_eq!(redirection("3999", Some(&asked)), None);
    }
}
