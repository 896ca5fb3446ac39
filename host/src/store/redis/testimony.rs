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
    /// The run id of the primary.
    primary: String,
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
        let port = field("port")?.parse().map_err(|_| odd("a port", value))?;
        Ok(Self {
            endpoint: Endpoint { host: field("ip")?.clone(), port },
            run_id: field("runid")?.clone(),
            down: has_flag(field("flags")?, &["s_down", "o_down"]),
        })
    }
}

fn has_flag(flags: &str, any: &[&str]) -> bool {
    flags.split(',').any(|flag| any.contains(&flag))
}

/// The replicas of the primary with this run id: all that any Sentinel of the latest epoch knows, but for those that more than half of
/// all Sentinels call down. A few that are cut off from the others have no say in that. `None` if another is named as the primary.
pub(super) fn replicas(testimonies: &[Testimony], run_id: &str) -> Option<Vec<Endpoint>> {
    let latest = testimonies.iter().map(|testimony| testimony.named.epoch).max()?;
    let latest: Vec<_> = testimonies.iter().filter(|testimony| testimony.named.epoch == latest).collect();
    if latest.iter().any(|testimony| testimony.named.primary != run_id) {
        return None;
    }
    let sentinels = latest.iter().map(|testimony| testimony.named.sentinels).max()?;
    let mut seen = HashSet::new();
    let all = latest.iter().flat_map(|testimony| &testimony.replicas);
    let new = all.filter(|known| known.run_id != run_id && seen.insert(&known.endpoint));
    let down = |endpoint: &Endpoint| {
        let says = |testimony: &&&Testimony| testimony.replicas.iter().any(|known| known.down && known.endpoint == *endpoint);
        latest.iter().filter(says).count() > sentinels / 2
    };
    Some(new.map(|known| &known.endpoint).filter(|endpoint| !down(endpoint)).cloned().collect())
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
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn endpoint(port: u16) -> Endpoint {
        Endpoint { host: "a".into(), port }
    }

    /// Of a Sentinel among three.
    fn names(epoch: u64, primary: &str) -> Named {
        Named { epoch, primary: primary.into(), replacing: false, sentinels: 3 }
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
        let of = |testimonies: &[Testimony]| replicas(testimonies, "1").map(|all| all.into_iter().map(|it| it.port).collect());
        assert_eq!(of(&[says(1, "1", &[2, 3]), says(1, "1", &[3])]), Some(vec![2, 3]));
        assert_eq!(of(&[says(1, "1", &[2, -3])]), Some(vec![2, 3]), "one of three has no say");
        assert_eq!(of(&[says(1, "1", &[2, -3]), says(1, "1", &[2, 3])]), Some(vec![2, 3]));
        assert_eq!(of(&[says(1, "1", &[2, -3]), says(1, "1", &[2, -3])]), Some(vec![2]));
        assert_eq!(of(&[says(1, "1", &[1, 2])]), Some(vec![2]), "a primary is no replica of its own");
        assert_eq!(of(&[says(1, "1", &[2]), says(2, "2", &[1])]), None, "the latest epoch counts");
        assert_eq!(of(&[says(1, "2", &[3]), says(2, "1", &[2])]), Some(vec![2]));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn who_is_about_to_be_replaced_is_not_named_any_more() {
        assert!(names(1, "1").names("1"));
        assert!(!names(1, "1").names("2"));
        assert!(!Named { replacing: true, ..names(1, "1") }.names("1"));
    }

    #[test]
    fn replies_are_understood_in_both_protocols() {
        let text = |text: &str| Value::BulkString(text.into());
        let primary = [("runid", "1"), ("config-epoch", "7"), ("num-other-sentinels", "2"), ("flags", "master")];
        let replica = [("runid", "2"), ("ip", "a"), ("port", "2"), ("flags", "slave,s_down,disconnected")];
        let map = |fields: &[(&str, &str)]| Value::Map(fields.iter().map(|(name, value)| (text(name), text(value))).collect());
        let flat =
            |fields: &[(&str, &str)]| Value::Array(fields.iter().flat_map(|(name, value)| [text(name), text(value)]).collect());
        for form in [&map as &dyn Fn(&[(&str, &str)]) -> Value, &flat] {
            let read = Testimony::read(&form(&primary), &Value::Array(vec![form(&replica)]));
            assert_eq!(read.unwrap(), says(7, "1", &[-2]));
            let replacing = [&primary[..3], &[("flags", "master,failover_in_progress,force_failover")]].concat();
            assert_eq!(Named::read(&form(&replacing)).unwrap(), Named { replacing: true, ..names(7, "1") });
        }
        assert!(Named::read(&map(&primary[1..])).is_err());
        assert!(Named::read(&Value::Nil).is_err());
        assert!(Testimony::read(&map(&primary), &Value::Nil).is_err());
        assert!(Testimony::read(&map(&primary), &Value::Array(vec![text("?")])).is_err());
    }
}
