//! Stores that cannot do what was asked.

use std::time::Duration;

use thiserror::Error as ThisError;

/// A store that was not reached in time, or could not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("the store {store} {why}")]
pub struct Unavailable {
    /// The store, without its password.
    pub store: String,
    /// What happened.
    pub why: Outage,
}

/// What happened to a store.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Outage {
    /// No connection could be made.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// No answer came in time; what was asked for may or may not have happened.
    #[error("did not answer within {0:?}: what was asked for may or may not have happened")]
    TimedOut(Duration),
    /// The connection broke; what was asked for may or may not have happened.
    #[error("lost the connection ({0}): what was asked for may or may not have happened")]
    Disconnected(String),
    /// Too few of the replicas heard of the lock, or of the time that was added to it, in time.
    #[error("has no quorum: too few of its replicas heard of it in time")]
    NoQuorum,
    /// The user name or password was refused.
    #[error("refused the credentials: {0}")]
    Refused(String),
    /// The user may not run this command, or not with these keys.
    #[error("does not allow this to the user: {0}")]
    Forbidden(String),
    /// The server is a replica and takes no writes.
    #[error("is a read-only replica: give the primary's address, or a redis+sentinel:// one that finds it")]
    ReadOnly,
    /// A value of a cache could not be computed, and it is too soon to try again.
    #[error("has no value of this entry, as its computation failed lately: {0}")]
    NoValue(String),
    /// The server answered with an error that passes: it is loading, or a failover goes on.
    #[error("answered with an error: {0}")]
    Passing(String),
    /// The server answered with an error of another kind, which asking again does not change.
    #[error("answered with an error: {0}")]
    Failed(String),
}

impl Outage {
    /// Whether asking again in a while may go better.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::TimedOut(_) | Self::Disconnected(_) | Self::NoQuorum | Self::Passing(_) => true,
            Self::Refused(_) | Self::Forbidden(_) | Self::ReadOnly | Self::NoValue(_) | Self::Failed(_) => false,
        }
    }
}
