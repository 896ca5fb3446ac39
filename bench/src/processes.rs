//! Worker processes, told what to do over pipes, a line an order, and what such a process does to be told.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::fd::AsFd as _;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Worker processes of one kind. They end with it.
pub(crate) struct Workers {
    each: Vec<Worker>,
    said: mpsc::UnboundedReceiver<(usize, String)>,
    /// Whose they are, for errors.
    whose: &'static str,
}

struct Worker {
    _process: Child,
    orders: ChildStdin,
}

/// How long an answer may take: the polls of 64 others' included.
const PATIENCE: Duration = Duration::from_secs(30);

impl Workers {
    /// Starts a process by each command.
    pub(crate) fn start(whose: &'static str, commands: impl IntoIterator<Item = Command>) -> anyhow::Result<Self> {
        let (say, said) = mpsc::unbounded_channel();
        let mut each = Vec::new();
        for (worker, mut command) in commands.into_iter().enumerate() {
            let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
            let mut process = piped.spawn().with_context(|| format!("cannot start a worker of {whose}"))?;
            let orders = process.stdin.take().context("a worker has no input")?;
            let mut lines = BufReader::new(process.stdout.take().context("a worker has no output")?).lines();
            let say = say.clone();
            tokio::spawn(async move {
                // An empty line stands for the end.
                while let Ok(Some(line)) = lines.next_line().await {
                    if say.send((worker, line)).is_err() {
                        return;
                    }
                }
                _ = say.send((worker, String::new()));
            });
            each.push(Worker { _process: process, orders });
        }
        Ok(Self { each, said, whose })
    }

    /// How many there are.
    pub(crate) fn size(&self) -> usize {
        self.each.len()
    }

    /// Gives orders to one worker, a line each.
    pub(crate) async fn order(&mut self, worker: usize, orders: &str) -> anyhow::Result<()> {
        let worker = self.each.get_mut(worker).context("there is no such worker")?;
        Ok(worker.orders.write_all(orders.as_bytes()).await?)
    }

    /// Gives orders to all.
    pub(crate) async fn order_all(&mut self, orders: &str) -> anyhow::Result<()> {
        for worker in &mut self.each {
            worker.orders.write_all(orders.as_bytes()).await?;
        }
        Ok(())
    }

    /// Waits until a worker says something: which one, and what. Fails if one has ended.
    pub(crate) async fn said(&mut self) -> anyhow::Result<(usize, String)> {
        let whose = self.whose;
        let said = timeout(PATIENCE, self.said.recv()).await.with_context(|| format!("no worker of {whose} answers"))?;
        match said.context("the workers are gone")? {
            (_, line) if line.is_empty() => bail!("a worker of {whose} ended"),
            said => Ok(said),
        }
    }
}

/// This program, started again.
pub(crate) fn this_program(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot tell where this program is")?);
    command.args(arguments);
    Ok(command)
}

/// The standard input, which the measuring process made a pipe. It is not blocked on: what goes on in the background goes on.
pub(crate) fn input() -> anyhow::Result<pipe::Receiver> {
    pipe::Receiver::from_owned_fd(std::io::stdin().as_fd().try_clone_to_owned()?).context("the input is no pipe")
}

/// What a clock shows that never goes back. [`ClockId::Monotonic`] is shared by all processes of a machine.
pub(crate) fn monotonic(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
