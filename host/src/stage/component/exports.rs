//! The stages that a component exports, by whichever version of the contract.
//!
//! The functions are found by name and checked by type, so one code serves all versions of `bellwether:core` that have them alike;
//! bindings would be made for one version only.

use bytes::Bytes;
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance, TypedFunc};

use super::cell::Cell;

/// The versions whose stages are those below, the newest first.
const VERSIONS: [&str; 2] = ["0.2.0", "0.1.0"];

/// What a stage answers: what was asked for, or its own words on why not.
pub(super) type Answer<T> = Result<T, String>;

/// The stages of a component, as positions in it.
pub(super) struct Exports {
    pub(super) identity: Option<[ComponentExportIndex; 1]>,
    pub(super) serializer: Option<[ComponentExportIndex; 2]>,
    pub(super) compressor: Option<[ComponentExportIndex; 2]>,
}

/// The same, as functions of an instance.
pub(super) struct Functions {
    pub(super) identity: Option<Identity>,
    pub(super) serializer: Option<Serializer>,
    pub(super) compressor: Option<Compressor>,
}

type Function<P, R> = TypedFunc<P, (Answer<R>,)>;

pub(super) struct Identity {
    pub(super) generate: Function<(String, String, Option<Bytes>), String>,
}

pub(super) struct Serializer {
    pub(super) serialize: Function<(Bytes,), Bytes>,
    pub(super) deserialize: Function<(Bytes,), Bytes>,
}

pub(super) struct Compressor {
    pub(super) compress: Function<(Bytes,), Option<Bytes>>,
    pub(super) decompress: Function<(Bytes, u64), Bytes>,
}

impl Exports {
    /// Finds the stages. An error says what is wrong with the component.
    pub(super) fn of(component: &Component) -> Result<Self, String> {
        let find = |stage| Exported::find(component, stage);
        let identity = find("identity").map(|it| Ok::<_, String>([it.function("generate")?])).transpose()?;
        let serializer = find("serializer").map(|it| Ok::<_, String>([it.function("serialize")?, it.function("deserialize")?]));
        let compressor = find("compressor").map(|it| Ok::<_, String>([it.function("compress")?, it.function("decompress")?]));
        let (serializer, compressor) = (serializer.transpose()?, compressor.transpose()?);
        if identity.is_none() && serializer.is_none() && compressor.is_none() {
            let [newest, ..] = VERSIONS;
            let [identity, serializer, compressor] = ["identity", "serializer", "compressor"].map(|stage| name(stage, newest));
            return Err(format!("exports no stage: export {identity}, {serializer} or {compressor}"));
        }
        Ok(Self { identity, serializer, compressor })
    }

    /// The functions of an instance, checked.
    pub(super) fn load(&self, store: &mut Store<Cell>, instance: &Instance) -> wasmtime::Result<Functions> {
        let mut functions = Functions { identity: None, serializer: None, compressor: None };
        if let Some([generate]) = &self.identity {
            functions.identity = Some(Identity { generate: instance.get_typed_func(&mut *store, generate)? });
        }
        if let Some([serialize, deserialize]) = &self.serializer {
            functions.serializer = Some(Serializer {
                serialize: instance.get_typed_func(&mut *store, serialize)?,
                deserialize: instance.get_typed_func(&mut *store, deserialize)?,
            });
        }
        if let Some([compress, decompress]) = &self.compressor {
            functions.compressor = Some(Compressor {
                compress: instance.get_typed_func(&mut *store, compress)?,
                decompress: instance.get_typed_func(&mut *store, decompress)?,
            });
        }
        Ok(functions)
    }
}

/// One stage that a component exports.
struct Exported<'a> {
    component: &'a Component,
    name: String,
    index: ComponentExportIndex,
}

impl<'a> Exported<'a> {
    /// Of the newest version that the component has.
    fn find(component: &'a Component, stage: &str) -> Option<Self> {
        VERSIONS.iter().find_map(|version| {
            let name = name(stage, version);
            component.get_export_index(None, &name).map(|index| Self { component, name, index })
        })
    }

    fn function(&self, function: &str) -> Result<ComponentExportIndex, String> {
        self.component.get_export_index(Some(&self.index), function).ok_or_else(|| {
            format!("exports a stage that is not as the contract has it: {} lacks the function {function}", self.name)
        })
    }
}

/// The name under which a stage is exported.
fn name(stage: &str, version: &str) -> String {
    format!("bellwether:core/{stage}@{version}")
}
