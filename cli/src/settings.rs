//! What all commands have in common: the store, the configuration, the stages.

use std::path::{Path, PathBuf};

use bellwether::cache::StageChoice;
use bellwether::config::Config;
use bellwether::error::StageKind;
use bellwether::guest::Grant;
use bellwether::{Runtime, RuntimeBuilder};
use clap::{ArgAction, Args};

use crate::failure::{Failure, status};

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
        Ok(self.builder(stages)?.build().await?)
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
        Ok(builder.build().await?)
    }

    fn builder(&self, stages: &Stages) -> Result<RuntimeBuilder, Failure> {
        let mut builder = match (&self.config, &self.store) {
            (Some(file), Some(store)) => Config::load(file)?.with_store(store).into_builder()?,
            (Some(file), None) => Config::load(file)?.into_builder()?,
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
    /// Registers the components and makes them the defaults.
    fn choose(&self, mut builder: RuntimeBuilder) -> Result<RuntimeBuilder, Failure> {
        let chosen = [
            (StageKind::Identity, &self.identity),
            (StageKind::Serializer, &self.serializer),
            (StageKind::Compressor, &self.compressor),
        ];
        let mut registered: Vec<(String, PathBuf)> = Vec::new();
        for (kind, choice) in chosen {
            let Some(choice) = choice else { continue };
            let default = match file(choice) {
                None if choice == "none" => StageChoice::None,
                None => StageChoice::Named(choice.clone()),
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
