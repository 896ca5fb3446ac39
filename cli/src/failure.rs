//! Why a command failed: a line for people, and an exit status for programs.

use std::fmt;

use bellwether::error::{Error, Invalid};

/// A command that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    status: u8,
    text: String,
}

/// The exit statuses that are this program's own, as its `--help` lists them. Those from 64 to 78 mean what `sysexits.h` says.
pub(crate) mod status {
    pub(crate) const ABSENT: u8 = 1;
    pub(crate) const USAGE: u8 = 2;
    pub(crate) const CORRUPT: u8 = 65;
    pub(crate) const NO_INPUT: u8 = 66;
    pub(crate) const UNAVAILABLE: u8 = 69;
    pub(crate) const STAGE: u8 = 70;
    pub(crate) const SYSTEM: u8 = 71;
    pub(crate) const LIMIT: u8 = 73;
    pub(crate) const BUSY: u8 = 75;
    pub(crate) const DENIED: u8 = 77;
    pub(crate) const CONFIG: u8 = 78;
    pub(crate) const LOST: u8 = 79;
    pub(crate) const DEADLINE: u8 = 124;
    pub(crate) const UNUSABLE: u8 = 126;
    pub(crate) const NOT_FOUND: u8 = 127;
    pub(crate) const TRAPPED: u8 = 134;
    /// A shell adds the signal's number to this.
    pub(crate) const SIGNALLED: u8 = 128;
}

impl Failure {
    pub(crate) fn new(status: u8, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// A command line that cannot be what it is.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(status::USAGE, text)
    }

    /// Something that the operating system refused.
    pub(crate) fn system(doing: &str, why: &dyn fmt::Display) -> Self {
        Self::new(status::SYSTEM, format!("{doing}: {why}"))
    }

    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        self.status
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            Error::Invalid(Invalid::Config { .. }) => status::CONFIG,
            Error::Invalid(Invalid::Component { .. }) => status::UNUSABLE,
            Error::Invalid(_) => status::USAGE,
            Error::Denied(_) => status::DENIED,
            Error::Limit(_) => status::LIMIT,
            Error::Unavailable(_) => status::UNAVAILABLE,
            Error::NotHeld(_) => status::LOST,
            Error::Stage(_) => status::STAGE,
            Error::Corrupt(_) => status::CORRUPT,
        };
        Self::new(status, error.to_string())
    }
}
