//! Components built from the source in this workspace.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;

const TARGET: &str = "wasm32-wasip2";

/// The file of a component, built from the package of this workspace with that name: `test-probe`, `stage-lz4` … It is built once a
/// process, and only if its source has changed.
///
/// # Errors
/// If the package does not build to a component, or the compiler has no such target.
pub fn component(package: &str) -> Result<PathBuf> {
    static BUILT: Mutex<Option<HashMap<String, Result<PathBuf, String>>>> = Mutex::new(None);
    // Held while building: two builds at once would only wait for each other.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let built = built.get_or_insert_default();
    let outcome = built.entry(package.to_owned()).or_insert_with(|| build(package).map_err(|why| format!("{why:#}")));
    outcome.clone().map_err(|why| anyhow!(why))
}

/// The directory that everything is built in.
///
/// # Errors
/// If this program is not in one.
pub fn target() -> Result<PathBuf> {
    // …/target/debug/deps/test
    let program = std::env::current_exe()?;
    Ok(program.ancestors().nth(3).context("a test is not in a target directory")?.to_owned())
}

/// What cargo says of one thing it has built.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

fn build(package: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the workspace has no directory")?;
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root)
        .args(["build", "--package", package, "--target", TARGET, "--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .output()
        .context("cargo cannot be started")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("target may not be installed") || errors.contains("can't find crate for `core`") {
        bail!("the compiler cannot build for {TARGET}: run `rustup target add {TARGET}`");
    }
    if !output.status.success() {
        bail!("{package} does not build:\n{errors}");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    // Cargo tells of what a package depends on first, and of the package itself last.
    let mut artifacts = artifacts.rev();
    let last = artifacts.find(|artifact| artifact.reason == "compiler-artifact" && artifact.manifest_path.starts_with(root));
    let mut files = last.into_iter().flat_map(|artifact| artifact.filenames);
    files.find(|file| file.extension().is_some_and(|end| end == "wasm")).with_context(|| format!("{package} builds no component"))
}
