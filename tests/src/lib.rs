//! The harness of the tests that cross crates: real Redis servers, and components built from source.
//!
//! Servers listen on free ports of 127.0.0.1 and keep their files in one temporary directory of the process. They are killed when
//! dropped, and whatever is left when the process ends, even by a signal, is killed by a watching shell. All calls block.

pub mod clock;
pub mod cluster;
pub mod commands;
pub mod component;
pub mod process;
pub mod proxy;
pub mod sentinel;
pub mod server;
pub mod wait;

pub use cluster::Cluster;
pub use component::component;
pub use proxy::Proxy;
pub use sentinel::Sentinel;
pub use server::{Server, ServerOptions};
pub use wait::until;
