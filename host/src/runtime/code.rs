//! Code of guests: where it comes from, and the engine that it runs on.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine};

use super::check;
use super::pulse::Pulse;
use super::state::State;
use crate::error::{Error, Invalid};
use crate::stage::component::CodeCache;

/// A component: a file, or bytes with a name for errors.
#[derive(Debug, Clone)]
pub enum Wasm {
    /// In a file.
    File(PathBuf),
    /// In memory.
    Bytes {
        /// What errors call it.
        name: String,
        /// The component.
        bytes: Bytes,
    },
}

impl Wasm {
    /// Bytes with a name for errors.
    pub fn named(name: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self::Bytes { name: name.into(), bytes: bytes.into() }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Bytes { name, .. } => name.clone(),
        }
    }

    pub(super) fn read(&self) -> Result<Bytes, Error> {
        match self {
            Self::File(path) => match std::fs::read(path) {
                Ok(bytes) => Ok(bytes.into()),
                Err(why) => Err(Invalid::Component { name: self.name(), why: format!("cannot be read: {why}") }.into()),
            },
            Self::Bytes { bytes, .. } => Ok(bytes.clone()),
        }
    }
}

impl From<&Path> for Wasm {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<PathBuf> for Wasm {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&PathBuf> for Wasm {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&str> for Wasm {
    fn from(path: &str) -> Self {
        Self::File(path.into())
    }
}

impl From<String> for Wasm {
    fn from(path: String) -> Self {
        Self::File(path.into())
    }
}

impl From<Vec<u8>> for Wasm {
    fn from(bytes: Vec<u8>) -> Self {
        Self::named("component", bytes)
    }
}

impl From<&[u8]> for Wasm {
    fn from(bytes: &[u8]) -> Self {
        Self::named("component", bytes.to_vec())
    }
}

impl From<Bytes> for Wasm {
    fn from(bytes: Bytes) -> Self {
        Self::named("component", bytes)
    }
}

/// The engine of guests, and what they can import.
pub(super) struct Code {
    engine: Engine,
    linker: Linker<State>,
    pub(super) pulse: Pulse,
}

impl Code {
    pub(super) fn new(code_cache: &CodeCache) -> Result<Self, Error> {
        let cannot = |why: String| Error::from(Invalid::Config { what: "the engine for guests".to_owned(), why });
        let mut config = Config::new();
        config.wasm_component_model_async(true).epoch_interruption(true).cache(code_cache.open()?);
        let engine = Engine::new(&config).map_err(|why| cannot(format!("{why:#}")))?;
        let linker = linker(&engine).map_err(|why| cannot(format!("{why:#}")))?;
        let pulse = Pulse::start(engine.clone()).map_err(|why| cannot(format!("no thread could be started: {why}")))?;
        Ok(Self { engine, linker, pulse })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Compiles a component and finds out how to run it.
    pub(super) fn compile(&self, wasm: &Wasm) -> Result<check::Command, Error> {
        let refuse = |why: String| Error::from(Invalid::Component { name: wasm.name(), why });
        let bytes = wasm.read()?;
        check::is_component(&bytes).map_err(refuse)?;
        let component =
            Component::from_binary(&self.engine, &bytes).map_err(|why| refuse(format!("cannot be compiled: {why:#}")))?;
        check::command(&component, &self.linker).map_err(refuse)
    }
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    crate::guest::add_to_linker(&mut linker)?;
    Ok(linker)
}
