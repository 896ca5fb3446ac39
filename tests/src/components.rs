//! Components of this workspace, built from source.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Builds the component of a package and says where it is. Once it is built this costs a fraction of a second.
///
/// # Errors
/// When it cannot be built.
pub fn component(package: &str) -> Result<PathBuf> {
    const TARGET: &str = "wasm32-wasip2";
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "--quiet", "--package", package, "--target", TARGET]).status()?;
    ensure!(status.success(), "{package} was not built: is the target there? `rustup target add {TARGET}` adds it");
    Ok(target()?.join(TARGET).join("debug").join(format!("{}.wasm", package.replace('-', "_"))))
}

/// The directory that everything is built in.
///
/// # Errors
/// When this program is not in one.
pub fn target() -> Result<PathBuf> {
    // …/target/debug/deps/test
    let program = std::env::current_exe()?;
    Ok(program.ancestors().nth(3).context("a test is not in a target directory")?.to_owned())
}
