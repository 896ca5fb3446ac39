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

use percent_encoding::percent_decode_str;

use crate::error::{Error, Invalid};

const SCHEMES: &str =
    "memory:, redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// and rediss+cluster://";

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
        parse(text).map_err(|why| Invalid::StoreUrl { url: without_secrets(text), why }.into())
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

fn parse(text: &str) -> Result<Address, String> {
    let Some((scheme, rest)) = text.split_once(':') else {
        return Err(format!("has no scheme: known are {SCHEMES}"));
    };
    let scheme = scheme.to_ascii_lowercase();
    if scheme == "memory" {
        return match rest {
            "" | "//" => Ok(Address::Memory),
            _ => Err("has something after `memory:`: remove it".into()),
        };
    }
    let (encrypted, kind) = match scheme.split_once('+').unwrap_or((&scheme, "")) {
        ("redis", kind) => (false, kind),
        ("rediss", kind) => (true, kind),
        _ => return Err(format!("has the unknown scheme {scheme:?}: known are {SCHEMES}")),
    };
    let port = match kind {
        "" | "cluster" => 6379,
        "sentinel" => 26379,
        _ => return Err(format!("has the unknown scheme {scheme:?}: known are {SCHEMES}")),
    };
    let rest = rest.strip_prefix("//").ok_or_else(|| format!("has no `//` after `{scheme}:`: add it"))?;
    let (authority, more) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // Checked before all else: whatever follows could be a piece of a password, and would be shown as a wrong port or parameter.
    if more.contains('@') {
        return Err("has an `@` after a `/`, `?` or `#`: write these as %40, %2F, %3F and %23 within a name or password".into());
    }
    if more.contains('#') {
        return Err("has a `#`: write it as %23".into());
    }
    let (path, query) = more.split_once('?').unwrap_or((more, ""));
    let (login, hosts) = authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
    let login = login.map(parse_login).transpose()?.unwrap_or_default();
    let endpoints = hosts.split(',').map(|host| parse_endpoint(host, port)).collect::<Result<Vec<_>, _>>()?;
    let mut query = Query::parse(query)?;

    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let topology = match kind {
        "sentinel" => Topology::Sentinel {
            service: decode(parts.next().ok_or("names no service: add the name the Sentinels know, as in …/mymaster")?)?,
            login: Login { user: query.take("sentinel_user"), password: query.take("sentinel_password") },
        },
        "cluster" => Topology::Cluster,
        _ if endpoints.len() > 1 => {
            return Err("has several hosts: use redis+sentinel:// or redis+cluster://, or give one".into());
        }
        _ => Topology::Server,
    };
    let database = match parts.next() {
        None => 0,
        Some(_) if topology == Topology::Cluster => {
            return Err("has a path, and a cluster has but one database: remove it".into());
        }
        Some(number) => number
            .parse::<u32>()
            .map_err(|_| format!("has the database {number:?}: give its number, 0 to 15 unless the server has more"))?,
    };
    if let Some(more) = parts.next() {
        return Err(format!("has {more:?} after the database: remove it"));
    }
    let tls = encrypted.then(|| parse_tls(&mut query)).transpose()?;
    query.finish(encrypted)?;
    Ok(Address::Redis(Box::new(RedisAddress { topology, endpoints, login, database: database.into(), tls })))
}

fn parse_login(text: &str) -> Result<Login, String> {
    let (user, password) =
        text.split_once(':').ok_or("has a user but no password: write user:password@, or :password@ without a user")?;
    let user = decode(user)?;
    Ok(Login { user: (!user.is_empty()).then_some(user), password: Some(decode(password)?) })
}

fn parse_endpoint(text: &str, default_port: u16) -> Result<Endpoint, String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(|| format!("has no `]` in the host {text:?}: add it"))?;
            (host, rest.strip_prefix(':'))
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("names no host: write one, as in redis://localhost:6379".into());
    }
    let port = match port {
        None => default_port,
        Some(port) => match port.parse() {
            Ok(port) if port > 0 => port,
            _ => return Err(format!("has the port {port:?}: give a number from 1 to 65535, and an IPv6 address in brackets")),
        },
    };
    Ok(Endpoint { host: decode(host)?, port })
}

fn parse_tls(query: &mut Query) -> Result<Tls, String> {
    let client = match (query.take("cert"), query.take("key")) {
        (None, None) => None,
        (Some(cert), Some(key)) => Some((cert.into(), key.into())),
        _ => return Err("has only one of `cert` and `key`: give both files".into()),
    };
    Ok(Tls { roots: query.take("ca").map(Into::into), client })
}

fn decode(text: &str) -> Result<String, String> {
    let text =
        percent_decode_str(text).decode_utf8().map_err(|_| "has a percent-encoded part that is not UTF-8: encode it anew")?;
    Ok(text.into_owned())
}

