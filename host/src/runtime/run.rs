//! One run of a guest: what it is given, and how it ends.

use std::fmt;

use bytes::Bytes;

use super::limits::GuestLimits;
use super::output::Output;
use crate::guest::Grant;

/// What one run of a guest is given. By default no argument, no environment, an empty standard input, and no place for its
/// output to go to.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing runs until it is given to `Guest::run`"]
pub struct GuestRun {
    /// Its arguments. The guest's own name comes before them, as every program expects.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<(String, String)>,
    /// Its standard input.
    pub stdin: Input,
    /// Where its standard output goes.
    pub stdout: Output,
    /// Where its standard error goes.
    pub stderr: Output,
    /// What it may do; `None` for what the runtime grants.
    pub grant: Option<Grant>,
    /// What it may use; `None` for the limits of the runtime.
    pub limits: Option<GuestLimits>,
}

impl GuestRun {
    /// Adds arguments.
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds a variable of the environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Sets where standard input comes from.
    pub fn stdin(mut self, stdin: Input) -> Self {
        self.stdin = stdin;
        self
    }

    /// Sets where standard output goes.
    pub fn stdout(mut self, stdout: Output) -> Self {
        self.stdout = stdout;
        self
    }

    /// Sets where standard error goes.
    pub fn stderr(mut self, stderr: Output) -> Self {
        self.stderr = stderr;
        self
    }

    /// Takes standard input from, and sends both outputs to those of this process.
    pub fn inherit_stdio(self) -> Self {
        self.stdin(Input::Inherit).stdout(Output::Inherit).stderr(Output::Inherit)
    }

    /// Sets what it may do, in place of what the runtime grants.
    pub fn grant(mut self, grant: Grant) -> Self {
        self.grant = Some(grant);
        self
    }

    /// Sets what it may use, in place of the limits of the runtime.
    pub fn limits(mut self, limits: GuestLimits) -> Self {
        self.limits = Some(limits);
        self
    }
}

/// Where a guest's standard input comes from.
#[derive(Debug, Clone, Default)]
pub enum Input {
    /// Nothing comes.
    #[default]
    Empty,
    /// From that of this process.
    Inherit,
    /// These bytes, and then nothing.
    Bytes(Bytes),
}

/// How a guest ended by itself: 0 for success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExitStatus(u8);

impl ExitStatus {
    pub(super) const SUCCESS: Self = Self(0);
    pub(super) const FAILURE: Self = Self(1);

    /// Exit codes of WASI are of 8 bits; any other one is a failure.
    pub(super) fn of(code: i32) -> Self {
        u8::try_from(code).map_or(Self::FAILURE, Self)
    }

    /// Whether it is 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::SUCCESS
    }

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self.0
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit status {}", self.0)
    }
}

/// What a run has that says nothing else.
#[derive(Debug, Clone, Default)]
pub(super) struct Defaults {
    pub(super) grant: Grant,
    pub(super) limits: GuestLimits,
}
