//! How a chore runs its steps: from the workspace's root, announced, timed, and stopped at the first failure.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

/// Runs the steps of one chore.
pub(crate) struct Steps {
    shell: Shell,
    target: PathBuf,
    began: Instant,
    colours: bool,
}

impl Steps {
    /// Finds the workspace, and makes its root the directory that commands run in.
    pub(crate) fn new() -> Result<Self> {
        let shell = Shell::new().context("cannot tell the current directory")?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .canonicalize()
            .context("the workspace has moved: run `cargo clean -p xtask`")?;
        shell.change_dir(&root);
        // Configuration and environment can move the target directory; this program is in it: <target>/debug/xtask.
        let program = std::env::current_exe().context("cannot tell where this program is")?;
        let target = program
            .ancestors()
            .nth(2)
            .context("this program is not in a target directory: start it as `cargo xtask`")?
            .to_owned();
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        Ok(Self { shell, target, began: Instant::now(), colours })
    }

    /// Runs commands from the workspace's root.
    pub(crate) fn shell(&self) -> &Shell {
        &self.shell
    }

    /// The directory that cargo builds into.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Announces a step and runs it; its failure is named after it.
    pub(crate) fn step<T>(&self, title: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        self.say(title);
        let began = Instant::now();
        let done = step().with_context(|| format!("failed: {title}"))?;
        eprintln!("    {}", in_words(began.elapsed()));
        Ok(done)
    }

    /// Prints a headline.
    pub(crate) fn say(&self, text: &str) {
        let (bold, plain) = if self.colours { ("\x1b[1;32m", "\x1b[0m") } else { ("", "") };
        eprintln!("{bold}==> {text}{plain}");
    }

    /// Prints a remark below a headline.
    pub(crate) fn note(text: &str) {
        eprintln!("    {text}");
    }

    /// How long the chore has been running, in words.
    pub(crate) fn elapsed(&self) -> String {
        in_words(self.began.elapsed())
    }

    /// Whether a program can be found and started with these arguments, and says that all is well.
    pub(crate) fn works(&self, program: &str, args: &[&str]) -> bool {
        let command = cmd!(self.shell, "{program} {args...}").quiet().ignore_status().ignore_stderr();
        command.output().is_ok_and(|output| output.status.success())
    }
}

fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        seconds @ 1..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