/// What stands after the `?` and was not yet taken.
struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Result<Self, String> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (name, value) =
                    pair.split_once('=').ok_or_else(|| format!("has {pair:?} without a value: write {pair}=…"))?;
                Ok((decode(name)?, decode(value)?))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// What nobody took is a mistake, and one that could cost safety if it went unnoticed.
    fn finish(self, encrypted: bool) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) if !encrypted && matches!(name.as_str(), "ca" | "cert" | "key") => {
                Err(format!("has {name:?} but is not encrypted: use rediss"))
            }
            Some((name, _)) => Err(format!(
                "has the unknown or repeated parameter {name:?}: known are ca, cert, key, sentinel_user and sentinel_password"
            )),
        }
    }
}

/// The text of an address, understood or not, with everything left out that may be a password.
fn without_secrets(text: &str) -> String {
    let (text, more) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    let (scheme, rest) = text.split_once("//").unwrap_or(("", text));
    if more.contains('@') {
        return format!("{scheme}//…");
    }
    let Some((login, hosts)) = rest.rsplit_once('@') else {
        return text.to_owned();
    };
    match login.split_once(':') {
        Some((user, _)) if !user.is_empty() => format!("{scheme}//{user}@{hosts}"),
        _ => format!("{scheme}//{hosts}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn redis(text: &str) -> RedisAddress {
        match Address::parse(text).unwrap() {
            Address::Redis(address) => *address,
            Address::Memory => panic!("{text} is in memory"),
        }
    }

    fn endpoint(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.into(), port }
    }

    #[test]
    fn all_parts_are_found_and_decoded() {
        let address = redis("redis://us%40er:p%3Aa%2F%40s@cache.example:7000/3");
        assert_eq!(address.endpoints, [endpoint("cache.example", 7000)]);
        assert_eq!(address.login, Login { user: Some("us@er".into()), password: Some("p:a/@s".into()) });
        assert_eq!((address.database, address.topology, address.tls), (3, Topology::Server, None));
        assert_eq!(redis("redis://:secret@[::1]").login.user, None);
        assert_eq!(redis("redis://[::1]:7").endpoints, [endpoint("::1", 7)]);
        assert_eq!(Address::parse("memory:").unwrap(), Address::Memory);
    }

    #[test]
    fn several_hosts_have_default_ports() {
        let address = redis("redis+sentinel://u:p@a,b:1,c/main/2?sentinel_password=x%26y");
        assert_eq!(address.endpoints, [endpoint("a", 26379), endpoint("b", 1), endpoint("c", 26379)]);
        let login = Login { user: None, password: Some("x&y".into()) };
        assert_eq!((address.topology, address.database), (Topology::Sentinel { service: "main".into(), login }, 2));
        let address = redis("rediss+cluster://a,b?ca=/etc/my%20ca.pem&cert=c&key=k");
        assert_eq!(address.endpoints, [endpoint("a", 6379), endpoint("b", 6379)]);
        let client = Some(("c".into(), "k".into()));
        assert_eq!(address.tls, Some(Tls { roots: Some("/etc/my ca.pem".into()), client }));
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (text, shown) in [
            ("redis://user:secret@h", "redis://user@h:6379"),
            ("redis://:secret@h/1", "redis://h:6379/1"),
            ("rediss+sentinel://user:secret@a,b/main?sentinel_password=secret", "rediss+sentinel://user@a:26379,b:26379/main"),
            ("redis+cluster://:secret@a,b", "redis+cluster://a:6379,b:6379"),
        ] {
            assert_eq!(redis(text).to_string(), shown);
            assert!(!format!("{:?}", redis(text)).contains("secret"));
        }
    }

    #[test]
    fn mistakes_are_named_without_secrets() {
        for (text, part) in [
            ("localhost", "no scheme"),
            ("http://:secret@localhost", "known are memory:, redis://"),
            ("redis+ring://a", "known are"),
            ("redis:localhost", "no `//`"),
            ("redis://", "names no host"),
            ("redis://secret@host", "user but no password"),
            ("redis://:secret@host:0", "the port"),
            ("redis://:secret@host:70000", "the port"),
            ("redis://::1", "brackets"),
            ("redis://host/first", "the database"),
            ("redis://host/1/2", "after the database"),
            ("redis://a,b", "several hosts"),
            ("redis+sentinel://a,b", "names no service"),
            ("redis+cluster://a/1", "one database"),
            ("redis://:sec#ret@host", "%23"),
            ("redis://u:sec?ret@host", "%3F"),
            ("redis://u:secret/9@host", "%2F"),
            ("redis+sentinel://h/s?sentinel_password=sec@ret", "%40"),
            ("redis://host#1", "%23"),
            ("redis://host?ca=x", "not encrypted"),
            ("rediss://host?cert=x", "both files"),
            ("redis://host?timeout=1", "unknown or repeated"),
            ("redis://:%ff@host", "not UTF-8"),
            ("memory:big", "after `memory:`"),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("sec") && !error.contains("ret"), "{text}: {error}");
        }
    }
}
