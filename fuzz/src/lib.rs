//! What is tried with bytes that nobody vouches for. `cargo xtask fuzz` makes them up; `tests/tests/fuzz_corpus.rs` tries those in
//! `corpus/` with every test.

pub mod targets;
