//! A command that runs while a lock is held: started, signalled, waited for.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, getpgrp, kill_process, kill_process_group, test_kill_process_group, waitpgid};
use rustix::termios::tcgetpgrp;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use crate::failure::{Failure, status};
use crate::signals;

/// How often is looked whether anybody is left of a group.
const GLANCE: Duration = Duration::from_millis(20);

/// A command that was started.
pub(crate) struct Running {
    child: Child,
    pid: Option<Pid>,
    /// Whether the command shares this program's process group because a terminal is in charge of it.
    attended: bool,
}

impl Running {
    /// Starts a command with these variables besides its inherited environment.
    ///
    /// From a terminal the command stays in this program's process group, so that it can read from the terminal and Ctrl-C
    /// reaches it. Otherwise it gets a group of its own, so that a signal reaches what it starts in turn as well.
    ///
    /// # Errors
    /// [`status::NOT_FOUND`] or [`status::UNUSABLE`], as shells have it.
    pub(crate) fn start(command: &[OsString], variables: &[(&str, &str)]) -> Result<Self, Failure> {
        let (program, args) =
            command.split_first().ok_or_else(|| Failure::usage("there is no command to run: give one after --"))?;
        let attended = tcgetpgrp(io::stdin()).is_ok_and(|foreground| foreground == getpgrp()) && io::stdin().is_terminal();
        let mut command = Command::new(program);
        command.args(args).envs(variables.iter().copied()).kill_on_drop(true);
        if !attended {
            command.process_group(0);
        }
        let child = command.spawn().map_err(|why| {
            let status = if why.kind() == io::ErrorKind::NotFound { status::NOT_FOUND } else { status::UNUSABLE };
            Failure::new(status, format!("cannot run {}: {why}", program.display()))
        })?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, pid, attended })
    }

    /// Waits until the command has ended. Can be dropped and called again.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, Failure> {
        self.child.wait().await.map_err(|why| Failure::system("cannot wait for the command", &why))
    }

    /// Passes on a signal that this program got, unless the terminal gave it to the command as well.
    pub(crate) fn pass_on(&self, signal: Signal) {
        if !(self.attended && matches!(signal, Signal::INT | Signal::QUIT | Signal::WINCH)) {
            self.send(signal);
        }
    }

    /// Ends the command: SIGTERM, then SIGKILL if it has not ended within `grace`. If it has a group of its own, that goes for all who
    /// are in it.
    pub(crate) async fn end(&mut self, grace: Duration) {
        self.send(Signal::TERM);
        // A stopped process acts on nothing but SIGCONT and SIGKILL.
        self.send(Signal::CONT);
        if timeout(grace, self.all_ended()).await.is_err() {
            self.send(Signal::KILL);
            // Nothing can be done about a process that cannot even be killed.
            let _ = self.child.wait().await;
        }
    }

    /// Waits until nobody is left of the command.
    async fn all_ended(&mut self) {
        let _ = self.child.wait().await;
        let Some(group) = self.pid.filter(|_| !self.attended) else { return };
        // The system tells a parent of the end of its child, and nobody of the end of a group.
        while is_there(group) {
            sleep(GLANCE).await;
        }
    }

    fn send(&self, signal: Signal) {
        let Some(pid) = self.pid else { return };
        let sent = if self.attended {
            // Once the command was waited for, its number may be another's.
            if self.child.id().is_none() {
                return;
            }
            kill_process(pid, signal)
        } else {
            // The number of a group is not given away while somebody is in it.
            kill_process_group(pid, signal)
        };
        // Whoever is not there any more needs no signal.
        if let Err(why) = sent
            && why != Errno::SRCH
        {
            tracing::warn!("cannot send {signal:?} to the command: {why}");
        }
    }
}

/// Whether anybody is left in a group whose leader was waited for.
fn is_there(group: Pid) -> bool {
    // The first process of a container is made the parent of those whose own has ended, and until it has waited for them they count.
    while matches!(waitpgid(group, WaitOptions::NOHANG), Ok(Some(_))) {}
    test_kill_process_group(group).is_ok()
}

/// The exit status that a shell gives a command.
pub(crate) fn exit_status(ended: ExitStatus) -> u8 {
    match (ended.code(), ended.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, signal) => signals::exit_status(signal.unwrap_or(0)),
    }
}
