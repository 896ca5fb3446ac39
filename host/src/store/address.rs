//! Addresses of stores, as users write them.
//!
//! | address | store |
//! | --- | --- |
//! | `memory:` | in this process |
//! | `redis://[user:password@]host[:port][/database]` | one Redis server |
//! | `redis+sentinel://[user:password@]host[:port],host…/service[/database]` | the primary that these Sentinels watch |
//! | `redis+cluster://[user:password@]host[:port],host…` | the Redis Cluster that these nodes belong to |
//!
//! `rediss` in place of `redis` is TLS. The certificate is checked against the system's roots, or against those of the PEM file in
//! `?ca=FILE`; `&cert=FILE&key=FILE` is shown to a server that asks for a client's certificate. Sentinels with credentials of their
//! own take `?sentinel_user=…&sentinel_password=…`. Reserved characters in any part are percent-encoded.

use std::fmt;
use std::path::PathBuf;

use crate::error::{Error, Invalid};

mod parse;

/// A store's address that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A store in this process.
    Memory,
    /// A store on Redis.
    Redis(Box<RedisAddress>),
}

impl Address {
    /// Understands an address. Touches neither the network nor the file system.
    ///
    /// # Errors
    /// [`Invalid::StoreUrl`], which says what is wrong and shows no password.
    pub fn parse(text: &str) -> Result<Self, Error> {
        parse::parse(text).map_err(|why| Invalid::StoreUrl { url: parse::without_secrets(text), why }.into())
    }
}

/// Where a store on Redis is, and how to log in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisAddress {
    /// How the servers work together.
    pub topology: Topology,
    /// The server, the Sentinels, or some nodes of the cluster; at least one.
    pub endpoints: Vec<Endpoint>,
    /// The credentials of the servers that keep the data.
    pub login: Login,
    /// The number of the database; always 0 in a cluster.
    pub database: i64,
    /// Set if connections are encrypted.
    pub tls: Option<Tls>,
}

impl fmt::Display for RedisAddress {
    /// The address without passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls.is_some() { "rediss" } else { "redis" })?;
        f.write_str(match self.topology {
            Topology::Server => "://",
            Topology::Sentinel { .. } => "+sentinel://",
            Topology::Cluster => "+cluster://",
        })?;
        if let Some(user) = &self.login.user {
            write!(f, "{user}@")?;
        }
        for (at, endpoint) in self.endpoints.iter().enumerate() {
            write!(f, "{}{endpoint}", if at > 0 { "," } else { "" })?;
        }
        if let Topology::Sentinel { service, .. } = &self.topology {
            write!(f, "/{service}")?;
        }
        if self.database != 0 {
            write!(f, "/{}", self.database)?;
        }
        Ok(())
    }
}

/// How the servers of a store work together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topology {
    /// There is one.
    Server,
    /// One is the primary, and Sentinels say which.
    Sentinel {
        /// The name that the Sentinels know the primary by.
        service: String,
        /// The credentials of the Sentinels themselves.
        login: Login,
    },
    /// Each primary of a Redis Cluster has a part of the slots.
    Cluster,
}

/// A host and its port.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A user's name and password.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Login {
    /// Without a name, Redis takes the user `default`.
    pub user: Option<String>,
    /// Without a password, nobody logs in.
    pub password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "…");
        f.debug_struct("Login").field("user", &self.user).field("password", &password).finish()
    }
}

/// The files of an encrypted connection, in PEM format.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// The roots to trust in place of the system's.
    pub roots: Option<PathBuf>,
    /// The client's certificate chain and its key.
    pub client: Option<(PathBuf, PathBuf)>,
}

#[cfg(test)]
mod tests;
