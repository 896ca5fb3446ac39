//! A package's dependency closure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::fewest::fewest;
use crate::graph::{Graph, Id};

/// What a package brings along. This is the value that is cached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Closure {
    /// How many packages, itself included.
    pub(crate) packages: usize,
    /// How many packages are on the longest way down, itself not included.
    pub(crate) depth: usize,
    /// The licences and who brings them in.
    pub(crate) licences: BTreeMap<String, Use>,
    /// The fewest licences under which all of it can be used.
    pub(crate) needed: Vec<String>,
    /// What could be saved by doing without a single package, the most first.
    pub(crate) savings: Vec<Saving>,
}

/// What would go away with one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saving {
    /// The package.
    pub(crate) without: String,
    /// How many packages nothing else brings in, itself included.
    pub(crate) packages: usize,
    /// The licences that would not be needed any more.
    pub(crate) licences: Vec<String>,
}

/// Where a licence comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Use {
    /// How many packages of the closure have it.
    pub(crate) packages: usize,
    /// The shortest way from the package's own dependency to one that has it; empty if the package itself has it.
    pub(crate) way: Vec<String>,
}

/// How many savings are kept.
const SAVINGS: usize = 12;

impl Closure {
    /// Works out the closure of a package.
    pub(crate) fn of(root: Id, graph: &Graph) -> Self {
        let reached = Reached::from(root, None, graph);
        let needed = reached.needed(graph);
        Self {
            packages: reached.nearest_first.len(),
            depth: depth(root, graph),
            licences: reached.licences(graph),
            savings: reached.savings(&needed, graph),
            needed: needed.into_iter().collect(),
        }
    }
}

/// The packages that can be reached from one.
struct Reached {
    nearest_first: Vec<Id>,
    /// Who brought each one in; nobody brought in the first.
    parents: BTreeMap<Id, Option<Id>>,
}

impl Reached {
    /// From `root`, as if there were no package `without`.
    fn from(root: Id, without: Option<Id>, graph: &Graph) -> Self {
        let mut parents = BTreeMap::from([(root, None)]);
        let mut nearest_first = Vec::new();
        let mut waiting = VecDeque::from([root]);
        while let Some(id) = waiting.pop_front() {
            nearest_first.push(id);
            for dependency in &graph.get(id).dependencies {
                if Some(*dependency) == without {
                    continue;
                }
                parents.entry(*dependency).or_insert_with(|| {
                    waiting.push_back(*dependency);
                    Some(id)
                });
            }
        }
        Self { nearest_first, parents }
    }

    fn licences(&self, graph: &Graph) -> BTreeMap<String, Use> {
        let mut licences: BTreeMap<String, Use> = BTreeMap::new();
        // The nearest come first, so the first to have a licence has the shortest way.
        for id in &self.nearest_first {
            let name = graph.get(*id).licence.to_string();
            let found = licences.entry(name).or_insert_with(|| Use { packages: 0, way: self.way_to(*id, graph) });
            found.packages += 1;
        }
        licences
    }

    fn needed(&self, graph: &Graph) -> BTreeSet<String> {
        fewest(self.nearest_first.iter().map(|id| &graph.get(*id).licence))
    }

    fn savings(&self, needed: &BTreeSet<String>, graph: &Graph) -> Vec<Saving> {
        let Some((root, others)) = self.nearest_first.split_first() else { return Vec::new() };
        let mut savings: Vec<_> = others
            .iter()
            .map(|id| {
                let rest = Self::from(*root, Some(*id), graph);
                Saving {
                    without: graph.get(*id).label(),
                    packages: self.nearest_first.len() - rest.nearest_first.len(),
                    licences: needed.difference(&rest.needed(graph)).cloned().collect(),
                }
            })
            .collect();
        savings.sort_by(|one, other| {
            let by_size = (other.packages, other.licences.len()).cmp(&(one.packages, one.licences.len()));
            by_size.then_with(|| one.without.cmp(&other.without))
        });
        savings.truncate(SAVINGS);
        savings
    }

