//! What a server says of itself and of who has which keys.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use redis::Value;
use tokio::time::Instant;

use super::super::fault::{Fault, lines, odd};
use super::super::link::{Link, Live};
use super::super::slots::{self, SLOTS, Shard, shards};
use super::super::topology::Topology;
use super::slot_set::SlotSet;
use crate::store::address::Endpoint;

/// What one node says of the slots. Nodes go by their ids, which all call them by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    /// The node.
    pub(crate) me: String,
    /// The slots that it has itself.
    pub(crate) own: SlotSet,
    /// Who has which. As ranges, as each of hundreds of nodes can tell of hundreds.
    pub(crate) owners: HashMap<String, Vec<RangeInclusive<u16>>>,
    /// Slots of its own that are on their way, and to whom.
    pub(crate) leaving: HashMap<u16, String>,
    /// Slots that are on their way to it.
    pub(crate) coming: SlotSet,
    /// How those are reached to whom slots are on their way.
    pub(crate) receivers: HashMap<String, Endpoint>,
}

impl View {
    /// Asks the server behind a connection.
    pub(crate) async fn of(topology: &Topology, link: &Link, live: &Live, deadline: Instant) -> Result<Self, Fault> {
        let asked = link.connector().endpoint();
        match topology {
            Topology::One(_) => sole(&live.send(&redis::cmd("ROLE"), deadline).await?),
            Topology::Many(_) => match live.send(redis::cmd("CLUSTER").arg("NODES"), deadline).await? {
                Value::ServerError(error) if error.code() == "NOPERM" => {
                    tracing::debug!("the user may not ask which slots are on their way: CLUSTER NODES");
                    of_shards(shards(live.send(redis::cmd("CLUSTER").arg("SLOTS"), deadline).await?, asked)?, asked)
                }
                reply => of_nodes(&lines(&reply, "a list of nodes")?, asked).ok_or_else(|| odd("a list of nodes", &reply)),
            },
        }
    }

    pub(crate) fn new(me: String, owners: HashMap<String, Vec<RangeInclusive<u16>>>) -> Self {
        let mut view =
            Self { me, own: SlotSet::NONE, owners, leaving: HashMap::new(), coming: SlotSet::NONE, receivers: HashMap::new() };
        view.own = view.slots_of(&view.me);
        view
    }

    /// The slots that a node has.
    pub(crate) fn slots_of(&self, id: &str) -> SlotSet {
        self.owners.get(id).into_iter().flatten().cloned().flatten().collect()
    }

    /// The slots that any node has.
    pub(crate) fn named(&self) -> SlotSet {
        self.owners.values().flatten().cloned().flatten().collect()
    }
}

/// A server that has all keys. One that has become a replica, or has ceased to be one, is another.
fn sole(role: &Value) -> Result<View, Fault> {
    let me = match role {
        Value::Array(parts) => match parts.first() {
            Some(Value::BulkString(role)) => String::from_utf8_lossy(role).into_owned(),
            _ => return Err(odd("a role", role)),
        },
        // Who may not ask is left with what the connection tells.
        Value::ServerError(error) if error.code() == "NOPERM" => String::new(),
        Value::ServerError(error) => return Err(Fault::Answer(error.clone())),
        other => return Err(odd("a role", other)),
    };
    let owners = HashMap::from([(me.clone(), vec![0..=SLOTS - 1])]);
    Ok(View::new(me, owners))
}

/// What is left to know for who may not ask for more.
fn of_shards(shards: Vec<Shard>, asked: Option<&Endpoint>) -> Result<View, Fault> {
    let own = shards.iter().find(|shard| Some(&shard.primary) == asked);
    let me = own.map(|shard| shard.id.clone()).ok_or_else(|| Fault::Unreachable("a node has no slots any more".into()))?;
    let mut owners: HashMap<String, Vec<_>> = HashMap::new();
    for shard in shards {
        owners.entry(shard.id).or_default().push(shard.slots);
    }
    Ok(View::new(me, owners))
}

