//! What can come of a request to Redis other than a reply, and how callers are told.

use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerError, Value};

use crate::error::{Error, Invalid, Limit, Outage, Unavailable};

/// The code with which the scripts answer that a lock's fence is none.
pub(super) const BAD_FENCE: &str = "BADFENCE";

/// Why a request has no reply that can be used.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// There is no connection, so nothing was sent.
    Unreachable(String),
    /// The credentials were refused when connecting, so nothing was sent.
    Refused(String),
    /// The connection broke when something may have been sent.
    Lost(String),
    /// No reply came in time.
    TimedOut(Duration),
    /// The server's reply is an error.
    Answer(ServerError),
    /// The reply is not of the form it should have.
    Odd(String),
}

impl Fault {
    /// What came of an attempt to connect to `to`.
    pub(super) fn connecting(to: &dyn std::fmt::Display, error: &RedisError) -> Self {
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("WRONGPASS" | "NOAUTH" | "NOPERM")) => {
                Self::Refused(format!("{to}: {}", text(error)))
            }
            (ErrorKind::RESP3NotSupported, _) => Self::Odd(format!("{to} does not know RESP3: use Redis 6.2 or later")),
            (_, Some(code)) if !passes(code) && !is_crowded(error) => Self::Odd(format!("{to}: {}", text(error))),
            _ => Self::Unreachable(format!("{to}: {error}")),
        }
    }

    /// The code of an error reply, as `OOM`. Empty for anything else.
    pub(super) fn code(&self) -> &str {
        match self {
            Self::Answer(error) => code(error),
            _ => "",
        }
    }

    /// Whether it may be gone in a moment, as where another server takes the place of one. Who has waited for a reply in vain has waited.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Lost(_)) || passes(self.code())
    }

    /// The fault in the words of the crate, for the store `store` and a request about `key`.
    pub(super) fn into_error(self, store: &str, key: &str) -> Error {
        let why = match self {
            Self::Unreachable(why) => Outage::Unreachable(why),
            Self::Refused(why) => Outage::Refused(why),
            Self::Lost(why) => Outage::Disconnected(why),
            Self::TimedOut(limit) => Outage::TimedOut(limit),
            Self::Odd(why) => Outage::Failed(why),
            Self::Answer(answer) => {
                let why = told(&answer);
                match code(&answer) {
                    "WRONGTYPE" | BAD_FENCE => return Invalid::ForeignKey { key: key.to_owned(), why }.into(),
                    "OOM" => return Limit::StoreFull { store: store.to_owned(), why }.into(),
                    "NOAUTH" | "WRONGPASS" => Outage::Refused(why),
                    "NOPERM" => Outage::Forbidden(why),
                    // Where the primary is found by itself, there will be one again.
                    "READONLY" | "MOVED" | "ASK" if finds_primaries(store) => Outage::Passing(why),
                    code if passes(code) => Outage::Passing(why),
                    "READONLY" => Outage::ReadOnly,
                    "MOVED" | "ASK" => Outage::Failed(format!("{why}: it is a node of a cluster, so use redis+cluster://")),
                    _ => Outage::Failed(why),
                }
            }
        };
        Unavailable { store: store.to_owned(), why }.into()
    }
}

/// Whether an error reply with this code is of the moment.
fn passes(code: &str) -> bool {
    matches!(code, "LOADING" | "CLUSTERDOWN" | "TRYAGAIN" | "MASTERDOWN" | "MISCONF" | "BUSY" | "NOREPLICAS")
}

/// Whether a server has no room for one more connection, which has no code of its own.
fn is_crowded(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("max number of clients"))
}

/// Whether the store's address leads to whoever is the primary at the moment: through Sentinels or the nodes of a cluster.
fn finds_primaries(store: &str) -> bool {
    store.split_once("://").is_some_and(|(scheme, _)| scheme.contains('+'))
}

/// A reply that should have been `wanted`.
pub(super) fn odd(wanted: &str, reply: &Value) -> Fault {
    Fault::Odd(format!("the reply is {reply:?} where {wanted} should be"))
}

/// An integer reply.
pub(super) fn integer(reply: &Value) -> Result<i64, Fault> {
    match reply {
        Value::Int(number) => Ok(*number),
        other => Err(odd("a number", other)),
    }
}

/// A reply of several lines of text.
pub(super) fn lines(reply: &Value, wanted: &str) -> Result<String, Fault> {
    match reply {
        Value::BulkString(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        Value::VerbatimString { text, .. } => Ok(text.clone()),
        Value::ServerError(error) => Err(Fault::Answer(error.clone())),
        _ => Err(odd(wanted, reply)),
    }
}

/// A time left, as `PTTL` and the scripts give it: -1 for one without end.
pub(super) fn time_left(millis: i64) -> Option<Duration> {
    // A key found in a script can be in its last millisecond, but not past it, so anything below -1 cannot come here.
    (millis != -1).then(|| Duration::from_millis(u64::try_from(millis).unwrap_or(0)))
}

fn text(error: &RedisError) -> String {
    match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    }
}