    fn way_to(&self, id: Id, graph: &Graph) -> Vec<String> {
        let mut way = Vec::new();
        let mut at = id;
        while let Some(Some(parent)) = self.parents.get(&at) {
            way.push(graph.get(at).label());
            at = *parent;
        }
        way.reverse();
        way
    }
}

/// The longest way down. A graph has no circles, so this ends; it keeps its own stack, since ways can be long.
fn depth(root: Id, graph: &Graph) -> usize {
    let mut depths: BTreeMap<Id, usize> = BTreeMap::new();
    let mut stack = vec![root];
    while let Some(id) = stack.last().copied() {
        let dependencies = &graph.get(id).dependencies;
        let unknown: Vec<Id> = dependencies.iter().filter(|id| !depths.contains_key(id)).copied().collect();
        if unknown.is_empty() {
            let below = dependencies.iter().filter_map(|id| depths.get(id)).max();
            depths.insert(id, below.map_or(0, |depth| depth + 1));
            stack.pop();
        } else {
            stack.extend(unknown);
        }
    }
    depths.get(&root).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::graph::tests::{graph, id};

    #[test]
    fn a_closure_tells_what_a_package_brings_along() {
        let graph = graph(&[
            "app MIT: web log",
            "web MIT OR Apache-2.0: tls log",
            "tls ISC: math",
            "math Apache-2.0 AND ISC:",
            "log MIT/Apache-2.0:",
            "unrelated GPL-3.0-only: app",
        ])
        .unwrap();
        let closure = Closure::of(id(&graph, "app"), &graph);
        assert_eq!((closure.packages, closure.depth), (5, 3));
        let uses: Vec<_> =
            closure.licences.iter().map(|(name, found)| (name.as_str(), found.packages, found.way.join(" "))).collect();
        let expected = [
            ("Apache-2.0 AND ISC", 1, "web@1.0.0 tls@1.0.0 math@1.0.0"),
            ("Apache-2.0 OR MIT", 2, "web@1.0.0"),
            ("ISC", 1, "web@1.0.0 tls@1.0.0"),
            ("MIT", 1, ""),
        ];
        assert_eq!(uses.len(), expected.len());
        for (found, expected) in uses.iter().zip(expected) {
            assert_eq!((found.0, found.1), (expected.0, expected.1));
            assert!(found.2 == expected.2 || found.0 == "Apache-2.0 OR MIT", "{found:?}");
        }
        assert_eq!(closure.needed, ["Apache-2.0", "ISC", "MIT"]);
        // log stays when web goes, since app needs it by itself.
        let savings: Vec<_> = closure.savings.iter().map(|saving| (saving.without.as_str(), saving.packages)).collect();
        assert_eq!(savings, [("web@1.0.0", 3), ("tls@1.0.0", 2), ("math@1.0.0", 1), ("log@1.0.0", 1)]);
        assert_eq!(closure.savings[0].licences, ["Apache-2.0", "ISC"]);
        assert_eq!(closure.savings[2].licences, ["Apache-2.0"]);
    }

    #[test]
    fn a_leaf_is_its_own_closure() {
        let graph = graph(&["leaf ISC:"]).unwrap();
        let closure = Closure::of(id(&graph, "leaf"), &graph);
        assert_eq!((closure.packages, closure.depth, closure.needed.len(), closure.savings.len()), (1, 0, 1, 0));
    }

    #[test]
    fn a_way_of_thousands_of_packages_is_followed_to_its_end() {
        let lines: Vec<_> = (0..3_000).map(|n| format!("p{n} MIT: p{}", n + 1)).chain(["p3000 MIT:".to_owned()]).collect();
        let graph = graph(&lines.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert_eq!(depth(id(&graph, "p0"), &graph), 3_000);
    }
}
