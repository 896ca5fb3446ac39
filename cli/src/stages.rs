//! The stages that the command line chooses.

use std::path::{Path, PathBuf};

use bellwether::cache::{CacheOptions, EnvelopeChoice, StageChoice};
use bellwether::error::StageKind;
use bellwether::{Runtime, RuntimeBuilder};
use clap::Args;

use crate::failure::{Failure, status};
use crate::settings::PROBE;

const KINDS: [StageKind; 3] = [StageKind::Identity, StageKind::Serializer, StageKind::Compressor];

/// The stages that a cache uses by default.
#[derive(Debug, Default, Args)]
pub(crate) struct Stages {
    /// Serializes values with this component by default. Its name is the file's, without `.wasm`; a registered name, or `none`,
    /// does as well.
    #[arg(long, value_name = "FILE", help_heading = "Stages")]
    serializer: Option<String>,

    /// Compresses values with this component by default; as above.
    #[arg(long, value_name = "FILE", help_heading = "Stages")]
    compressor: Option<String>,

    /// Names entries with this component by default; as above.
    #[arg(long, value_name = "FILE", help_heading = "Stages")]
    identity: Option<String>,

    /// What stands around the values of entries: with `none` other programs can read and write them as they are.
    #[arg(long, value_name = "standard|none", value_parser = envelope, help_heading = "Stages")]
    envelope: Option<EnvelopeChoice>,
}

fn envelope(text: &str) -> Result<EnvelopeChoice, &'static str> {
    match text {
        "standard" => Ok(EnvelopeChoice::Standard),
        "none" => Ok(EnvelopeChoice::None),
        _ => Err("write standard or none"),
    }
}

impl Stages {
    /// What was chosen for a kind.
    pub(crate) fn of(&self, kind: StageKind) -> Option<&str> {
        match kind {
            StageKind::Identity => self.identity.as_deref(),
            StageKind::Serializer => self.serializer.as_deref(),
            StageKind::Compressor => self.compressor.as_deref(),
        }
    }

    /// The component that was chosen for a kind, if it is one.
    pub(crate) fn file_of(&self, kind: StageKind) -> Option<(String, PathBuf)> {
        self.of(kind).and_then(file)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = (String, PathBuf)> {
        KINDS.into_iter().filter_map(|kind| self.file_of(kind))
    }

    /// The failure of a component that is no stage of this kind, with what it is instead.
    pub(crate) fn lacking(&self, runtime: &Runtime, kind: StageKind, name: &str) -> Failure {
        let exports = |kind: &StageKind| {
            let named = |of| if of == *kind { StageChoice::Named(name.to_owned()) } else { StageChoice::None };
            let options = CacheOptions {
                identity: named(StageKind::Identity),
                serializer: named(StageKind::Serializer),
                compressor: named(StageKind::Compressor),
                ..CacheOptions::default()
            };
            runtime.caches().open(PROBE, Some(options)).is_ok()
        };
        let article = |kind: &StageKind| if *kind == StageKind::Identity { "an" } else { "a" };
        let others: Vec<String> =
            KINDS.iter().filter(|kind| exports(kind)).map(|kind| format!("{} {kind}", article(kind))).collect();
        let path = self.file_of(kind).map_or_else(|| name.to_owned(), |(_, path)| path.display().to_string());
        let not = format!("{} {kind}", article(&kind));
        Failure::new(
            status::UNUSABLE,
            if others.is_empty() {
                format!("{path} does not export {not}")
            } else {
                format!("{path} exports {}, not {not}", others.join(" and "))
            },
        )
    }

    /// Registers the components and makes them the defaults.
    pub(crate) fn choose(&self, mut builder: RuntimeBuilder) -> Result<RuntimeBuilder, Failure> {
        if let Some(envelope) = self.envelope {
            builder = builder.default_envelope(envelope);
        }
        let mut registered: Vec<(String, PathBuf)> = Vec::new();
        for kind in KINDS {
            let Some(choice) = self.of(kind) else { continue };
            let default = match file(choice) {
                None if choice == "none" => StageChoice::None,
                None => StageChoice::Named(choice.to_owned()),
                Some((name, file)) => {
                    match registered.iter().find(|(known, _)| *known == name) {
                        // One component can be several stages.
                        Some((_, same)) if *same == file => {}
                        Some((_, other)) => {
                            return Err(Failure::usage(format!(
                                "{} and {} are both named {name:?}: rename one",
                                other.display(),
                                file.display()
                            )));
                        }
                        None => {
                            check(&file)?;
                            builder = builder.stage(&name, file.as_path());
                            registered.push((name.clone(), file));
                        }
                    }
                    StageChoice::Named(name)
                }
            };
            builder = builder.default_stage(kind, default);
        }
        Ok(builder)
    }
}

/// Name and path of a component, if this is a path and not the name of a stage that is registered.
fn file(choice: &str) -> Option<(String, PathBuf)> {
    let path = Path::new(choice);
    let is_path = path.extension().is_some() || path.components().count() > 1 || path.is_file();
    let name = path.file_stem()?.to_string_lossy().into_owned();
    is_path.then(|| (name, path.to_owned()))
}

/// Tells a file that is not there from a component that cannot be used.
fn check(file: &Path) -> Result<(), Failure> {
    match std::fs::File::open(file) {
        Ok(_) => Ok(()),
        Err(why) => Err(Failure::new(status::NO_INPUT, format!("cannot read {}: {why}", file.display()))),
    }
}
