//! What Sentinels say of a primary and its replicas.
//!
//! A primary that is about to be replaced does not know it: the replica that is promoted leaves it first, and it then names only those
//! who are still with it. The Sentinels go on to name all.

use std::collections::{HashMap, HashSet};

use redis::Value;

use super::fault::{Fault, odd};
use crate::store::address::Endpoint;

/// What one Sentinel says of the primary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    /// Rises with every failover.
    epoch: u64,
    /// The run id of the primary, as this Sentinel has last heard of it, and where that is.
    primary: String,
    endpoint: Endpoint,
    /// Whether this Sentinel is about to have another take its place.
    replacing: bool,
    /// How many Sentinels there are, itself included.
    sentinels: usize,
}

/// What one Sentinel says of the primary and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Testimony {
    named: Named,
    replicas: Vec<Known>,
}

/// What a server is by what Sentinels say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// The primary. `replicas` are all that any Sentinel of the latest epoch knows, but for those that more than half of all Sentinels
    /// call down: a few that are cut off from the others have no say in that. `listed` is how many there are with those.
    Primary { replicas: Vec<Endpoint>, listed: usize },
    /// It has the address of the primary, and not all of them know it by its run id. It was started a moment ago, and they look every
    /// 10 s; or they are about to agree on it. Until then nobody can say that it is not being replaced, as who died and was started
    /// again may be, and then its replicas can be with it still.
    Unsettled,
    /// Not the primary, which another is.
    Replaced,
}

/// A replica.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    endpoint: Endpoint,
    run_id: String,
    /// Whether this Sentinel cannot reach it.
    down: bool,
}

impl Named {
    /// Understands the reply to `SENTINEL MASTER`.
    pub(super) fn read(primary: &Value) -> Result<Self, Fault> {
        let fields = fields(primary)?;
        let field = |name: &str| fields.get(name).ok_or_else(|| odd("what a Sentinel says of a primary", primary));
        let number = |name: &str| field(name)?.parse().map_err(|_| odd("a number", primary));
        Ok(Self {
            epoch: number("config-epoch")?,
            primary: field("runid")?.clone(),
            endpoint: self::endpoint(&fields).ok_or_else(|| odd("what a Sentinel says of a primary", primary))?,
            replacing: has_flag(field("flags")?, &["failover_in_progress"]),
            sentinels: usize::try_from(number("num-other-sentinels")?).unwrap_or(usize::MAX).saturating_add(1),
        })
    }

    /// How many failovers this Sentinel has heard of.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the server with this run id is the primary, and is to stay it.
    pub(super) fn names(&self, run_id: &str) -> bool {
        self.primary == run_id && !self.replacing
    }

    /// Whether another server is the primary than the one at this address, with this run id if that is known: Sentinels can have more
    /// than one name for a server. The one that replaces it names it until all replicas follow the new one.
    pub(super) fn leads_elsewhere(&self, endpoint: &Endpoint, run_id: Option<&str>) -> bool {
        self.endpoint != *endpoint && run_id != Some(&self.primary) && !self.replacing
    }
}

impl Testimony {
    /// Understands the replies to `SENTINEL MASTER` and `SENTINEL REPLICAS`.
    pub(super) fn read(primary: &Value, replicas: &Value) -> Result<Self, Fault> {
        let named = Named::read(primary)?;
        let Value::Array(listed) = replicas else { return Err(odd("a list of replicas", replicas)) };
        Ok(Self { named, replicas: listed.iter().map(Known::read).collect::<Result<_, _>>()? })
    }
}

impl Known {
    fn read(value: &Value) -> Result<Self, Fault> {
        let fields = fields(value)?;
        let field = |name: &str| fields.get(name).ok_or_else(|| odd("what a Sentinel says of a replica", value));
        Ok(Self {
            endpoint: self::endpoint(&fields).ok_or_else(|| odd("what a Sentinel says of a replica", value))?,
            run_id: field("runid")?.clone(),
            down: has_flag(field("flags")?, &["s_down", "o_down"]),
        })
    }
}

fn has_flag(flags: &str, any: &[&str]) -> bool {
    flags.split(',').any(|flag| any.contains(&flag))
}

fn endpoint(fields: &HashMap<String, String>) -> Option<Endpoint> {
    Some(Endpoint { host: fields.get("ip")?.clone(), port: fields.get("port")?.parse().ok()? })
}

