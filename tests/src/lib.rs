//! The harness of the tests that cross crates: real Redis servers, and components built from source.

pub mod components;
