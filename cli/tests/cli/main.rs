//! The real program, as a shell runs it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod application;
mod bad_input;
mod cache;
mod caches;
mod config;
mod help;
mod lock;
mod locks;
mod locks_shared;
mod metrics;
mod run;
mod support;
