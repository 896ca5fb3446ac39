//! A component behind the three traits of a stage.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::call::{Call, Stage};
use super::instance::{Blueprint, Instance};
use crate::error::StageFault;
use crate::stage::{Compressor, Identity, Serializer, Work};

/// The longest name of an entry that a component may give, in bytes.
const MAX_IDENTITY: u64 = 64 * 1024;

/// A component that is one stage, or several.
///
/// Cheap to clone; its stages and its clones share one pool of instances.
#[derive(Debug, Clone)]
pub struct StageComponent {
    stage: Arc<Stage>,
}

impl StageComponent {
    pub(super) fn new(stage: Arc<Stage>) -> Self {
        Self { stage }
    }

    /// What it was loaded as.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.stage.name
    }

    /// The identity, if it exports one.
    #[must_use]
    pub fn identity(&self) -> Option<Arc<dyn Identity>> {
        self.exports().identity.as_ref().map(|_| Arc::new(Component(Arc::clone(&self.stage))) as Arc<dyn Identity>)
    }

    /// The serializer, if it exports one.
    #[must_use]
    pub fn serializer(&self) -> Option<Arc<dyn Serializer>> {
        self.exports().serializer.as_ref().map(|_| Arc::new(Component(Arc::clone(&self.stage))) as Arc<dyn Serializer>)
    }

    /// The compressor, if it exports one.
    #[must_use]
    pub fn compressor(&self) -> Option<Arc<dyn Compressor>> {
        self.exports().compressor.as_ref().map(|_| Arc::new(Component(Arc::clone(&self.stage))) as Arc<dyn Compressor>)
    }

    fn exports(&self) -> &super::exports::Exports {
        &self.stage.pool.blueprint.exports
    }
}

/// The component behind a trait. Made only for traits whose interface it exports.
struct Component(Arc<Stage>);

impl Component {
    fn work<'a, C: Call + Send + 'static>(&self, call: C) -> Work<'a, C::Output> {
        match self.0.at_once(&call) {
            Some(answer) => Work::done(answer),
            None => self.0.later(call),
        }
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Component").field(&self.0.name).finish()
    }
}

impl Identity for Component {
    fn generate<'a>(&'a self, cache: &'a str, key: &'a str, content: Option<&'a [u8]>) -> Work<'a, String> {
        let content = content.map(Bytes::copy_from_slice);
        match self.0.at_once(&Generate { cache, key, content: content.clone() }) {
            Some(answer) => Work::done(answer),
            None => self.0.later(Generate { cache: cache.to_owned(), key: key.to_owned(), content }),
        }
    }
}

impl Serializer for Component {
    fn serialize(&self, value: Bytes) -> Work<'_, Bytes> {
        self.work(Serialize(value))
    }

    fn deserialize(&self, bytes: Bytes) -> Work<'_, Bytes> {
        self.work(Deserialize(bytes))
    }
}

impl Compressor for Component {
    fn compress(&self, bytes: Bytes) -> Work<'_, Option<Bytes>> {
        self.work(Compress(bytes))
    }

    fn decompress(&self, bytes: Bytes, max_size: u64) -> Work<'_, Bytes> {
        self.work(Decompress(bytes, max_size))
    }
}

struct Generate<S> {
    cache: S,
    key: S,
    content: Option<Bytes>,
}

struct Serialize(Bytes);

struct Deserialize(Bytes);

struct Compress(Bytes);

struct Decompress(Bytes, u64);

/// What a call through an interface gives that the component does not export. There is none: see [`Component`].
fn absent() -> wasmtime::Error {
    wasmtime::Error::msg("the component does not export this stage")
}

impl<S: AsRef<str>> Call for Generate<S> {
    type Output = String;

    fn input(&self) -> usize {
        self.cache.as_ref().len() + self.key.as_ref().len() + self.content.as_ref().map_or(0, Bytes::len)
    }

    fn run(&self, blueprint: &Blueprint, instance: &mut Instance) -> (Result<String, StageFault>, bool) {
        blueprint.call(instance, blueprint.limits.output.min(MAX_IDENTITY), String::len, |functions, store| {
            let identity = functions.identity.as_ref().ok_or_else(absent)?;
            let (cache, key) = (self.cache.as_ref().to_owned(), self.key.as_ref().to_owned());
            Ok(identity.generate.call(store, (cache, key, self.content.clone()))?.0)
        })
    }
}

impl Call for Serialize {
    type Output = Bytes;

    fn input(&self) -> usize {
        self.0.len()
    }

    fn run(&self, blueprint: &Blueprint, instance: &mut Instance) -> (Result<Bytes, StageFault>, bool) {
        blueprint.call(instance, blueprint.limits.output, Bytes::len, |functions, store| {
            let serializer = functions.serializer.as_ref().ok_or_else(absent)?;
            Ok(serializer.serialize.call(store, (self.0.clone(),))?.0)
        })
    }
}

impl Call for Deserialize {
    type Output = Bytes;

    fn input(&self) -> usize {
        self.0.len()
    }

    fn run(&self, blueprint: &Blueprint, instance: &mut Instance) -> (Result<Bytes, StageFault>, bool) {
        blueprint.call(instance, blueprint.limits.output, Bytes::len, |functions, store| {
            let serializer = functions.serializer.as_ref().ok_or_else(absent)?;
            Ok(serializer.deserialize.call(store, (self.0.clone(),))?.0)
        })
    }
}

impl Call for Compress {
    type Output = Option<Bytes>;

    fn input(&self) -> usize {
        self.0.len()
    }

    fn run(&self, blueprint: &Blueprint, instance: &mut Instance) -> (Result<Option<Bytes>, StageFault>, bool) {
        let size = |bytes: &Option<Bytes>| bytes.as_ref().map_or(0, Bytes::len);
        blueprint.call(instance, blueprint.limits.output, size, |functions, store| {
            let compressor = functions.compressor.as_ref().ok_or_else(absent)?;
            Ok(compressor.compress.call(store, (self.0.clone(),))?.0)
        })
    }
}

impl Call for Decompress {
    type Output = Bytes;

    fn input(&self) -> usize {
        self.0.len()
    }

    fn run(&self, blueprint: &Blueprint, instance: &mut Instance) -> (Result<Bytes, StageFault>, bool) {
        let max = blueprint.limits.output.min(self.1);
        blueprint.call(instance, max, Bytes::len, |functions, store| {
            let compressor = functions.compressor.as_ref().ok_or_else(absent)?;
            Ok(compressor.decompress.call(store, (self.0.clone(), max))?.0)
        })
    }
}
