//! Which node of a cluster has which slots, and who follows it, as far as it is known.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::followers::Followers;
use super::link::Link;
use super::slots::{SLOTS, Shard};
use crate::store::address::Endpoint;

/// For how long a node may have keys of a slot that is still another's, after a key was last asked for there.
const IMPORTED: Duration = Duration::from_mins(1);

/// The map of a cluster. It only saves redirections: nothing goes wrong if it is out of date, as nodes redirect what is not theirs.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// For each slot, its place among the primaries.
    owners: Vec<u16>,
    primaries: Vec<Node>,
    /// For each slot, the most replicas that ever were in service.
    most: Vec<u8>,
    /// Who has keys of slots that are still another's, as far as somebody was sent there, and when that was.
    importing: Vec<(Arc<Link>, Instant)>,
    /// When the question was sent to which this is the answer.
    asked: Option<Instant>,
}

/// A primary.
#[derive(Debug)]
struct Node {
    link: Arc<Link>,
    /// Not known of one that only a redirection told of.
    replicas: Option<Arc<[Arc<Link>]>>,
}

impl Map {
    /// The link to whoever has a slot.
    pub(super) fn owner(&self, slot: u16) -> Option<Arc<Link>> {
        // If nobody is known to have it, anybody can say who does, or that nobody has.
        self.node(slot).or(self.primaries.first()).map(|node| node.link.clone())
    }

    /// Who follows whoever has a slot.
    pub(super) fn followers(&self, slot: u16) -> Option<Followers> {
        let replicas = self.node(slot)?.replicas.clone()?;
        let most = self.most.get(usize::from(slot)).copied().unwrap_or_default();
        Some(Followers { replicas, most: most.into(), asked: self.asked? })
    }

    /// The links to all primaries that have slots, who can say which node has which. One that is to get its first may not have heard yet of
    /// all others.
    pub(super) fn informed(&self) -> Vec<Arc<Link>> {
        self.primaries.iter().map(|node| node.link.clone()).collect()
    }

    /// The links to all primaries that have slots, or keys of a slot that is on its way to them.
    pub(super) fn primaries(&self) -> Vec<Arc<Link>> {
        let mut links = self.informed();
        for (link, _) in &self.importing {
            if !links.iter().any(|known| Arc::ptr_eq(known, link)) {
                links.push(link.clone());
            }
        }
        links
    }

    /// The links to all replicas.
    pub(super) fn replicas(&self) -> Vec<Arc<Link>> {
        self.primaries.iter().filter_map(|node| node.replicas.as_deref()).flatten().cloned().collect()
    }

    /// Notes that a slot has moved.
    pub(super) fn moved(&mut self, slot: u16, link: &Arc<Link>) {
        let at = self.place(link);
        if let (Some(owner), Ok(at)) = (self.owners.get_mut(usize::from(slot)), u16::try_from(at)) {
            *owner = at;
        }
    }

    /// Notes that somebody was sent to a node at `now` for a key of a slot that is still another's. Whether that is news.
    pub(super) fn imports(&mut self, link: &Arc<Link>, now: Instant) -> bool {
        let known = self.primaries().iter().any(|known| Arc::ptr_eq(known, link));
        self.importing.retain(|(known, _)| !Arc::ptr_eq(known, link));
        self.importing.push((link.clone(), now));
        !known
    }

    /// What the nodes answered to a question of `asked`, after `before`. `primary` and `replica` give the links to one.
    pub(super) fn told(
        shards: Vec<Shard>,
        asked: Instant,
        before: &Self,
        primary: impl Fn(&Endpoint) -> Arc<Link>,
        mut replica: impl FnMut(&Endpoint) -> Arc<Link>,
    ) -> Self {
        let mut map = Self { owners: vec![u16::MAX; usize::from(SLOTS)], most: before.most.clone(), ..Self::default() };
        map.most.resize(usize::from(SLOTS), 0);
        map.asked = Some(asked);
        for shard in shards {
            let at = map.place(&primary(&shard.primary));
            let replicas: Arc<[_]> = shard.replicas.iter().map(&mut replica).collect();
            let count = u8::try_from(replicas.len()).unwrap_or(u8::MAX);
            for slot in shard.slots.map(usize::from) {
                if let (Some(owner), Some(most), Ok(at)) = (map.owners.get_mut(slot), map.most.get_mut(slot), u16::try_from(at)) {
                    (*owner, *most) = (at, count.max(*most));
                }
            }
            if let Some(node) = map.primaries.get_mut(at) {
                node.replicas = Some(replicas);
            }
        }
        map.importing = before.importing.iter().filter(|(link, last)| map.may_import(link, *last, asked)).cloned().collect();
        map
    }

    /// Whether a node that somebody was sent to at `last` may still have keys of slots that are another's: not one that follows another by
    /// now, nor one that is lost, of which nobody needs to hear any more.
    fn may_import(&self, link: &Arc<Link>, last: Instant, now: Instant) -> bool {
        let endpoint = link.connector().endpoint();
        let is_replica = || self.replicas().iter().any(|replica| replica.connector().endpoint() == endpoint);
        now.saturating_duration_since(last) < IMPORTED && link.open().is_some() && !is_replica()
    }

    fn node(&self, slot: u16) -> Option<&Node> {
        self.primaries.get(usize::from(*self.owners.get(usize::from(slot))?))
    }

    fn place(&mut self, link: &Arc<Link>) -> usize {
        self.primaries.iter().position(|node| Arc::ptr_eq(&node.link, link)).unwrap_or_else(|| {
            self.primaries.push(Node { link: link.clone(), replicas: None });
            self.primaries.len() - 1
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::super::connect::Connector;
    use super::*;
    use crate::store::address::Address;

    fn link(host: &str) -> Arc<Link> {
        let Address::Redis(address) = Address::parse(&format!("redis://{host}")).unwrap() else { panic!("{host} is no server") };
        Arc::new(Link::new(Connector::new(&address, IMPORTED).unwrap(), IMPORTED, None))
    }

    #[test]
    fn a_node_that_gets_its_first_slot_has_keys_and_no_say() {
        let (mut map, [old, new]) =
            (Map { owners: vec![u16::MAX; usize::from(SLOTS)], ..Map::default() }, ["old", "new"].map(link));
        map.moved(7, &old);
        assert!(map.imports(&new, Instant::now()));
        assert!(!map.imports(&new, Instant::now()) && !map.imports(&old, Instant::now()), "they were known");
        let are = |links: Vec<Arc<Link>>, expected: &[&Arc<Link>]| {
            links.len() == expected.len() && links.iter().zip(expected).all(|(one, other)| Arc::ptr_eq(one, other))
        };
        assert!(are(map.primaries(), &[&old, &new]));
        assert!(are(map.informed(), &[&old]));
        map.moved(7, &new);
        assert!(are(map.informed(), &[&old, &new]));
    }
}
