//! Where compiled code is kept between starts.

use std::path::PathBuf;

use wasmtime::{Cache, CacheConfig};

use crate::error::{Error, Invalid};

/// Where compiled code is kept between starts.
///
/// Whoever can write there can run code in this process: keep it as safe as the program itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CodeCache {
    /// In the user's cache directory, where wasmtime keeps its own. Where there is none, nothing is kept.
    #[default]
    User,
    /// In this directory, which is made if need be.
    Directory(PathBuf),
    /// Nowhere: everything is compiled at each start.
    Off,
}

impl CodeCache {
    /// Opens it; `None` for none.
    ///
    /// # Errors
    /// [`Invalid::Config`] when the directory that was named cannot be used.
    pub(crate) fn open(&self) -> Result<Option<Cache>, Error> {
        let mut config = CacheConfig::new();
        match self {
            Self::Off => return Ok(None),
            Self::User => {
                return Ok(match Cache::new(config) {
                    Ok(cache) => Some(cache),
                    Err(error) => {
                        tracing::warn!("compiled code is not kept, for there is no user cache directory: {error:#}");
                        None
                    }
                });
            }
            Self::Directory(directory) => {
                // wasmtime takes none but absolute paths.
                let absolute = std::path::absolute(directory).unwrap_or_else(|_| directory.clone());
                config.with_directory(absolute);
            }
        }
        Cache::new(config).map(Some).map_err(|error| {
            let what = match self {
                Self::Directory(directory) => format!("code cache {}", directory.display()),
                Self::User | Self::Off => "code cache".to_owned(),
            };
            Invalid::Config {
                what,
                why: format!("cannot be used ({error:#}): name a directory that can be written, or turn it off"),
            }
            .into()
        })
    }
}
