//! Which stages there are, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::builtin::{CborStage, DefaultIdentity, JsonStage, PostcardStage, ZlibStage};
use super::{Compressor, Identity, Serializer};
use crate::envelope::StageId;
use crate::error::{Error, Invalid, StageKind};
use crate::names::check_name;

/// Which stage a cache uses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StageChoice {
    /// The one that the platform uses by default: identity `default`, serializer `cbor`, compressor `zlib` unless it says otherwise.
    #[default]
    Default,
    /// None. Identity: the key as it is, and content is invalid. Serializer: values are CBOR byte strings, stored as their bare
    /// bytes. Compressor: nothing is compressed.
    None,
    /// The one that is registered under this name.
    Named(String),
}

/// The stages that caches can choose from: the built-in ones, and those that were registered.
///
/// A clone costs nothing; registering a stage leaves other clones as they are.
#[derive(Clone)]
pub struct Stages(Arc<Shelves>);

/// A stage with its name.
pub struct Registered<T: ?Sized> {
    name: Arc<str>,
    id: StageId,
    stage: Arc<T>,
}

impl Stages {
    /// Those that come with the host: identity `default`; serializers `cbor`, `json` and `postcard`; compressor `zlib`.
    #[must_use]
    pub fn builtin() -> Self {
        let mut shelves = Shelves::default();
        shelves.identities.put(DEFAULT_IDENTITY, StageId(1), Arc::new(DefaultIdentity));
        shelves.serializers.put(DEFAULT_SERIALIZER, StageId::CBOR, Arc::new(CborStage));
        shelves.serializers.put("json", StageId::JSON, Arc::new(JsonStage));
        shelves.serializers.put("postcard", StageId::POSTCARD, Arc::new(PostcardStage));
        shelves.compressors.put(DEFAULT_COMPRESSOR, StageId::ZLIB, Arc::new(ZlibStage));
        Self(Arc::new(shelves))
    }

    /// The same with one more identity.
    ///
    /// # Errors
    /// [`Invalid::StageName`] if the name is built in or taken, and what any name can fail for.
    pub fn with_identity(mut self, name: &str, stage: Arc<dyn Identity>) -> Result<Self, Error> {
        Arc::make_mut(&mut self.0).identities.register(StageKind::Identity, name, stage)?;
        Ok(self)
    }

    /// The same with one more serializer.
    ///
    /// # Errors
    /// As [`Stages::with_identity`].
    pub fn with_serializer(mut self, name: &str, stage: Arc<dyn Serializer>) -> Result<Self, Error> {
        Arc::make_mut(&mut self.0).serializers.register(StageKind::Serializer, name, stage)?;
        Ok(self)
    }

    /// The same with one more compressor.
    ///
    /// # Errors
    /// As [`Stages::with_identity`].
    pub fn with_compressor(mut self, name: &str, stage: Arc<dyn Compressor>) -> Result<Self, Error> {
        Arc::make_mut(&mut self.0).compressors.register(StageKind::Compressor, name, stage)?;
        Ok(self)
    }

    /// The identity that is chosen; `None` for none.
    ///
    /// # Errors
    /// [`Invalid::UnknownStage`].
    pub fn identity(&self, choice: &StageChoice) -> Result<Option<Registered<dyn Identity>>, Error> {
        self.0.identities.choose(StageKind::Identity, choice)
    }

    /// The serializer that is chosen; `None` for none.
    ///
    /// # Errors
    /// [`Invalid::UnknownStage`].
    pub fn serializer(&self, choice: &StageChoice) -> Result<Option<Registered<dyn Serializer>>, Error> {
        self.0.serializers.choose(StageKind::Serializer, choice)
    }

    /// The compressor that is chosen; `None` for none.
    ///
    /// # Errors
    /// [`Invalid::UnknownStage`].
    pub fn compressor(&self, choice: &StageChoice) -> Result<Option<Registered<dyn Compressor>>, Error> {
        self.0.compressors.choose(StageKind::Compressor, choice)
    }

    /// The names of all stages of a kind, sorted.
    #[must_use]
    pub fn names(&self, kind: StageKind) -> Vec<&str> {
        match kind {
            StageKind::Identity => self.0.identities.names().collect(),
            StageKind::Serializer => self.0.serializers.names().collect(),
            StageKind::Compressor => self.0.compressors.names().collect(),
        }
    }

    /// What a stage that wrote an entry is called, for an error.
    pub(crate) fn describe(&self, kind: StageKind, id: StageId) -> String {
        let name = match kind {
            StageKind::Identity => self.0.identities.name_of(id),
            StageKind::Serializer => self.0.serializers.name_of(id),
            StageKind::Compressor => self.0.compressors.name_of(id),
        };
        match name {
            _ if id == StageId::NONE => "`none`".to_owned(),
            Some(name) => format!("`{name}`"),
            None => format!("one that is not registered here (id {:#010x})", id.0),
        }
    }
}

impl StageChoice {
    /// The choice with the default spelt out.
    pub(crate) fn named(&self, kind: StageKind) -> Self {
        match self {
            Self::Default => Self::Named(default_of(kind).to_owned()),
            other => other.clone(),
        }
    }
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

impl Default for Stages {
    fn default() -> Self {
        Self::builtin()
    }
}

impl fmt::Debug for Stages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stages")
            .field("identities", &self.names(StageKind::Identity))
            .field("serializers", &self.names(StageKind::Serializer))
            .field("compressors", &self.names(StageKind::Compressor))
            .finish()
    }
}

impl From<&str> for StageChoice {
    /// `default`, `none` or a name, as a command line or a configuration has them.
    fn from(text: &str) -> Self {
        match text {
            "default" => Self::Default,
            "none" => Self::None,
            name => Self::Named(name.to_owned()),
        }
    }
}

impl fmt::Display for StageChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("`default`"),
            Self::None => f.write_str("`none`"),
            Self::Named(name) => write!(f, "`{name}`"),
        }
    }
}

const DEFAULT_IDENTITY: &str = "default";
const DEFAULT_SERIALIZER: &str = "cbor";
const DEFAULT_COMPRESSOR: &str = "zlib";

/// Names that nobody can register for any kind, so that a name says which stage it is wherever it is met.
const RESERVED: [&str; 6] = ["default", "none", "cbor", "json", "postcard", "zlib"];

fn default_of(kind: StageKind) -> &'static str {
    match kind {
        StageKind::Identity => DEFAULT_IDENTITY,
        StageKind::Serializer => DEFAULT_SERIALIZER,
        StageKind::Compressor => DEFAULT_COMPRESSOR,
    }
}

#[derive(Clone, Default)]
struct Shelves {
    identities: Shelf<dyn Identity>,
    serializers: Shelf<dyn Serializer>,
    compressors: Shelf<dyn Compressor>,
}

/// All stages of one kind.
struct Shelf<T: ?Sized>(BTreeMap<Arc<str>, Registered<T>>);

impl<T: ?Sized> Shelf<T> {
    fn put(&mut self, name: &str, id: StageId, stage: Arc<T>) {
        let name: Arc<str> = name.into();
        self.0.insert(name.clone(), Registered { name, id, stage });
    }

    fn register(&mut self, kind: StageKind, name: &str, stage: Arc<T>) -> Result<(), Error> {
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

    fn choose(&self, kind: StageKind, choice: &StageChoice) -> Result<Option<Registered<T>>, Error> {
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

    fn name_of(&self, id: StageId) -> Option<&str> {
        self.0.values().find(|stage| stage.id == id).map(Registered::name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
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

#[cfg(test)]
mod tests;
