//! What `cargo metadata --format-version 1` prints.

use serde::Deserialize;

/// The part of the document that is needed here.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) resolve: Option<Resolve>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) source: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) license_file: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Resolve {
    pub(crate) nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) deps: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) pkg: String,
    #[serde(default)]
    pub(crate) dep_kinds: Vec<DependencyKind>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DependencyKind {
    pub(crate) kind: Option<String>,
}

impl Dependency {
    /// Whether only the package's own tests need it, so that it never reaches who uses the package.
    pub(crate) fn is_for_tests(&self) -> bool {
        !self.dep_kinds.is_empty() && self.dep_kinds.iter().all(|kind| kind.kind.as_deref() == Some("dev"))
    }
}

/// Reads a document.
pub(crate) fn parse(document: &[u8]) -> Result<Metadata, String> {
    serde_json::from_slice(document).map_err(|error| {
        if error.is_data() {
            format!("is JSON, but not what `cargo metadata --format-version 1` prints: {error}")
        } else {
            format!("is not JSON: {error}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_of_another_kind_is_told_from_one_that_is_not_json() {
        for (document, why) in [
            (&b"<html>"[..], "is not JSON"),
            (b"{\"packages\": [", "is not JSON"),
            (b"[]", "is JSON, but not what"),
            (b"{\"name\": \"left-pad\"}", "missing field `packages`"),
            (b"\xff\xfe", "is not JSON"),
        ] {
            let error = parse(document).err();
            assert!(error.as_ref().is_some_and(|error| error.contains(why)), "{error:?}");
        }
    }

    #[test]
    fn a_dependency_of_tests_only_is_told_from_one_that_is_also_used() {
        let kinds = |kinds: &[Option<&str>]| Dependency {
            pkg: "serde".to_owned(),
            dep_kinds: kinds.iter().map(|kind| DependencyKind { kind: kind.map(str::to_owned) }).collect(),
        };
        assert!(kinds(&[Some("dev")]).is_for_tests());
        assert!(!kinds(&[Some("dev"), None]).is_for_tests());
        assert!(!kinds(&[Some("build")]).is_for_tests());
        assert!(!kinds(&[]).is_for_tests());
    }
}
