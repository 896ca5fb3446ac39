//! Those who hand a lock over from process to process, ours and others, behind one face.

use anyhow::Context as _;
use bellwether::clock::Wait;
use bellwether::lock::{Guard, Lock, LockOptions};
use clap::ValueEnum;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;

/// Whose lock it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Contender {
    /// Ours.
    Bellwether,
    /// Ours, fair.
    Fair,
    /// A token in a list: the raw reference.
    Blpop,
    /// That of redis-py, which polls every 100 ms by default. It needs an interpreter, so its workers are not this program.
    RedisPy,
    /// That of the crate `rslock`, which polls after a random pause of up to 200 ms by default.
    Rslock,
}

impl Contender {
    /// How the contender is called in the names of cases and on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bellwether => "bellwether",
            Self::Fair => "fair",
            Self::Blpop => "blpop",
            Self::RedisPy => "redis-py",
            Self::Rslock => "rslock",
        }
    }
}

/// A contender's end of one lock, in one process.
pub(super) enum Side {
    Ours { lock: Lock, guard: Option<Guard> },
    Blpop { connection: MultiplexedConnection, name: String },
    Rslock { manager: rslock::LockManager, name: String, held: Option<rslock::Lock> },
}

impl Side {
    /// Connects, with defaults wherever there are any.
    pub(super) async fn open(contender: Contender, url: &str, name: &str) -> anyhow::Result<Self> {
        let name = name.to_owned();
        Ok(match contender {
            Contender::Bellwether | Contender::Fair => {
                let options = LockOptions { fair: contender == Contender::Fair, ..super::options() };
                Self::Ours { lock: super::locks(url).await?.open(&name, options)?, guard: None }
            }
            Contender::Blpop => {
                // A token may be waited for as long as it takes.
                let patient = AsyncConnectionConfig::new().set_response_timeout(None);
                let client = redis::Client::open(url)?;
                Self::Blpop { connection: client.get_multiplexed_async_connection_with_config(&patient).await?, name }
            }
            Contender::Rslock => {
                Self::Rslock { manager: rslock::LockManager::from_clients(vec![redis::Client::open(url)?]), name, held: None }
            }
            Contender::RedisPy => anyhow::bail!("its workers are in Python"),
        })
    }

    /// Waits for the lock, however long it takes.
    pub(super) async fn acquire(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Ours { lock, guard } => {
                *guard = Some(lock.acquire(Wait::Forever).await?.context("it waits for ever, and gave up")?);
            }
            Self::Blpop { connection, name } => {
                let mut pop = redis::cmd("BLPOP");
                let _: (String, String) = pop.arg(&*name).arg(0).query_async(connection).await?;
            }
            Self::Rslock { manager, name, held } => *held = Some(manager.acquire_no_guard(name.as_str(), super::LEASE).await?),
        }
        Ok(())
    }

    /// Lets go of it.
    pub(super) async fn release(&mut self) -> anyhow::Result<()> {
        const NOT_HELD: &str = "told to release what it does not hold";
        match self {
            Self::Ours { guard, .. } => guard.take().context(NOT_HELD)?.release().await?,
            Self::Blpop { connection, name } => {
                let _: u64 = redis::cmd("RPUSH").arg(&*name).arg("token").query_async(connection).await?;
            }
            Self::Rslock { held, .. } => held.take().context(NOT_HELD)?.release().await,
        }
        Ok(())
    }
}