/// Understands the reply to `CLUSTER NODES` of the node `asked`.
fn of_nodes(text: &str, asked: Option<&Endpoint>) -> Option<View> {
    let (mut me, mut leaving, mut coming) = (None, HashMap::new(), SlotSet::NONE);
    let mut owners: HashMap<String, Vec<_>> = HashMap::new();
    let mut addresses = HashMap::new();
    for line in text.lines() {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [id, address, flags, _, _, _, _, _, slots @ ..] = words.as_slice() else { return None };
        if flags.split(',').any(|flag| flag == "myself") {
            me = Some((*id).to_owned());
        }
        addresses.insert(*id, *address);
        for slot in slots {
            if let Some((slot, to)) = on_its_way(slot, "->-") {
                leaving.insert(slot.parse().ok()?, to.to_owned());
            } else if let Some((slot, _)) = on_its_way(slot, "-<-") {
                coming.insert(slot.parse().ok()?);
            } else {
                let (first, last) = slot.split_once('-').unwrap_or((slot, slot));
                owners.entry((*id).to_owned()).or_default().push(first.parse().ok()?..=last.parse().ok()?);
            }
        }
    }
    let receiver = |id: &String| Some((id.clone(), endpoint(addresses.get(id.as_str())?, asked)?));
    let receivers = leaving.values().filter_map(receiver).collect();
    Some(View { leaving, coming, receivers, ..View::new(me?, owners) })
}

/// The slot and the node of `[93->-id]` or `[93-<-id]`.
fn on_its_way<'a>(slot: &'a str, arrow: &str) -> Option<(&'a str, &'a str)> {
    slot.strip_prefix('[')?.strip_suffix(']')?.split_once(arrow)
}

/// The host and port of `10.0.0.1:6379@16379,name`.
fn endpoint(address: &str, asked: Option<&Endpoint>) -> Option<Endpoint> {
    slots::server(address.split(['@', ',']).next()?, asked)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_nodes_is_understood() {
        // From a real server, with shorter ids.
        let text = "a1 127.0.0.1:7001@17001 myself,master - 0 0 1 connected 0-5460 5462 [93->-b2] [77-<-b2]\n\
                    c3 127.0.0.1:7003@17003,,shard-id=x slave a1 0 1426238317239 4 connected\n\
                    b2 :7002@17002,host,shard-id=y master - 0 1426238316232 2 connected 5461 5463-16383\n";
        let asked = Endpoint { host: "here".into(), port: 7001 };
        let view = of_nodes(text, Some(&asked)).unwrap();
        assert_eq!((view.me.as_str(), view.owners.len()), ("a1", 2));
        assert_eq!(view.own, (0..=5460).chain([5462]).collect());
        assert_eq!((view.slots_of("b2"), view.named()), (SlotSet::ALL.without(&view.own), SlotSet::ALL));
        assert_eq!((view.leaving, view.coming), (HashMap::from([(93, "b2".into())]), [77].into_iter().collect()));
        assert_eq!(view.receivers, HashMap::from([("b2".into(), Endpoint { host: "here".into(), port: 7002 })]));
        for odd in ["", "a1 127.0.0.1:7001@17001 myself,master - 0 0 1\n", &text.replace("5462", "x"), &text.replace("93", "")] {
            assert_eq!(of_nodes(odd, Some(&asked)), None, "{odd}");
        }
    }

    #[test]
    fn a_server_that_changes_its_role_is_another() {
        let role = |role: &str| Value::Array(vec![Value::BulkString(role.into()), Value::Int(0)]);
        let primary = sole(&role("master")).unwrap();
        assert_eq!(primary.own, SlotSet::ALL);
        assert_ne!(primary.me, sole(&role("slave")).unwrap().me);
        assert!(sole(&Value::Nil).is_err());
    }
}
