//! What all commands have in common: the store, the configuration, the stages.

use std::path::{Path, PathBuf};

use bellwether::config::Config;
use bellwether::error::{Error, Invalid};
use bellwether::guest::Grant;
use bellwether::lock::LockOptions;
use bellwether::{Runtime, RuntimeBuilder};
use clap::{ArgAction, Args};

use crate::failure::{Failure, status};
use crate::stages::Stages;

/// A name to try settings on.
pub(crate) const PROBE: &str = "probe";

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

    fn builder(&self, stages: &Stages) -> Result<RuntimeBuilder, Failure> {
        let mut builder = match (&self.config, &self.store) {
            (Some(file), Some(store)) => load(file)?.with_store(store).into_builder()?,
            (Some(file), None) => load(file)?.into_builder()?,
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

/// Reads the configuration.
fn load(file: &Path) -> Result<Config, Failure> {
    // It says itself which file it was, if that is all that is wrong.
    Config::load(file).map_err(|why| match why {
        Error::Invalid(Invalid::Config { .. }) => why.into(),
        why => Failure::new(status::CONFIG, format!("{}: {why}", file.display())),
    })
}
