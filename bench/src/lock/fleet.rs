//! Worker processes, told what to do over pipes.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::contender::Contender;
use super::peers;

/// The workers of one contender on one lock. They end with it.
pub(super) struct Fleet {
    workers: Vec<Worker>,
    said: mpsc::UnboundedReceiver<(usize, String)>,
    contender: Contender,
}

struct Worker {
    _process: Child,
    orders: ChildStdin,
}

/// What a worker says. Times are of the monotonic clock.
enum Said {
    Ready,
    Acquired(Duration),
    Released(Duration),
    Cycles(Vec<Duration>),
}

/// How long an answer may take: the polls of 64 others' included.
const PATIENCE: Duration = Duration::from_secs(30);

impl Fleet {
    /// Starts `size` workers, and waits until all are connected.
    pub(super) async fn start(contender: Contender, size: usize, url: &str, name: &str) -> anyhow::Result<Self> {
        let (say, said) = mpsc::unbounded_channel();
        let mut fleet = Self { workers: Vec::new(), said, contender };
        for worker in 0..size {
            let mut command = match contender {
                Contender::RedisPy => peers::redis_py_worker()?,
                _ => this_program(&["worker", contender.name()])?,
            };
            let mut process = command
                .args([url, name])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()
                .with_context(|| format!("cannot start a worker of {}", contender.name()))?;
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
            fleet.workers.push(Worker { _process: process, orders });
        }
        for _ in 0..size {
            ensure!(matches!(fleet.next().await?.1, Said::Ready), "a worker was not ready");
        }
        Ok(fleet)
    }

    /// How many workers there are.
    pub(super) fn size(&self) -> usize {
        self.workers.len()
    }

    /// Gives orders to one worker, a line each.
    pub(super) async fn order(&mut self, worker: usize, orders: &str) -> anyhow::Result<()> {
        let worker = self.workers.get_mut(worker).context("there is no such worker")?;
        Ok(worker.orders.write_all(orders.as_bytes()).await?)
    }

    /// Waits until a worker says that it acquired the lock: which one, and when it did.
    pub(super) async fn acquired(&mut self) -> anyhow::Result<(usize, Duration)> {
        match self.next().await? {
            (worker, Said::Acquired(at)) => Ok((worker, at)),
            _ => bail!("a worker of {} spoke out of turn", self.contender.name()),
        }
    }

    /// Waits until the worker that was asked says when its last release began.
    pub(super) async fn released(&mut self) -> anyhow::Result<Duration> {
        match self.next().await?.1 {
            Said::Released(at) => Ok(at),
            Said::Acquired(_) => bail!("two workers of {} hold the lock at once", self.contender.name()),
            Said::Ready | Said::Cycles(_) => bail!("a worker of {} spoke out of turn", self.contender.name()),
        }
    }

    /// Waits for the times of the cycles that a worker was asked for.
    pub(super) async fn cycles(&mut self) -> anyhow::Result<Vec<Duration>> {
        match self.next().await?.1 {
            Said::Cycles(times) => Ok(times),
            _ => bail!("a worker of {} spoke out of turn", self.contender.name()),
        }
    }

    async fn next(&mut self) -> anyhow::Result<(usize, Said)> {
        let who = self.contender.name();
        let said = timeout(PATIENCE, self.said.recv()).await.with_context(|| format!("no worker of {who} answers"))?;
        let (worker, line) = said.context("the workers are gone")?;
        let mut words = line.split(' ');
        let what = words.next().unwrap_or_default();
        let mut times = words.map(|word| anyhow::Ok(Duration::from_nanos(word.parse()?)));
        let said = match what {
            "" => bail!("a worker of {who} ended"),
            "ready" => Said::Ready,
            "cycles" => Said::Cycles(times.collect::<Result<_, _>>()?),
            "acquired" => Said::Acquired(times.next().context("it does not say when")??),
            "released" => Said::Released(times.next().context("it does not say when")??),
            _ => bail!("a worker of {who} said {line:?}"),
        };
        Ok((worker, said))
    }
}

/// This program, started again.
pub(super) fn this_program(arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("cannot tell where this program is")?);
    command.args(arguments);
    Ok(command)
}
