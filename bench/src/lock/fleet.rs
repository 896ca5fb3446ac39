//! Worker processes that take and release one lock.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use super::contender::Contender;
use super::peers;
use crate::processes::{Workers, this_program};

/// The workers of one contender on one lock. They end with it.
pub(super) struct Fleet {
    workers: Workers,
    contender: Contender,
}

/// What a worker says. Times are of the monotonic clock.
enum Said {
    Ready,
    Acquired(Duration),
    Released(Duration),
    Cycles(Vec<Duration>),
}

impl Fleet {
    /// Starts `size` workers, and waits until all are connected.
    pub(super) async fn start(contender: Contender, size: usize, url: &str, name: &str) -> anyhow::Result<Self> {
        let command = || {
            let mut command = match contender {
                Contender::RedisPy => peers::redis_py_worker()?,
                _ => this_program(&["worker", contender.name()])?,
            };
            command.args([url, name]);
            anyhow::Ok(command)
        };
        let commands = (0..size).map(|_| command()).collect::<Result<Vec<_>, _>>()?;
        let mut fleet = Self { workers: Workers::start(contender.name(), commands)?, contender };
        for _ in 0..size {
            ensure!(matches!(fleet.next().await?.1, Said::Ready), "a worker was not ready");
        }
        Ok(fleet)
    }

    /// How many workers there are.
    pub(super) fn size(&self) -> usize {
        self.workers.size()
    }

    /// Gives orders to one worker, a line each.
    pub(super) async fn order(&mut self, worker: usize, orders: &str) -> anyhow::Result<()> {
        self.workers.order(worker, orders).await
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
        let (worker, line) = self.workers.said().await?;
        let mut words = line.split(' ');
        let what = words.next().unwrap_or_default();
        let mut times = words.map(|word| anyhow::Ok(Duration::from_nanos(word.parse()?)));
        let said = match what {
            "ready" => Said::Ready,
            "cycles" => Said::Cycles(times.collect::<Result<_, _>>()?),
            "acquired" => Said::Acquired(times.next().context("it does not say when")??),
            "released" => Said::Released(times.next().context("it does not say when")??),
            _ => bail!("a worker of {} said {line:?}", self.contender.name()),
        };
        Ok((worker, said))
    }
}
