//! Which stages there are, by name.

use std::fmt;
use std::sync::Arc;

use super::builtin::{CborStage, DefaultIdentity, JsonStage, PostcardStage, ZlibStage};
use super::choice::{DEFAULT_COMPRESSOR, DEFAULT_IDENTITY, DEFAULT_SERIALIZER};
use super::shelf::Shelf;
use super::{Compressor, Identity, Registered, Serializer, StageChoice};
use crate::envelope::StageId;
use crate::error::{Error, StageKind};

/// The stages that caches can choose from: the built-in ones, and those that were registered.
///
/// A clone costs nothing; registering a stage leaves other clones as they are.
#[derive(Clone)]
pub struct Stages(Arc<Shelves>);

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
    /// [`crate::error::Invalid::StageName`] if the name is built in or taken, and what any name can fail for.
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
    /// [`crate::error::Invalid::UnknownStage`].
    pub fn identity(&self, choice: &StageChoice) -> Result<Option<Registered<dyn Identity>>, Error> {
        self.0.identities.choose(StageKind::Identity, choice)
    }

    /// The serializer that is chosen; `None` for none.
    ///
    /// # Errors
    /// [`crate::error::Invalid::UnknownStage`].
    pub fn serializer(&self, choice: &StageChoice) -> Result<Option<Registered<dyn Serializer>>, Error> {
        self.0.serializers.choose(StageKind::Serializer, choice)
    }

    /// The compressor that is chosen; `None` for none.
    ///
    /// # Errors
    /// [`crate::error::Invalid::UnknownStage`].
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

    /// The name of a stage that wrote an entry; `none` for none, and `None` for one that is not registered here.
    pub(crate) fn name_of(&self, kind: StageKind, id: StageId) -> Option<&str> {
        match kind {
            _ if id == StageId::NONE => Some("none"),
            StageKind::Identity => self.0.identities.name_of(id),
            StageKind::Serializer => self.0.serializers.name_of(id),
            StageKind::Compressor => self.0.compressors.name_of(id),
        }
    }

    /// What a stage that wrote an entry is called, for an error.
    pub(crate) fn describe(&self, kind: StageKind, id: StageId) -> String {
        match self.name_of(kind, id) {
            Some(name) => format!("`{name}`"),
            None => format!("one that is not registered here (id {:#010x})", id.0),
        }
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

#[derive(Clone, Default)]
struct Shelves {
    identities: Shelf<dyn Identity>,
    serializers: Shelf<dyn Serializer>,
    compressors: Shelf<dyn Compressor>,
}

#[cfg(test)]
mod tests;
