//! The program as it is started: the same seed brings the same faults.
//!
//! That there is a test of it has one more use: `cargo test --workspace` builds the program for it, with the features that all tests
//! have, and the short run among the tests uses that one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

fn plan(args: &[&str]) -> String {
    let program = Command::new(env!("CARGO_BIN_EXE_bellwether-chaos")).args(["run", "--plan"]).args(args).output().unwrap();
    assert!(program.status.success(), "{}", String::from_utf8_lossy(&program.stderr));
    String::from_utf8(program.stdout).unwrap()
}

#[test]
fn a_seed_brings_the_same_faults_again() {
    let first = plan(&["--seed", "11", "--topology", "cluster"]);
    assert!(first.starts_with("seed 11:") && first.contains("  servers: ") && first.contains("  clients: "), "{first}");
    assert_eq!(plan(&["--seed", "11", "--topology", "cluster"]), first);
    assert_ne!(plan(&["--seed", "12", "--topology", "cluster"]).lines().nth(2), first.lines().nth(2));
}
