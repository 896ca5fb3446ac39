//! Packages and what they depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::metadata::Metadata;
use crate::spdx::Choices;

/// A package of one graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id(usize);

/// The packages of one document. Nothing in it depends on itself.
#[derive(Debug)]
pub(crate) struct Graph {
    packages: Vec<Package>,
}

/// One package, as it is locked.
#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Choices,
    /// What it needs to be built and used, by id.
    pub(crate) dependencies: BTreeSet<Id>,
    pub(crate) inputs: Inputs,
}

/// What a package's closure is computed from. Two packages with equal inputs have equal closures, but for their own name.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Inputs {
    source: Option<String>,
    licence: String,
    /// Name, version and digest of each dependency's own inputs.
    dependencies: Vec<(String, String, String)>,
}

impl Inputs {
    /// SHA-256 in hex.
    pub(crate) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        // With the length before each text, no two inputs are hashed alike.
        let mut text = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        text(self.source.as_deref().unwrap_or_default());
        text(&self.licence);
        for (name, version, digest) in &self.dependencies {
            text(name);
            text(version);
            text(digest);
        }
        hash.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

impl Graph {
    /// Puts a document's packages together.
    pub(crate) fn new(metadata: Metadata) -> Result<Self, String> {
        let resolve = metadata.resolve.ok_or("has no resolved dependencies: run `cargo metadata` without --no-deps")?;
        if resolve.nodes.is_empty() {
            return Err("has no packages".to_owned());
        }
        let ids: BTreeMap<&str, Id> = resolve.nodes.iter().zip(0..).map(|(node, at)| (node.id.as_str(), Id(at))).collect();
        if ids.len() < resolve.nodes.len() {
            return Err("resolves one package twice".to_owned());
        }
        let mut described: BTreeMap<_, _> = metadata.packages.into_iter().map(|package| (package.id.clone(), package)).collect();
        let mut packages = Vec::with_capacity(resolve.nodes.len());
        for node in &resolve.nodes {
            let package = described.remove(&node.id).ok_or_else(|| format!("resolves {:?} and does not describe it", node.id))?;
            let dependencies = node.deps.iter().filter(|dependency| !dependency.is_for_tests()).map(|dependency| {
                let id = ids.get(dependency.pkg.as_str()).copied();
                id.ok_or_else(|| format!("has {:?} depend on {:?}, which it does not resolve", node.id, dependency.pkg))
            });
            let licence = match (&package.license, &package.license_file) {
                (Some(expression), _) => Choices::parse(expression),
                (None, Some(file)) => Choices::opaque(&format!("the file {file}")),
                (None, None) => Choices::opaque("none stated"),
            };
            packages.push(Package {
                inputs: Inputs { source: package.source, licence: licence.to_string(), dependencies: Vec::new() },
                dependencies: dependencies.collect::<Result<_, _>>()?,
                name: package.name,
                version: package.version,
                licence,
            });
        }
        let mut graph = Self { packages };
        for (id, inputs) in graph.inputs()? {
            graph.packages[id.0].inputs = inputs;
        }
        Ok(graph)
    }

    /// How many packages there are.
    pub(crate) fn len(&self) -> usize {
        self.packages.len()
    }

    /// All packages.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &Package)> {
        self.packages.iter().zip(0..).map(|(package, at)| (Id(at), package))
    }

    /// One package. An [`Id`] comes from this graph only, and is within it.
    pub(crate) fn get(&self, id: Id) -> &Package {
        &self.packages[id.0]
    }

