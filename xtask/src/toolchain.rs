//! What cargo needs besides itself, fetched by rustup where it is missing.

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::steps::Steps;

/// What guests and stages are compiled to.
pub(crate) const WASM: &str = "wasm32-wasip2";

/// Adds the target of guests and stages.
pub(crate) fn ensure_wasm(steps: &Steps) -> Result<()> {
    let shell = steps.shell();
    let libraries = cmd!(shell, "rustc --print target-libdir --target {WASM}")
        .quiet()
        .read()
        .context("rustc does not know wasm32-wasip2: update it")?;
    if shell.path_exists(libraries.trim()) {
        return Ok(());
    }
    add(steps, "target", &[WASM])
}

/// Adds rustfmt and clippy.
pub(crate) fn ensure_lints(steps: &Steps) -> Result<()> {
    let missing: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .iter()
        .filter(|(command, _)| !steps.works("cargo", &[command, "--version"]))
        .map(|(_, component)| *component)
        .collect();
    if missing.is_empty() { Ok(()) } else { add(steps, "component", &missing) }
}

fn add(steps: &Steps, what: &str, names: &[&str]) -> Result<()> {
    let wanted = names.join(" ");
    if !steps.works("rustup", &["--version"]) {
        bail!(
            "the {what} {wanted} is missing and so is rustup: install rustup (https://rustup.rs), or add the {what} the way this toolchain was installed"
        );
    }
    Steps::note(&format!("the {what} {wanted} is missing; rustup adds it"));
    let shell = steps.shell();
    cmd!(shell, "rustup {what} add {names...}")
        .run()
        .with_context(|| format!("rustup could not add it: is the network there? try `rustup {what} add {wanted}`"))
}
