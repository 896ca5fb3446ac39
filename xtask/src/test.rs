//! Everything that must pass before a change is merged.

use anyhow::Result;
use clap::Args;
use xshell::cmd;

use crate::steps::Steps;
use crate::{chaos, components, packages, toolchain};

/// Checks everything: format, clippy, tests, documentation.
///
/// Runs, in this order, and stops at the first failure:
///
///  1. rustfmt, as a check
///  2. clippy over every target of the workspace, warnings denied
///  3. the components that tests run, for wasm32-wasip2
///  4. the library with fewer features, and the bench with its peers
///  5. all tests: of units, across crates, of real servers, and of the documentation
///  6. locks under faults, for two minutes
///  7. rustdoc, warnings denied
///
/// What is missing is added first: the wasm target, rustfmt and clippy by rustup; redis-server, python3's venv and libfaketime by the
/// system's package manager, if this user is root or sudo asks for no password. If not, the one command to run is printed.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// Only tests whose name contains this (the sixth step has the name `chaos`); everything else is checked all the same.
    filter: Option<String>,
}

/// Runs the chore.
pub(crate) fn run(steps: &Steps, options: &Options) -> Result<()> {
    steps.step("looking for what is needed", || {
        toolchain::ensure_lints(steps)?;
        toolchain::ensure_wasm(steps)?;
        packages::ensure_all(steps)
    })?;
    let shell = steps.shell();
    steps.step("rustfmt", || Ok(cmd!(shell, "cargo fmt --all --check").run()?))?;
    // Clippy, tests and rustdoc select the same packages and profile, so that no dependency is compiled for two sets of features.
    steps.step("clippy", || Ok(cmd!(shell, "cargo clippy --workspace --all-targets -- --deny warnings").run()?))?;
    steps.step("the library without components, and without Redis", || {
        for features in ["redis", ""] {
            cmd!(shell, "cargo check --package bellwether --no-default-features --features {features}").run()?;
        }
        Ok(())
    })?;
    steps.step("the bench with its peers, and without components", || {
        let clippy = cmd!(shell, "cargo clippy --package bellwether-bench --no-default-features --features peers --all-targets");
        Ok(clippy.args(["--", "--deny", "warnings"]).run()?)
    })?;
    steps.step("components for the tests", || components::build_for_tests(steps))?;
    let filter = &options.filter;
    steps.step("tests", || Ok(cmd!(shell, "cargo test --workspace -- {filter...}").run()?))?;
    if filter.as_ref().is_none_or(|filter| "chaos".contains(filter.as_str())) {
        steps.step("locks under faults", || chaos::short(steps))?;
    }
    let deny = "--deny warnings";
    steps.step("rustdoc", || Ok(cmd!(shell, "cargo doc --workspace --no-deps").env("RUSTDOCFLAGS", deny).run()?))?;
    steps.say(&format!("all passed in {}", steps.elapsed()));
    Ok(())
}
