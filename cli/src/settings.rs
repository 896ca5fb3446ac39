//! What all commands have in common: the store, the configuration, the stages.

use std::path::{Path, PathBuf};

use bellwether::cache::{CacheOptions, StageChoice};
use bellwether::config::Config;
use bellwether::error::{Error, Invalid, StageKind};
use bellwether::guest::Grant;
use bellwether::lock::LockOptions;
use bellwether::{Runtime, RuntimeBuilder};
use clap::{ArgAction, Args};

use crate::failure::{Failure, status};

/// A name to try settings on.
const PROBE: &str = "probe";

const KINDS: [StageKind; 3] = [StageKind::Identity, StageKind::Serializer, StageKind::Compressor];

/// The heading of [`Settings`] in the help.
const EVERYWHERE: &str = "Options of every command";

/// The options of [`Settings`] that the environment can give, with its variables.
pub(crate) const VARIABLES: [(&str, &str); 3] =
    [("store", "BELLWETHER_STORE"), ("prefix", "BELLWETHER_PREFIX"), ("config", "BELLWETHER_CONFIG")];

/// The options of every command.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// Where locks and entries are kept; `bellwether --help` lists the forms.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "URL", env = "BELLWETHER_STORE", hide_env_values = true)]
    store: Option<String>,

    /// What all names begin with in the store, in place of the configuration's.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "TEXT", env = "BELLWETHER_PREFIX")]
    prefix: Option<String>,

    /// The platform's configuration: store, stages, limits, what a guest may touch.
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "FILE", env = "BELLWETHER_CONFIG")]
    config: Option<PathBuf>,

    /// Says more on stderr: what happens, and with -vv how.
    #[arg(short, long, global = true, help_heading = EVERYWHERE, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

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
}

impl Settings {
    /// The runtime that a guest runs in; without a store it keeps everything in memory.
    ///
    /// # Errors
    /// For a configuration, component or store that cannot be used.
    pub(crate) async fn runtime(&self, stages: &Stages) -> Result<Runtime, Failure> {
        self.build(self.builder(stages)?, stages).await
    }

    /// The runtime of a command that looks into a store which others share.
    ///
    /// # Errors
    /// As [`Settings::runtime`], and for a store in memory: nothing was in it before, and nothing will be left.
    pub(crate) async fn shared_store(&self, stages: &Stages) -> Result<Runtime, Failure> {
        let builder = self.builder(stages)?;
        if builder.store_url().starts_with("memory:") {
            return Err(Failure::usage(
                "a memory store is empty when this command starts and gone when it ends: give --store redis://HOST or set BELLWETHER_STORE",
            ));
        }
        self.build(builder, stages).await
    }

    async fn build(&self, builder: RuntimeBuilder, stages: &Stages) -> Result<Runtime, Failure> {
        let runtime = builder.build().await.map_err(|why| self.blame(stages, why))?;
        // Neither touches the store; what every name of an entry or a lock would run into is told here, with where it comes from.
        match runtime.caches().open(PROBE, None) {
            Err(Error::Invalid(Invalid::UnknownStage { kind, name, .. })) if stages.file_of(kind).is_some() => {
                return Err(stages.lacking(&runtime, kind, &name));
            }
            Err(why) => return Err(self.blame(stages, why)),
            Ok(_) => {}
        }
        match runtime.locks().open(PROBE, LockOptions::default()) {
            // The name is fine, so it is what comes before it.
            Err(Error::Invalid(Invalid::Slot { .. })) => {
                let why = "has a `}` outside a hash tag, so no lock has a place in one cluster slot: remove it";
                Err(match (&self.prefix, &self.config) {
                    (None, Some(file)) => Failure::new(status::CONFIG, format!("{}: `store.prefix` {why}", file.display())),
                    (prefix, _) => Failure::usage(format!("the prefix {:?} {why}", prefix.as_deref().unwrap_or_default())),
                })
            }
            _ => Ok(runtime),
        }
    }

    /// The failure of a setting, with the configuration's file if that is where it comes from.
    fn blame(&self, stages: &Stages, why: Error) -> Failure {
        let Error::Invalid(invalid) = &why else { return why.into() };
        let by_flag = match invalid {
            Invalid::UnknownStage { kind, .. } => stages.of(*kind).is_some(),
            Invalid::StageName { name, .. } => stages.files().any(|(known, _)| known == *name),
            Invalid::Component { name, .. } => {
                stages.files().any(|(known, path)| known == *name || path.display().to_string() == *name)
            }
            Invalid::StoreUrl { .. } => self.store.is_some(),
            Invalid::Config { .. } => true,
            Invalid::TooShort { .. } | Invalid::TooLong { .. } => false,
            _ => self.prefix.is_some(),
        };
        match &self.config {
            Some(file) if !by_flag => Failure::new(status::CONFIG, format!("{}: {why}", file.display())),
            _ => why.into(),
        }
    }

    fn load(&self, file: &Path) -> Result<Config, Failure> {
        // It says itself which file it was, if that is all that is wrong.
        Config::load(file).map_err(|why| match why {
            Error::Invalid(Invalid::Config { .. }) => why.into(),
            why => Failure::new(status::CONFIG, format!("{}: {why}", file.display())),
        })
    }

    fn builder(&self, stages: &Stages) -> Result<RuntimeBuilder, Failure> {
        let mut builder = match (&self.config, &self.store) {
            (Some(file), Some(store)) => self.load(file)?.with_store(store).into_builder()?,
            (Some(file), None) => self.load(file)?.into_builder()?,
            // Whoever runs a guest by hand, with no platform around it, lets it have its locks and caches.
            (None, Some(store)) => Runtime::builder().grant(Grant::all()).store(store),
            (None, None) => Runtime::builder().grant(Grant::all()),
        };
        if let Some(prefix) = &self.prefix {
            builder = builder.prefix(prefix);
        }
        stages.choose(builder)
    }
}

impl Stages {
    /// What was chosen for a kind.
    fn of(&self, kind: StageKind) -> Option<&str> {
        match kind {
            StageKind::Identity => self.identity.as_deref(),
            StageKind::Serializer => self.serializer.as_deref(),
            StageKind::Compressor => self.compressor.as_deref(),
        }
    }

    /// The component that was chosen for a kind, if it is one.
    fn file_of(&self, kind: StageKind) -> Option<(String, PathBuf)> {
        self.of(kind).and_then(file)
    }

    fn files(&self) -> impl Iterator<Item = (String, PathBuf)> {
        KINDS.into_iter().filter_map(|kind| self.file_of(kind))
    }

    /// The failure of a component that is no stage of this kind, with what it is instead.
    fn lacking(&self, runtime: &Runtime, kind: StageKind, name: &str) -> Failure {
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
    fn choose(&self, mut builder: RuntimeBuilder) -> Result<RuntimeBuilder, Failure> {
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
