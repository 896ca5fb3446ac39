//! Which keys a sweep has met, as far as it can be told from what nodes say before and after each walk over theirs.
//!
//! A walk over the keys of a node meets all that are there from its beginning to its end. So all of a slot are met if the node has the
//! whole slot all the while. Of a slot that is on its way, those are met that stay where they are; the others are where it goes to, and
//! met by a walk over those that begins after this one has ended.

use std::collections::HashMap;

use super::slot_set::SlotSet;
use super::view::View;

/// How far a sweep is.
#[derive(Debug)]
pub(crate) struct Coverage {
    /// Slots of which all keys were met that were there all the while.
    met: SlotSet,
    /// Slots of which those were met that are not at this node, by its id.
    rest: HashMap<u16, String>,
}

/// A walk that is to be made over the keys of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Walk {
    /// The place of the node's view among those that were given.
    pub(crate) at: usize,
    /// Slots that the node has.
    whole: SlotSet,
    /// Slots of which it has what was not met elsewhere.
    rest: SlotSet,
}

impl Walk {
    /// The slots whose keys are of interest.
    pub(crate) fn slots(&self) -> SlotSet {
        self.whole.or(&self.rest)
    }
}

impl Coverage {
    /// A sweep that begins.
    pub(crate) fn new() -> Self {
        Self { met: SlotSet::NONE, rest: HashMap::new() }
    }

    /// Whether all keys were met.
    pub(crate) fn is_whole(&self) -> bool {
        self.met == SlotSet::ALL
    }

    /// The slots of which keys are still to be met.
    pub(crate) fn left(&self) -> SlotSet {
        SlotSet::ALL.without(&self.met)
    }

    /// The walks that are to be made now, side by side. `all` says whether these are the views of all nodes that have slots.
    pub(crate) fn plan(&mut self, views: &[View], all: bool) -> Vec<Walk> {
        if all && !views.is_empty() {
            let named = views.iter().fold(SlotSet::NONE, |named, view| named.or(&view.named()));
            // Nobody can have a key of a slot that nobody has.
            self.met = self.met.or(&SlotSet::ALL.without(&named));
        }
        for view in views {
            // It has given up what it was to get, or has passed it on.
            self.rest.retain(|slot, at| *at != view.me || view.own.contains(*slot) || view.coming.contains(*slot));
        }
        let halves: SlotSet = self.rest.keys().copied().collect();
        let open = self.left().without(&halves);
        let walks = views.iter().enumerate().map(|(at, view)| {
            // One that is cut off from the others does not know that another has taken its place.
            let whole = views.iter().fold(open.clone(), |agreed, other| agreed.and(&other.slots_of(&view.me)));
            let rest = self.rest.iter().filter(|(_, at)| **at == view.me).map(|(slot, _)| *slot).collect();
            Walk { at, whole, rest }
        });
        walks.filter(|walk| !walk.slots().is_empty()).collect()
    }

    /// Notes that a walk has been made over all keys of a node, which said this before and after it. Whether anything was gained.
    pub(crate) fn walked(&mut self, walk: &Walk, before: &View, after: &View) -> bool {
        let mut gained = false;
        for slot in walk.slots().iter() {
            let has = |view: &View| view.own.contains(slot) || walk.rest.contains(slot) && view.coming.contains(slot);
            let stayed = before.me == after.me && has(before) && has(after);
            match (before.leaving.get(&slot), after.leaving.get(&slot)) {
                (None, None) if stayed => {
                    self.met.insert(slot);
                    self.rest.remove(&slot);
                    gained = true;
                }
                (was, Some(to)) if stayed && was.is_none_or(|was| was == to) => {
                    self.rest.insert(slot, to.clone());
                    gained = true;
                }
                // What has left, or has come back, may have done so past the walk.
                _ => {
                    self.rest.remove(&slot);
                }
            }
        }
        gained
    }
}

#[cfg(test)]
mod tests;