/// Servers before 7.0 wrap the errors of commands in a script into one of their own.
fn code(error: &ServerError) -> &str {
    const WRAPPED: [&str; 5] = ["WRONGTYPE", "OOM", "READONLY", "NOPERM", "MISCONF"];
    match error.details() {
        Some(details) if error.code() == "ERR" && details.starts_with("Error running script") => {
            WRAPPED.into_iter().find(|code| details.contains(code)).unwrap_or("ERR")
        }
        _ => error.code(),
    }
}

/// The text of an error that a script has caught, without what servers add about the script: behind it, or before 7.0 before it.
pub(super) fn said(text: &str) -> &str {
    let text = text.split_once(" script: ").map_or(text, |(before, _)| before);
    text.rsplit_once(": -").map_or(text, |(_, error)| error)
}

/// The text of an error reply, without what servers add about the script in which it came up.
fn told(error: &ServerError) -> String {
    let details = error.details().unwrap_or_default();
    let details = details.split_once(" script: ").map_or(details, |(before, _)| before.trim_end_matches('.'));
    // Before 7.0, the error comes last, behind the places it passed through.
    let code = code(error);
    match details.find(code) {
        Some(at) if code != error.code() => details.get(at..).unwrap_or_default().to_owned(),
        _ => format!("{code} {details}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn told(reply: &str) -> Error {
        match redis::parse_redis_value(format!("-{reply}\r\n").as_bytes()).unwrap() {
            Value::ServerError(error) => Fault::Answer(error).into_error("redis://host", "the key"),
            other => panic!("{other:?}"),
        }
    }

    fn outage(reply: &str) -> Outage {
        match told(reply) {
            Error::Unavailable(Unavailable { store, why }) if store == "redis://host" => why,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn error_replies_have_types() {
        let full = |reply: &str| matches!(told(reply), Error::Limit(Limit::StoreFull { .. }));
        let foreign = |reply: &str| matches!(told(reply), Error::Invalid(Invalid::ForeignKey { key, .. }) if key == "the key");
        assert!(full("OOM command not allowed when used memory > 'maxmemory'."));
        assert!(foreign("WRONGTYPE Operation against a key holding the wrong kind of value"));
        assert_eq!(outage("READONLY You can't write against a read only replica."), Outage::ReadOnly);
        for reply in ["NOAUTH Authentication required.", "WRONGPASS invalid"] {
            assert_eq!(outage(reply), Outage::Refused(reply.into()));
        }
        let forbidden = "NOPERM User app has no permissions to run the 'evalsha' command";
        assert_eq!(outage(forbidden), Outage::Forbidden(forbidden.into()));
        for reply in
            ["LOADING Redis is loading", "CLUSTERDOWN The cluster is down", "MISCONF Errors writing", "BUSY Redis is busy"]
        {
            assert_eq!(outage(reply), Outage::Passing(reply.into()));
        }
        for reply in ["ERR syntax error", "ERR unknown command 'EVALSHA'"] {
            assert_eq!(outage(reply), Outage::Failed(reply.into()));
        }
        assert!(matches!(outage("MOVED 1 host:1"), Outage::Failed(why) if why.contains("redis+cluster://")));
        let demoted = redis::parse_redis_value(b"-READONLY no writes\r\n").unwrap();
        let Value::ServerError(demoted) = demoted else { panic!("{demoted:?}") };
        let error = Fault::Answer(demoted).into_error("redis+sentinel://host/main", "the key");
        assert!(matches!(error, Error::Unavailable(Unavailable { why: Outage::Passing(_), .. })), "{error}");
        // As servers before 7.0 tell of them from within a script.
        let wrapped = |reply: &str| format!("ERR Error running script (call to f_0): @user_script:9: @user_script: 9: -{reply}");
        assert!(full(&wrapped("OOM command not allowed when used memory > 'maxmemory'.")));
        assert!(foreign(&wrapped("WRONGTYPE Operation against a key")));
        assert_eq!(outage(&wrapped("READONLY You can't write")), Outage::ReadOnly);
        // What is said of the script is not for readers.
        for reply in [wrapped("WRONGTYPE Operation"), "WRONGTYPE Operation script: 1f, on @user_script:9.".into()] {
            assert!(matches!(told(&reply), Error::Invalid(Invalid::ForeignKey { why, .. }) if why == "WRONGTYPE Operation"));
        }
    }
}
