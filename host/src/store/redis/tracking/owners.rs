//! Whom the nodes of a cluster call the primaries.
//!
//! A primary that is cut off from the other nodes and not from clients does not know that another has taken its place. The others do.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::super::fault::Fault;
use super::super::link::{Link, Live};
use super::super::slots::{Shard, shards};

/// The ids of all nodes that have slots.
pub(super) type Owners = BTreeSet<String>;

/// Those that all of these primaries name, once all of them are followed. It fails where they do not agree, or name one that is not.
pub(super) async fn agreed(primaries: &[Arc<Link>], feeds: &[Arc<Live>], deadline: Instant) -> Result<Owners, Fault> {
    let views = primaries.iter().zip(feeds).map(|(primary, feed)| view(primary, feed, deadline));
    consensus(&try_join_all(views).await?, |shard| {
        primaries.iter().any(|primary| primary.connector().endpoint() == Some(&shard.primary))
    })
}

/// Those that one node names.
pub(super) async fn named(primary: &Link, feed: &Live, deadline: Instant) -> Result<Owners, Fault> {
    Ok(owners(&view(primary, feed, deadline).await?))
}

async fn view(primary: &Link, feed: &Live, deadline: Instant) -> Result<Vec<Shard>, Fault> {
    let reply = feed.send(redis::cmd("CLUSTER").arg("SLOTS"), deadline).await?;
    shards(reply, primary.connector().endpoint())
}

fn owners(view: &[Shard]) -> Owners {
    view.iter().map(|shard| shard.id.clone()).collect()
}

fn consensus(views: &[Vec<Shard>], is_followed: impl Fn(&Shard) -> bool) -> Result<Owners, Fault> {
    let disagree = || Fault::Unreachable("the nodes do not agree on who has which slots".into());
    let mut all = views.iter().map(|view| owners(view));
    let first = all.next().ok_or_else(disagree)?;
    // Nodes can be configured to tell different names. The one that the map is from tells those by which they are followed.
    let known = views.iter().any(|view| view.iter().all(&is_followed));
    if known && all.all(|other| other == first) { Ok(first) } else { Err(disagree()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::store::address::Endpoint;

    /// A node's view of who has slots: by id and the name that it tells.
    fn view(nodes: &[(&str, &str)]) -> Vec<Shard> {
        let shard = |(id, host): &(&str, &str)| Shard {
            slots: 0..=0,
            primary: Endpoint { host: (*host).into(), port: 1 },
            id: (*id).into(),
            replicas: Vec::new(),
        };
        nodes.iter().map(shard).collect()
    }

    #[test]
    fn all_have_to_name_the_same_and_all_of_those_are_followed() {
        let followed = |shard: &Shard| ["a", "b"].contains(&shard.primary.host.as_str());
        let of = |views: &[Vec<Shard>]| consensus(views, followed).ok().map(|owners| owners.into_iter().collect::<Vec<_>>());
        let both = view(&[("1", "a"), ("2", "b"), ("1", "a")]);
        assert_eq!(of(&[both.clone(), both.clone()]).unwrap(), ["1", "2"]);
        let replaced = view(&[("1", "a"), ("3", "c")]);
        assert_eq!(of(&[both.clone(), replaced.clone()]), None, "one of them has not heard of it");
        assert_eq!(of(&[replaced.clone(), replaced]), None, "one is not followed");
        let other_names = view(&[("1", "x"), ("2", "y")]);
        assert_eq!(of(&[other_names.clone(), both]).unwrap(), ["1", "2"], "one calls them by other names");
        assert_eq!(of(&[other_names]), None);
        assert_eq!(of(&[]), None);
    }
}
