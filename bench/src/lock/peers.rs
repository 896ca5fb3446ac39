//! Libraries in other languages, installed from their package index.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context as _, ensure};

/// The version measured.
const REDIS_PY: &str = "8.1.0";

const WORKER: &str = include_str!("../../peers/redis_py.py");

/// A worker that has the lock of redis-py. The address and the lock's name are still to be added.
pub(super) fn redis_py_worker() -> anyhow::Result<tokio::process::Command> {
    static INTERPRETER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let interpreter = INTERPRETER.get_or_init(|| interpreter().map_err(|why| format!("{why:#}")));
    let interpreter = interpreter.as_ref().map_err(|why| anyhow::anyhow!("{why}"))?;
    let mut command = tokio::process::Command::new(interpreter);
    command.args(["-c", WORKER]);
    Ok(command)
}

/// A Python that has redis-py, made once, beside what cargo builds.
fn interpreter() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let target = program.ancestors().nth(2).context("this program is not in a target directory")?.join("peers");
    let python = |environment: &Path| environment.join("bin/python");
    let ready = target.join(format!("redis-py-{REDIS_PY}"));
    if !python(&ready).exists() {
        std::fs::create_dir_all(&target)?;
        // Made elsewhere and moved: what was interrupted is no environment.
        let making = target.join(format!("redis-py-{REDIS_PY}.{}", std::process::id()));
        run(Command::new("python3").args(["-m", "venv"]).arg(&making))?;
        run(Command::new(python(&making)).args(["-m", "pip", "install", "--quiet", &format!("redis=={REDIS_PY}")]))?;
        std::fs::rename(&making, &ready)?;
    }
    Ok(python(&ready))
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let hint = "install Python 3 with venv, as by `apt-get install python3-venv`";
    // What it prints is no figure.
    let status = command.stdout(std::io::stderr()).status().with_context(|| format!("{command:?}: {hint}"))?;
    ensure!(status.success(), "{command:?}: {status}: {hint}");
    Ok(())
}