    /// The inputs of every package, dependencies before those who depend on them.
    fn inputs(&self) -> Result<Vec<(Id, Inputs)>, String> {
        let mut missing: BTreeMap<Id, usize> = self.iter().map(|(id, package)| (id, package.dependencies.len())).collect();
        let mut dependents: BTreeMap<Id, Vec<Id>> = BTreeMap::new();
        for (id, package) in self.iter() {
            for dependency in &package.dependencies {
                dependents.entry(*dependency).or_default().push(id);
            }
        }
        let mut ready: Vec<Id> = missing.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
        let mut digests = BTreeMap::new();
        let mut all = Vec::with_capacity(self.len());
        while let Some(id) = ready.pop() {
            missing.remove(&id);
            let package = self.get(id);
            let mut inputs = package.inputs.clone();
            inputs.dependencies.extend(package.dependencies.iter().filter_map(|dependency| {
                let package = self.get(*dependency);
                let digest: &String = digests.get(dependency)?;
                Some((package.name.clone(), package.version.clone(), digest.clone()))
            }));
            inputs.dependencies.sort_unstable();
            digests.insert(id, inputs.digest());
            all.push((id, inputs));
            for dependent in dependents.get(&id).into_iter().flatten() {
                if let Some(count) = missing.get_mut(dependent) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(*dependent);
                    }
                }
            }
        }
        match missing.keys().next() {
            None => Ok(all),
            Some(id) => Err(format!("has packages that depend on each other in a circle, {} among them", self.get(*id).label())),
        }
    }
}

impl Package {
    /// Its name and version.
    pub(crate) fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    /// A graph of lines such as `app MIT: a b`.
    pub(crate) fn graph(lines: &[&str]) -> Result<Graph, String> {
        let nodes: Vec<_> = lines
            .iter()
            .map(|line| {
                let (package, dependencies) = line.split_once(':').unwrap();
                let (name, licence) = package.split_once(' ').unwrap();
                let deps: Vec<_> = dependencies.split_whitespace().map(|name| serde_json::json!({ "pkg": name })).collect();
                (name, licence, deps)
            })
            .collect();
        let packages: Vec<_> = nodes
            .iter()
            .map(|(name, licence, _)| serde_json::json!({ "id": name, "name": name, "version": "1.0.0", "license": licence }))
            .collect();
        let nodes: Vec<_> = nodes.iter().map(|(name, _, deps)| serde_json::json!({ "id": name, "deps": deps })).collect();
        let document = serde_json::json!({ "packages": packages, "resolve": { "nodes": nodes } });
        Graph::new(crate::metadata::parse(document.to_string().as_bytes())?)
    }

    pub(crate) fn id(graph: &Graph, name: &str) -> Id {
        graph.iter().find(|(_, package)| package.name == name).unwrap().0
    }

    #[test]
    fn inputs_change_with_anything_below() {
        let digest = |lines: &[&str]| {
            let graph = graph(lines).unwrap();
            graph.get(id(&graph, "app")).inputs.digest()
        };
        let before = digest(&["app MIT: a", "a MIT: b", "b MIT:"]);
        assert_eq!(before, digest(&["b MIT:", "app MIT: a", "a MIT: b", "other ISC: b"]));
        assert_ne!(before, digest(&["app MIT: a", "a MIT: b", "b ISC:"]));
        assert_ne!(before, digest(&["app MIT: a", "a MIT:", "b MIT:"]));
    }

    #[test]
    fn leaves_with_one_licence_have_the_same_inputs() {
        let graph = graph(&["app MIT: a b", "a MIT/Apache-2.0:", "b Apache-2.0 OR MIT:"]).unwrap();
        assert_eq!(graph.get(id(&graph, "a")).inputs, graph.get(id(&graph, "b")).inputs);
    }

    #[test]
    fn documents_that_make_no_graph_say_why() {
        for (lines, why) in [
            (&[][..], "has no packages"),
            (&["app MIT: a"], "does not resolve"),
            (&["app MIT:", "app MIT:"], "twice"),
            (&["app MIT: a", "a MIT: b", "b MIT: a"], "circle"),
            (&["app MIT: app"], "circle"),
        ] {
            let error = graph(lines).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let no_deps = crate::metadata::parse(br#"{"packages": [], "resolve": null}"#).unwrap();
        assert!(Graph::new(no_deps).unwrap_err().contains("--no-deps"));
    }
}
