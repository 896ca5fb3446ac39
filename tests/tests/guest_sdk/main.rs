//! Guests and stages that are written with the SDK, run for real.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod examples;
mod failures;
mod guest;
mod plain;

use bellwether::guest::{Grant, Quotas};
use bellwether::runtime::{Capture, CodeCache, Output};
use bellwether::{Guest, GuestLimits, GuestRun, Runtime, RuntimeBuilder};
use bellwether_tests::component;

/// A runtime on a memory store of its own, with guests that may open everything.
fn builder() -> RuntimeBuilder {
    let code_cache = CodeCache::Directory(component::target().unwrap().join("tmp").join("code"));
    Runtime::builder().grant(Grant::all()).code_cache(code_cache)
}

/// How a run ended, and what it printed.
#[derive(Debug)]
struct Ran {
    status: u8,
    stdout: String,
    stderr: String,
}

async fn run<A: Into<String>>(guest: &Guest, args: impl IntoIterator<Item = A>, given: GuestRun) -> Ran {
    let (stdout, stderr) = (Capture::default(), Capture::default());
    let given = given.args(args).stdout(Output::Capture(stdout.clone())).stderr(Output::Capture(stderr.clone()));
    let status = match guest.run(given).await {
        Ok(status) => status.code(),
        Err(error) => panic!("{error}\n{}", stderr.text()),
    };
    Ran { status, stdout: stdout.text(), stderr: stderr.text() }
}
