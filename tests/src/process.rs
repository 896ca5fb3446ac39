//! Processes, and the shell that ends them should this process not be able to.

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, anyhow, bail};

/// Keeps a list of processes, and once its input ends kills them and removes the directory. Signals for the whole group leave it
/// alone.
const REAPER: &str = r#"
trap '' INT TERM HUP
pids=' '
while read -r what pid; do
  if [ "$what" = add ]; then
    pids="$pids$pid "
  else
    pids=$(printf '%s' "$pids" | sed "s/ $pid / /")' '
  fi
done
for pid in $pids; do kill -KILL "$pid" 2>/dev/null; done
rm -rf -- "$0"
"#;

/// A running process, killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts a program with its output going to a file in `dir`.
    pub(crate) fn start(program: &str, arguments: &[String], dir: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(dir.join("log"))?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Self::spawn(&mut command)
    }

    /// Starts a process.
    ///
    /// # Errors
    /// If the program is not installed, or cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let reaper = reaper()?;
        let program = command.get_program().display().to_string();
        let child = command.spawn().map_err(|why| match why.kind() {
            std::io::ErrorKind::NotFound => anyhow!("{program} is not installed: `cargo xtask test` installs it, or says how to"),
            _ => anyhow!("{program} cannot be started: {why}"),
        })?;
        reaper.tell("add", child.id())?;
        Ok(Self { child })
    }

    /// The process itself, to take its pipes from or to wait for it.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Fails if the process has ended.
    pub(crate) fn check(&mut self, dir: &Path) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => {
                let log = std::fs::read_to_string(dir.join("log")).unwrap_or_default();
                bail!("the server ended at once ({status}):\n{log}")
            }
        }
    }

    /// Sends a signal: `STOP`, `CONT` …
    ///
    /// # Errors
    /// If the process has ended.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.child.id())).status()?;
        if status.success() { Ok(()) } else { bail!("signal {name} was not delivered") }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, and nobody could be told of any other trouble here.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = reaper().and_then(|reaper| reaper.tell("remove", self.child.id()));
    }
}

/// A new directory, removed when this process ends.
///
/// # Errors
/// If it cannot be made.
pub fn directory() -> Result<PathBuf> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let dir = reaper()?.root.join(NEXT.fetch_add(1, Ordering::Relaxed).to_string());
    std::fs::create_dir(&dir)?;
    Ok(dir)
}

/// A port that is free, and so is the one 10,000 above it, which a cluster's nodes use among themselves.
///
/// # Errors
/// If none is.
pub fn free_port() -> Result<u16> {
    static NEXT: OnceLock<AtomicU16> = OnceLock::new();
    // Processes that run side by side begin in different places, so that they seldom race for a port.
    let next = NEXT.get_or_init(|| AtomicU16::new(u16::try_from(std::process::id() % 900).unwrap_or(0) * 13));
    for _ in 0..2000 {
        // Both below what systems give to outgoing connections, which would take them at any time.
        let port = 10_000 + next.fetch_add(1, Ordering::Relaxed) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port + 10_000)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}

struct Reaper {
    root: PathBuf,
    input: Mutex<ChildStdin>,
}

impl Reaper {
    fn start() -> Result<Self> {
        let root = tempfile::Builder::new().prefix("bellwether-").tempdir()?.keep();
        let mut shell = Command::new("sh").arg("-c").arg(REAPER).arg(&root).stdin(Stdio::piped()).spawn().context("no shell")?;
        let input = shell.stdin.take().context("no way to speak to the shell")?;
        Ok(Self { root, input: Mutex::new(input) })
    }

    fn tell(&self, what: &str, pid: u32) -> Result<()> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(input, "{what} {pid}").context("the watching shell is gone")
    }
}

fn reaper() -> Result<&'static Reaper> {
    static REAPER: OnceLock<std::result::Result<Reaper, String>> = OnceLock::new();
    REAPER.get_or_init(|| Reaper::start().map_err(|why| why.to_string())).as_ref().map_err(|why| anyhow!("{why}"))
}
