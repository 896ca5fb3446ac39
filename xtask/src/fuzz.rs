//! Bytes that nobody vouches for, made up by libFuzzer, on a stable compiler.

use std::fs;

use anyhow::{Result, bail};
use clap::Args;
use xshell::cmd;

use crate::steps::Steps;

/// Tries the readers of foreign bytes with bytes that libFuzzer makes up from those in `fuzz/corpus`.
///
/// A failure prints the bytes and the file that has them: put that into `fuzz/corpus/TARGET`, so that every test tries it from then on
/// (`tests/tests/fuzz_corpus.rs`). What was found to reach anything new is kept in `target/fuzz/corpus` for the next run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Which targets; all of them if none is given.
    targets: Vec<String>,

    /// How long each is tried.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

const TARGETS: [&str; 5] = ["envelope", "cbor", "json", "escape", "stages"];

/// What `cargo fuzz --sanitizer none` gives the compiler. None of it needs a nightly one, and what that would add, the address
/// sanitizer, has nothing to find in code without `unsafe`.
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";

/// Runs the chore.
pub(crate) fn run(steps: &Steps, options: &Options) -> Result<()> {
    let targets: Vec<&str> = match options.targets.as_slice() {
        [] => TARGETS.to_vec(),
        chosen => chosen.iter().map(String::as_str).collect(),
    };
    if let Some(unknown) = targets.iter().find(|target| !TARGETS.contains(target)) {
        bail!("there is no target {unknown:?}: there are {}", TARGETS.join(", "));
    }
    let shell = steps.shell();
    let host = cmd!(shell, "rustc --print host-tuple").quiet().read()?;
    let target = steps.target().join("fuzz");
    steps.step("building the targets", || {
        // For this machine by name, so that what runs while building is not instrumented.
        let variable = format!("CARGO_TARGET_{}_RUSTFLAGS", host.to_uppercase().replace('-', "_"));
        let build =
            cmd!(shell, "cargo build --manifest-path fuzz/Cargo.toml --release --bins --target {host} --target-dir {target}");
        Ok(build.env(variable, INSTRUMENTED).run()?)
    })?;
    let seconds = options.seconds.to_string();
    for name in targets {
        steps.step(&format!("{name}, for {seconds} s"), || {
            let found = target.join("corpus").join(name);
            fs::create_dir_all(&found)?;
            let program = target.join(&host).join("release").join(name);
            let failures = format!("-artifact_prefix={}/{name}-", target.display());
            let limits = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=4096", "-verbosity=0", "-print_final_stats=1"];
            let run = cmd!(shell, "{program} -max_total_time={seconds} {failures} {limits...} {found} fuzz/corpus/{name}");
            Ok(run.run()?)
        })?;
    }
    steps.say(&format!("nothing was found in {}", steps.elapsed()));
    Ok(())
}
