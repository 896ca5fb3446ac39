//! The commands that a server was given, as it counts itself (`INFO commandstats`).

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result};

use crate::server::Server;

/// What only clients can send; whatever else locks use is called from within their scripts.
const FROM_CLIENTS: [&str; 9] =
    ["eval", "evalsha", "script|load", "subscribe", "unsubscribe", "ssubscribe", "sunsubscribe", "hello", "client|setinfo"];

/// What counting itself sends.
const OWN: [&str; 2] = ["config|resetstat", "info"];

/// Counts the commands of one server, over a connection of its own.
pub struct Counting {
    connection: redis::Connection,
}

impl Counting {
    /// Begins to count.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub fn on(server: &Server) -> Result<Self> {
        let mut counting = Self { connection: server.connection()? };
        counting.restart()?;
        Ok(counting)
    }

    /// Counts from 0 again.
    ///
    /// # Errors
    /// If the server cannot be reached.
    pub fn restart(&mut self) -> Result<()> {
        Ok(redis::cmd("CONFIG").arg("RESETSTAT").query(&mut self.connection)?)
    }

    /// What was counted since.
    ///
    /// # Errors
    /// If the server cannot be reached, or counts in another way.
    pub fn so_far(&mut self) -> Result<Commands> {
        let info: String = redis::cmd("INFO").arg("commandstats").query(&mut self.connection)?;
        let mut counted = BTreeMap::new();
        for line in info.lines().filter_map(|line| line.strip_prefix("cmdstat_")) {
            let (name, stats) = line.split_once(":calls=").context("a command has no calls")?;
            let calls = stats.split(',').next().unwrap_or_default().parse()?;
            if !OWN.contains(&name) {
                counted.insert(name.to_owned(), calls);
            }
        }
        Ok(Commands(counted))
    }
}

/// How often each command was called, by clients and by scripts. Displayed as `evalsha 1, get 2, set 2`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands(BTreeMap<String, u64>);

impl Commands {
    /// How many came from clients. It knows them by their names, so look at [`Commands::all`] too: a bare `GET` of a client
    /// looks as if a script had called it.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.0.iter().filter(|(name, _)| FROM_CLIENTS.contains(&name.as_str())).map(|(_, calls)| calls).sum()
    }

    /// How many there were, those within scripts included.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.0.values().sum()
    }

    /// How often one command was called.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or_default()
    }

    /// The same less others that are counted in it.
    #[must_use]
    pub fn without(mut self, others: &Self) -> Self {
        for (name, calls) in &mut self.0 {
            *calls = calls.saturating_sub(others.of(name));
        }
        self.0.retain(|_, calls| *calls > 0);
        self
    }
}

impl fmt::Display for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (name, calls)) in self.0.iter().enumerate() {
            write!(f, "{}{name} {calls}", if n > 0 { ", " } else { "" })?;
        }
        Ok(())
    }
}
