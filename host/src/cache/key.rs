//! What an entry is asked for by.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;

use crate::cbor;
use crate::error::{Error, Invalid};

/// An entry's key, and what its value was computed from, if that matters. Any text of at least one character can be a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key<'a> {
    name: Cow<'a, str>,
    content: Option<Content>,
}

/// What a value was computed from, in one canonical form (RFC 8949, section 4.2): the order of a map's keys does not matter.
/// A clone costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Content(Bytes);

impl Content {
    /// Any value of serde's.
    ///
    /// # Errors
    /// [`Invalid::Type`] if it cannot be CBOR, [`Invalid::Cbor`] if it nests too deep or has a map with one key twice.
    pub fn new<T: Serialize + ?Sized>(content: &T) -> Result<Self, Error> {
        Self::from_cbor(&cbor::to_vec(content)?)
    }

    /// One CBOR data item.
    ///
    /// # Errors
    /// [`Invalid::Cbor`] if it is none, or has a map with one key twice.
    pub fn from_cbor(content: &[u8]) -> Result<Self, Error> {
        let canonical = cbor::canonical(content).map_err(|why| Invalid::Cbor { what: "content", why })?;
        Ok(Self(canonical.into()))
    }

    /// The canonical form.
    #[must_use]
    pub fn as_cbor(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> Key<'a> {
    /// A key with or without content.
    #[must_use]
    pub fn new(name: impl Into<Cow<'a, str>>, content: Option<Content>) -> Self {
        Self { name: name.into(), content }
    }

    /// A key with any value of serde's as its content.
    ///
    /// # Errors
    /// As [`Content::new`].
    pub fn with_content<T: Serialize + ?Sized>(name: impl Into<Cow<'a, str>>, content: &T) -> Result<Self, Error> {
        Ok(Self::new(name, Some(Content::new(content)?)))
    }

    /// A key with one CBOR data item as its content.
    ///
    /// # Errors
    /// As [`Content::from_cbor`].
    pub fn with_cbor_content(name: impl Into<Cow<'a, str>>, content: &[u8]) -> Result<Self, Error> {
        Ok(Self::new(name, Some(Content::from_cbor(content)?)))
    }

    /// The key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The content, if any.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        self.content.as_ref()
    }
}

impl<'a> From<&'a str> for Key<'a> {
    fn from(name: &'a str) -> Self {
        Self::new(name, None)
    }
}

impl<'a> From<&'a String> for Key<'a> {
    fn from(name: &'a String) -> Self {
        Self::new(name.as_str(), None)
    }
}

impl From<String> for Key<'_> {
    fn from(name: String) -> Self {
        Self::new(name, None)
    }
}

impl<'a> From<&'a Key<'_>> for Key<'a> {
    fn from(key: &'a Key<'_>) -> Self {
        Self::new(key.name(), key.content.clone())
    }
}
