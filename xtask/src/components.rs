//! The example guests and stages, built as WebAssembly components.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::cmd;

use crate::steps::Steps;
use crate::toolchain::{self, WASM};

/// The packages under `examples/guests` and `examples/stages`.
const PACKAGES: [&str; 4] = ["example-licences", "example-msgpack", "example-lz4", "example-tenant"];

/// Where the components are after a build.
pub(crate) struct Components {
    directory: PathBuf,
}

impl Components {
    /// The component of a package, by the package's name.
    pub(crate) fn of(&self, package: &str) -> PathBuf {
        self.directory.join(package.replace('-', "_")).with_extension("wasm")
    }

    /// All packages with their components.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, PathBuf)> + '_ {
        PACKAGES.into_iter().map(|package| (package, self.of(package)))
    }
}

/// Builds all of them, optimised: a stage is called for every value.
pub(crate) fn build(steps: &Steps) -> Result<Components> {
    steps.step("building the example components", || {
        toolchain::ensure_wasm(steps)?;
        let shell = steps.shell();
        let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
        cmd!(shell, "cargo build --release --target {WASM} {packages...}").run()?;
        let built = Components { directory: steps.target().join(WASM).join("release") };
        for (package, file) in built.all() {
            ensure!(file.exists(), "cargo built {package}, but {} is not there", file.display());
            Steps::note(&format!("{package}: {} KiB", size(&file)? / 1024));
        }
        Ok(built)
    })
}

fn size(file: &Path) -> Result<u64> {
    Ok(file.metadata().with_context(|| format!("cannot read {}", file.display()))?.len())
}