/// Whether these are those of more than half of all Sentinels, of which at least `known` are known.
pub(super) fn are_most(testimonies: &[Testimony], known: usize) -> bool {
    let all = testimonies.iter().map(|testimony| testimony.named.sentinels).max().unwrap_or_default();
    testimonies.len() > all.max(known) / 2
}

/// What the server with this run id, at this address, is by what they say.
pub(super) fn standing(testimonies: &[Testimony], run_id: &str, endpoint: &Endpoint) -> Standing {
    let latest = testimonies.iter().map(|testimony| testimony.named.epoch).max();
    let latest: Vec<_> = testimonies.iter().filter(|testimony| Some(testimony.named.epoch) == latest).collect();
    let named = || latest.iter().map(|testimony| &testimony.named);
    if latest.is_empty() || named().any(|named| named.primary != run_id) {
        // The one who replaces it names the old primary until all replicas follow the new one.
        let settling = latest.is_empty() || named().any(|named| !named.replacing && named.endpoint == *endpoint);
        return if settling { Standing::Unsettled } else { Standing::Replaced };
    }
    let sentinels = latest.iter().map(|testimony| testimony.named.sentinels).max().unwrap_or_default();
    let mut seen = HashSet::new();
    let all = latest.iter().flat_map(|testimony| &testimony.replicas);
    let listed: Vec<_> = all.filter(|known| known.run_id != run_id && seen.insert(&known.endpoint)).collect();
    let down = |endpoint: &Endpoint| {
        let says = |testimony: &&&Testimony| testimony.replicas.iter().any(|known| known.down && known.endpoint == *endpoint);
        latest.iter().filter(says).count() > sentinels / 2
    };
    let replicas = listed.iter().map(|known| &known.endpoint).filter(|endpoint| !down(endpoint)).cloned().collect();
    Standing::Primary { replicas, listed: listed.len() }
}

