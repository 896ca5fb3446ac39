//! Guests and stages, built as WebAssembly components.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use xshell::cmd;

use crate::steps::Steps;
use crate::toolchain::{self, WASM};

/// The packages under `examples/guests` and `examples/stages`.
pub(crate) const EXAMPLES: [&str; 5] = ["example-licences", "example-backup", "example-msgpack", "example-lz4", "example-tenant"];

/// The packages that tests build for themselves if they are not there.
const TESTED: [&str; 9] = [
    "test-probe",
    "test-v0-1",
    "test-misbehaving",
    "test-stages-v0-1",
    "example-licences",
    "example-backup",
    "example-msgpack",
    "example-lz4",
    "example-tenant",
];

/// The packages under `bench/components`.
pub(crate) const BENCH: [&str; 2] = ["bench-stage", "bench-guest"];

/// How they are built; see the workspace's `Cargo.toml`.
const PROFILE: &str = "component";

/// Where the components are after a build.
pub(crate) struct Components {
    directory: PathBuf,
    packages: &'static [&'static str],
}

impl Components {
    /// The component of a package, by the package's name.
    pub(crate) fn of(&self, package: &str) -> PathBuf {
        self.directory.join(package.replace('-', "_")).with_extension("wasm")
    }

    /// All packages with their components.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, PathBuf)> + '_ {
        self.packages.iter().map(|package| (*package, self.of(package)))
    }
}

/// Builds these packages, optimised: a stage is called for every value.
pub(crate) fn build(steps: &Steps, packages: &'static [&'static str]) -> Result<Components> {
    steps.step("building the components", || {
        toolchain::ensure_wasm(steps)?;
        let shell = steps.shell();
        let flags = packages.iter().flat_map(|package| ["--package", package]);
        cmd!(shell, "cargo build --profile {PROFILE} --target {WASM} {flags...}").run()?;
        let built = Components { directory: steps.target().join(WASM).join(PROFILE), packages };
        for (package, file) in built.all() {
            ensure!(file.exists(), "cargo built {package}, but {} is not there", file.display());
            Steps::note(&format!("{package}: {} KiB", size(&file)? / 1024));
        }
        Ok(built)
    })
}

/// Builds what the tests use, each by the very command that the tests have for it, so that these find it done and nobody wonders
/// why the first of them takes minutes.
pub(crate) fn build_for_tests(steps: &Steps) -> Result<()> {
    let shell = steps.shell();
    for package in TESTED {
        cmd!(shell, "cargo build --package {package} --target {WASM}").run()?;
    }
    Ok(())
}

fn size(file: &Path) -> Result<u64> {
    Ok(file.metadata().with_context(|| format!("cannot read {}", file.display()))?.len())
}
