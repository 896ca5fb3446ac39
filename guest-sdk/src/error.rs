//! What can go wrong with a lock or a cache.

use thiserror::Error as ThisError;

use crate::bindings::guest::bellwether::core::types::Error as WitError;

/// The result of a call on a lock or a cache.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call on a lock or a cache failed. The texts come from the host and say what, which, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[non_exhaustive]
pub enum Error {
    /// The call can never work as it was made: a malformed name, option, key or value.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The call is outside what the platform granted this guest.
    #[error("denied: {0}")]
    Denied(String),
    /// A quota or a size was exceeded.
    #[error("limit: {0}")]
    Limit(String),
    /// The store was not reached in time. What was asked for may or may not have happened, unless the text says which.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The guard does not hold its lock any more.
    #[error("the guard does not hold its lock any more")]
    NotHeld,
    /// A stage of the cache failed: which one, on what, and why.
    #[error("stage: {0}")]
    Stage(String),
    /// The stored bytes cannot be read: damaged, foreign, of a later version, or written through other stages.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// A value could not be turned into CBOR: its own `Serialize` refused. No call was made.
    #[error("a value of type {type_name} could not be encoded: {why}")]
    Encode {
        /// The value's type.
        type_name: &'static str,
        /// What its `Serialize` said.
        why: String,
    },
    /// An entry holds a value of another type than the one that was asked for.
    #[error("the entry's value is not a {type_name}: {why}")]
    Decode {
        /// The type that was asked for.
        type_name: &'static str,
        /// What its `Deserialize` said.
        why: String,
    },
}

impl From<WitError> for Error {
    fn from(error: WitError) -> Self {
        match error {
            WitError::Invalid(text) => Self::Invalid(text),
            WitError::Denied(text) => Self::Denied(text),
            WitError::Limit(text) => Self::Limit(text),
            WitError::Unavailable(text) => Self::Unavailable(text),
            WitError::NotHeld => Self::NotHeld,
            WitError::Stage(text) => Self::Stage(text),
            WitError::Corrupt(text) => Self::Corrupt(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_the_contract_keeps_its_kind_and_text() {
        let text = || "the key is empty".to_owned();
        assert_eq!(Error::from(WitError::Invalid(text())), Error::Invalid(text()));
        assert_eq!(Error::from(WitError::Denied(text())), Error::Denied(text()));
        assert_eq!(Error::from(WitError::Limit(text())), Error::Limit(text()));
        assert_eq!(Error::from(WitError::Unavailable(text())), Error::Unavailable(text()));
        assert_eq!(Error::from(WitError::NotHeld), Error::NotHeld);
        assert_eq!(Error::from(WitError::Stage(text())), Error::Stage(text()));
        assert_eq!(Error::from(WitError::Corrupt(text())), Error::Corrupt(text()));
    }
}