/// The fields of a reply, whichever way the protocol has them.
fn fields(value: &Value) -> Result<HashMap<String, String>, Fault> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) => Ok(text.clone()),
        Value::Int(number) => Ok(number.to_string()),
        other => Err(odd("a field", other)),
    };
    match value {
        Value::Map(pairs) => pairs.iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect(),
        Value::Array(parts) => parts
            .chunks(2)
            .map(|pair| match pair {
                [name, value] => Ok((text(name)?, text(value)?)),
                _ => Err(odd("a field with a value", value)),
            })
            .collect(),
        Value::ServerError(error) => Err(Fault::Answer(error.clone())),
        other => Err(odd("fields", other)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint { host: "a".into(), port }
    }

    /// Of a Sentinel among three, on a primary that has its port for a run id.
    fn names(epoch: u64, primary: &str) -> Named {
        Named { epoch, primary: primary.into(), endpoint: endpoint(primary.parse().unwrap()), replacing: false, sentinels: 3 }
    }

    /// Of a Sentinel among three, on replicas by their ports; those below 0 are down.
    fn says(epoch: u64, primary: &str, replicas: &[i32]) -> Testimony {
        let replica = |port: &i32| Known {
            endpoint: endpoint(port.unsigned_abs().try_into().unwrap()),
            run_id: port.abs().to_string(),
            down: *port < 0,
        };
        Testimony { named: names(epoch, primary), replicas: replicas.iter().map(replica).collect() }
    }

    #[test]
    fn all_count_but_those_that_most_sentinels_call_down() {
        let of = |testimonies: &[Testimony]| match standing(testimonies, "1", &endpoint(1)) {
            Standing::Primary { replicas, .. } => replicas.into_iter().map(|it| it.port).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&[says(1, "1", &[2, 3]), says(1, "1", &[3])]), [2, 3]);
        assert_eq!(of(&[says(1, "1", &[2, -3])]), [2, 3], "one of three has no say");
        assert_eq!(of(&[says(1, "1", &[2, -3]), says(1, "1", &[2, 3])]), [2, 3]);
        assert_eq!(of(&[says(1, "1", &[2, -3]), says(1, "1", &[2, -3])]), [2]);
        assert_eq!(of(&[says(1, "1", &[1, 2])]), [2], "a primary is no replica of its own");
        assert_eq!(of(&[says(1, "2", &[3]), says(2, "1", &[2])]), [2], "the latest epoch counts");
    }

    #[test]
    fn who_was_restarted_is_not_taken_for_another_server() {
        let of = |testimonies: &[Testimony], run_id, port| standing(testimonies, run_id, &endpoint(port));
        let replacing = |testimony: Testimony| Testimony { named: Named { replacing: true, ..testimony.named }, ..testimony };
        assert_eq!(of(&[says(1, "1", &[2]), says(2, "2", &[1])], "1", 1), Standing::Replaced, "the latest epoch counts");
        assert_eq!(of(&[says(1, "1", &[2])], "new", 1), Standing::Unsettled, "they have yet to look at it");
        let mut looked = says(1, "1", &[2]);
        looked.named.primary = "new".into();
        assert_eq!(of(&[says(1, "1", &[2]), looked.clone()], "new", 1), Standing::Unsettled, "one of them has");
        assert_eq!(of(&[looked], "new", 1), Standing::Primary { replicas: vec![endpoint(2)], listed: 1 });
        let down = says(1, "1", &[-2, 3]);
        let listed = of(&[down.clone(), down], "1", 1);
        assert_eq!(listed, Standing::Primary { replicas: vec![endpoint(3)], listed: 2 }, "one that is down is listed");
        assert_eq!(of(&[says(1, "1", &[2])], "new", 4), Standing::Replaced);
        assert_eq!(of(&[replacing(says(1, "1", &[2]))], "new", 1), Standing::Replaced);
        let switching = [replacing(says(2, "1", &[2])), says(2, "2", &[1])];
        assert_eq!(of(&switching, "1", 1), Standing::Replaced);
        assert_eq!(of(&switching, "2", 2), Standing::Unsettled, "the first goes on to name the old one");
        assert_eq!(of(&[], "1", 1), Standing::Unsettled);
    }

    #[test]
    fn most_are_more_than_half_of_all_there_are() {
        let of = |count: usize, known| are_most(&vec![says(1, "1", &[]); count], known);
        assert!(!of(0, 3) && !of(1, 3) && of(2, 3) && of(3, 3));
        assert!(!of(1, 1) && of(2, 2), "those that an address does not name count too");
        assert!(!of(2, 4), "those that they have not heard of too");
    }

    #[test]
    fn who_is_about_to_be_replaced_is_not_named_any_more() {
        assert!(names(1, "1").names("1"));
        assert!(!names(1, "1").names("2"));
        assert!(!Named { replacing: true, ..names(1, "1") }.names("1"));
        let elsewhere = |named: Named, port, run_id| named.leads_elsewhere(&endpoint(port), run_id);
        assert!(elsewhere(names(1, "2"), 1, Some("1")) && elsewhere(names(1, "2"), 1, None));
        assert!(!elsewhere(names(1, "1"), 1, Some("1")) && !elsewhere(names(1, "1"), 1, None));
        assert!(!elsewhere(names(1, "1"), 1, Some("new")), "it was restarted");
        assert!(!elsewhere(names(1, "1"), 4, Some("1")), "it has another name");
        assert!(!elsewhere(Named { replacing: true, ..names(1, "1") }, 2, Some("2")), "it names the old one still");
    }

    #[test]
    fn replies_are_understood_in_both_protocols() {
        let text = |text: &str| Value::BulkString(text.into());
        let primary = [
            ("runid", "1"),
            ("ip", "a"),
            ("port", "1"),
            ("config-epoch", "7"),
            ("num-other-sentinels", "2"),
            ("flags", "master"),
        ];
        let replica = [("runid", "2"), ("ip", "a"), ("port", "2"), ("flags", "slave,s_down,disconnected")];
        let map = |fields: &[(&str, &str)]| Value::Map(fields.iter().map(|(name, value)| (text(name), text(value))).collect());
        let flat =
            |fields: &[(&str, &str)]| Value::Array(fields.iter().flat_map(|(name, value)| [text(name), text(value)]).collect());
        for form in [&map as &dyn Fn(&[(&str, &str)]) -> Value, &flat] {
            let read = Testimony::read(&form(&primary), &Value::Array(vec![form(&replica)]));
            assert_eq!(read.unwrap(), says(7, "1", &[-2]));
            let replacing = [&primary[..5], &[("flags", "master,failover_in_progress,force_failover")]].concat();
            assert_eq!(Named::read(&form(&replacing)).unwrap(), Named { replacing: true, ..names(7, "1") });
        }
        assert!(Named::read(&map(&primary[1..])).is_err());
        assert!(Named::read(&Value::Nil).is_err());
        assert!(Testimony::read(&map(&primary), &Value::Nil).is_err());
        assert!(Testimony::read(&map(&primary), &Value::Array(vec![text("?")])).is_err());
    }
}
