//! From the text of an address to its parts.

use percent_encoding::percent_decode_str;

use super::{Address, Endpoint, Login, RedisAddress, Tls, Topology};

const SCHEMES: &str =
    "memory:, redis://, rediss://, redis+sentinel://, rediss+sentinel://, redis+cluster:// and rediss+cluster://";

/// Understands an address, or says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Address, String> {
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
pub(super) fn without_secrets(text: &str) -> String {
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
