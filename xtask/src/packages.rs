//! Programs of the system that the tests drive, installed by the system's package manager where that is allowed.

use anyhow::{Context, Result, bail};
use xshell::cmd;

use crate::steps::Steps;

/// A program, and what its package is called by each package manager.
struct Program {
    name: &'static str,
    /// Starts it in a way that fails if it is missing.
    probe: &'static [&'static str],
    why: &'static str,
    packages: &'static [(&'static str, &'static str)],
}

const REDIS: Program = Program {
    name: "redis-server",
    probe: &["redis-server", "--version"],
    why: "the tests start servers of their own",
    packages: &[
        ("apt-get", "redis-server"),
        ("dnf", "redis"),
        ("apk", "redis"),
        ("brew", "redis"),
        ("pacman", "redis"),
        ("zypper", "redis"),
    ],
};

const VENV: Program = Program {
    name: "python3 with venv",
    probe: &["python3", "-c", "import ensurepip, venv"],
    why: "locks are tested and measured beside those of the real redis-py",
    packages: &[
        ("apt-get", "python3-venv"),
        ("dnf", "python3"),
        ("apk", "python3"),
        ("brew", "python3"),
        ("pacman", "python"),
        ("zypper", "python3"),
    ],
};

const FAKETIME: Program = Program {
    name: "libfaketime",
    probe: &["faketime", "--version"],
    why: "clocks of clients are set by it, and without it those tests are left out",
    packages: &[
        ("apt-get", "faketime"),
        ("dnf", "libfaketime"),
        ("apk", "libfaketime"),
        ("brew", "libfaketime"),
        ("pacman", "libfaketime"),
        ("zypper", "libfaketime"),
    ],
};

/// Installs redis-server if it is missing.
pub(crate) fn ensure_redis(steps: &Steps) -> Result<()> {
    REDIS.ensure(steps)
}

/// Installs everything that the tests need and that is missing.
pub(crate) fn ensure_all(steps: &Steps) -> Result<()> {
    [REDIS, VENV].iter().try_for_each(|program| program.ensure(steps))?;
    if let Err(why) = FAKETIME.ensure(steps) {
        Steps::note(&format!("{why:#}"));
    }
    Ok(())
}

impl Program {
    fn ensure(&self, steps: &Steps) -> Result<()> {
        if self.is_there(steps) {
            return Ok(());
        }
        let Some(install) = self.packages.iter().find_map(|&(manager, package)| Install::with(steps, manager, package)) else {
            bail!("{} is missing ({}), and no package manager is known here: install it", self.name, self.why);
        };
        if !install.allowed {
            bail!("{} is missing ({}), and this user may not install it: run `{}`", self.name, self.why, install.line());
        }
        Steps::note(&format!("{} is missing ({}); installing it", self.name, self.why));
        install.run(steps).with_context(|| format!("could not install {}: run `{}`", self.name, install.line()))?;
        if self.is_there(steps) { Ok(()) } else { bail!("{} is still missing after `{}`", self.name, install.line()) }
    }

    fn is_there(&self, steps: &Steps) -> bool {
        self.probe.split_first().is_some_and(|(program, args)| steps.works(program, args))
    }
}

/// How a package manager installs one package.
struct Install {
    /// Lists that are to be fetched first, if the manager has any.
    update: Option<Vec<&'static str>>,
    command: Vec<&'static str>,
    sudo: bool,
    allowed: bool,
}

impl Install {
    /// `None` if this manager is not there.
    fn with(steps: &Steps, manager: &'static str, package: &'static str) -> Option<Self> {
        if !steps.works(manager, &["--version"]) {
            return None;
        }
        let mut command = vec![manager];
        command.extend(match manager {
            "apt-get" => ["install", "--yes", "--no-install-recommends"].as_slice(),
            "apk" => &["add"],
            "pacman" => &["-S", "--noconfirm"],
            "zypper" => &["--non-interactive", "install"],
            "dnf" => &["install", "--assumeyes"],
            _ => &["install"],
        });
        command.push(package);
        let update = (manager == "apt-get").then(|| vec!["apt-get", "update"]);
        // Homebrew refuses to run as root; all others need to be.
        let sudo = manager != "brew" && !is_root(steps);
        let allowed = !sudo || steps.works("sudo", &["--non-interactive", "true"]);
        Some(Self { update, command, sudo, allowed })
    }

    fn run(&self, steps: &Steps) -> Result<()> {
        for command in self.update.iter().chain([&self.command]) {
            let sudo = self.sudo.then_some(["sudo", "--non-interactive", "--preserve-env=DEBIAN_FRONTEND"]).into_iter().flatten();
            let line: Vec<&str> = sudo.chain(command.iter().copied()).collect();
            let Some((program, args)) = line.split_first() else { continue };
            let shell = steps.shell();
            cmd!(shell, "{program} {args...}").env("DEBIAN_FRONTEND", "noninteractive").run()?;
        }
        Ok(())
    }

    /// The one line that a person would type.
    fn line(&self) -> String {
        let sudo = if self.sudo { "sudo " } else { "" };
        self.update
            .iter()
            .chain([&self.command])
            .map(|command| format!("{sudo}{}", command.join(" ")))
            .collect::<Vec<_>>()
            .join(" && ")
    }
}

fn is_root(steps: &Steps) -> bool {
    let shell = steps.shell();
    cmd!(shell, "id -u").quiet().read().is_ok_and(|id| id.trim() == "0")
}
