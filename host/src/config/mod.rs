//! The configuration file, `bellwether.toml`.
//!
//! [`Config::sample`] is one with everything in it and a comment for each. Whatever is left out has its default, and what is not known is
//! an error.

use std::path::{Path, PathBuf};

use crate::error::{Error, Invalid};
use crate::runtime::RuntimeBuilder;

mod build;
mod file;
mod units;

/// The version of the configuration that this program reads.
pub const VERSION: u32 = 1;

/// A configuration that was read and checked.
#[derive(Debug)]
pub struct Config {
    runtime: RuntimeBuilder,
    /// Where the store's address comes from if it is to come from the environment.
    store_env: Option<String>,
}

impl Config {
    /// Reads a file. Relative paths in it are relative to its directory.
    ///
    /// # Errors
    /// [`Invalid::Config`] for a file that cannot be read, or has anything in it that cannot be used. The text says where, and
    /// what to do.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let what = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => read(&text, &what, path.parent().unwrap_or(Path::new(""))),
            Err(why) => Err(Invalid::Config { what, why: format!("cannot be read: {why}") }.into()),
        }
    }

    /// Reads a text. Relative paths in it are relative to the working directory.
    ///
    /// # Errors
    /// [`Invalid::Config`], as for [`Config::load`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        read(text, "the configuration", Path::new(""))
    }

    /// A configuration with everything in it, explained. It says what the defaults are.
    #[must_use]
    pub fn sample() -> &'static str {
        include_str!("sample.toml")
    }

    /// The same on another store; the environment is then not asked for one.
    #[must_use]
    pub fn with_store(self, address: impl Into<String>) -> Self {
        Self { runtime: self.runtime.store(address), store_env: None }
    }

    /// A runtime as it is configured, to be changed further or built. The address of the store is taken from the environment if
    /// the configuration says so.
    ///
    /// # Errors
    /// [`Invalid::Config`] when that variable of the environment is missing.
    pub fn into_builder(self) -> Result<RuntimeBuilder, Error> {
        let Some(variable) = self.store_env else { return Ok(self.runtime) };
        match std::env::var(&variable) {
            Ok(address) => Ok(self.runtime.store(address)),
            Err(why) => {
                let why = format!("{why}: set it to the store's address, or give `url` instead of `url_env`");
                Err(Invalid::Config { what: format!("the environment variable {variable}"), why }.into())
            }
        }
    }
}

fn read(text: &str, what: &str, directory: &Path) -> Result<Config, Error> {
    let refuse = |why: String| Error::from(Invalid::Config { what: what.to_owned(), why });
    // First of all, so that a later version is not answered with a list of its unknown fields.
    let version = toml::from_str::<file::Version>(text).map_err(|why| refuse(located(text, &why)))?.version;
    match version {
        Some(VERSION) => {}
        Some(other) => return Err(refuse(format!("has version {other}, and this program reads version {VERSION}"))),
        None => return Err(refuse(format!("has no version: begin it with `version = {VERSION}`"))),
    }
    let file = toml::from_str::<file::File>(text).map_err(|why| refuse(located(text, &why)))?;
    let resolve = |path: &Path| -> PathBuf { directory.join(path) };
    build::build(file, &resolve).map_err(|why| match why {
        build::Refused::Field(field, why) => refuse(format!("`{field}` {why}")),
        build::Refused::Error(Error::Invalid(Invalid::Config { what: field, why })) => refuse(format!("{field}: {why}")),
        build::Refused::Error(why) => why,
    })
}

/// What is wrong, with its line and column.
fn located(text: &str, why: &toml::de::Error) -> String {
    let message = why.message().replace('\n', " ");
    let Some(before) = why.span().and_then(|span| text.get(..span.start)) else { return message };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    format!("line {line}, column {column}: {message}")
}

#[cfg(test)]
mod tests;
