//! Which node of a cluster has which slots, and who follows it, as far as it is known.

use std::sync::Arc;

use tokio::time::Instant;

use super::followers::Followers;
use super::link::Link;
use super::slots::{SLOTS, Shard};
use crate::store::address::Endpoint;

/// The map of a cluster. It only saves redirections: nothing goes wrong if it is out of date, as nodes redirect what is not theirs.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// For each slot, its place among the primaries.
    owners: Vec<u16>,
    primaries: Vec<Node>,
    /// For each slot, the most replicas that ever were in service.
    most: Vec<u8>,
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

    /// The links to all primaries.
    pub(super) fn primaries(&self) -> Vec<Arc<Link>> {
        self.primaries.iter().map(|node| node.link.clone()).collect()
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
        map
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
