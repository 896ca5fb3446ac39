//! The stages of one kind, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::choice::{StageChoice, default_of};
use crate::envelope::StageId;
use crate::error::{Error, Invalid, StageKind};
use crate::names::check_name;

/// A stage with its name.
pub struct Registered<T: ?Sized> {
    name: Arc<str>,
    id: StageId,
    stage: Arc<T>,
}

impl<T: ?Sized> Registered<T> {
    /// The name that it is registered under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What stands for it in an envelope.
    #[must_use]
    pub fn id(&self) -> StageId {
        self.id
    }

    /// The stage.
    #[must_use]
    pub fn stage(&self) -> &T {
        &self.stage
    }
}

impl<T: ?Sized> Clone for Registered<T> {
    fn clone(&self) -> Self {
        Self { name: self.name.clone(), id: self.id, stage: self.stage.clone() }
    }
}

impl<T: ?Sized> fmt::Debug for Registered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registered").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Names that nobody can register for any kind, so that a name says which stage it is wherever it is met.
const RESERVED: [&str; 6] = ["default", "none", "cbor", "json", "postcard", "zlib"];

/// All stages of one kind.
pub(super) struct Shelf<T: ?Sized>(BTreeMap<Arc<str>, Registered<T>>);

impl<T: ?Sized> Shelf<T> {
    pub(super) fn put(&mut self, name: &str, id: StageId, stage: Arc<T>) {
        let name: Arc<str> = name.into();
        self.0.insert(name.clone(), Registered { name, id, stage });
    }

    pub(super) fn register(&mut self, kind: StageKind, name: &str, stage: Arc<T>) -> Result<(), Error> {
        check_name("stage name", name)?;
        let refused = |why: String| Err(Invalid::StageName { kind, name: name.to_owned(), why }.into());
        if RESERVED.contains(&name) {
            return refused("is built in".to_owned());
        }
        if self.0.contains_key(name) {
            return refused("is registered already".to_owned());
        }
        let id = StageId::named(name);
        if let Some(other) = self.name_of(id) {
            return refused(format!("has the same id in stored entries as {other:?}"));
        }
        self.put(name, id, stage);
        Ok(())
    }

    pub(super) fn choose(&self, kind: StageKind, choice: &StageChoice) -> Result<Option<Registered<T>>, Error> {
        let name = match choice {
            StageChoice::None => return Ok(None),
            StageChoice::Default => default_of(kind),
            StageChoice::Named(name) => name,
        };
        let unknown = || {
            let known = self.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            Invalid::UnknownStage { kind, name: name.to_owned(), known }
        };
        Ok(Some(self.0.get(name).ok_or_else(unknown)?.clone()))
    }

    pub(super) fn name_of(&self, id: StageId) -> Option<&str> {
        self.0.values().find(|stage| stage.id == id).map(Registered::name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

impl<T: ?Sized> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: ?Sized> Default for Shelf<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}
