//! Herds over several processes on real servers: 4 × 64 readers of an entry that takes 200 ms to compute and expires each second.
//!
//! `hot` is served while it is computed anew; `cold` is gone by then, so everybody waits for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod fleet;
mod reader;

use std::time::Duration;

use bellwether_tests::{Sentinel, Server};
use fleet::Fleet;

const PROCESSES: usize = 4;

#[test]
fn each_expiry_is_computed_once_and_a_death_costs_one_more() {
    let server = Server::start().unwrap();
    let mut fleet = Fleet::start(&server.url(), PROCESSES);
    for entry in ["hot", "cold"] {
        fleet.computes(entry, 7);
        assert_eq!(fleet.redundant(entry), 0, "nobody died: {:#?}", fleet.computations(entry));
    }
    for entry in ["hot", "cold"] {
        fleet.kill_one_that_computes(entry);
        fleet.computes(entry, 3);
    }
    let (failures, reads) = fleet.end();
    assert_eq!(failures, Vec::<String>::new());
    for entry in ["hot", "cold"] {
        let computations = fleet.computations(entry);
        assert_eq!(fleet.redundant(entry), 0, "{computations:#?}");
        let unfinished = computations.iter().filter(|it| it.ended.is_none()).count();
        assert!(unfinished <= 2, "those of the two that died: {computations:#?}");
    }
    assert!(reads > 1_000, "{reads} reads are no herd");
}

#[test]
fn a_failover_costs_one_computation_more_at_most() {
    let mut set = Sentinel::start().unwrap();
    let mut fleet = Fleet::start(&set.url(), PROCESSES);
    fleet.computes("hot", 2);
    fleet.computes("cold", 2);
    set.kill_primary().unwrap();
    std::thread::sleep(Duration::from_secs(1));
    fleet.computes("hot", 3);
    fleet.computes("cold", 3);
    fleet.end();
    for entry in ["hot", "cold"] {
        // What the primary had not told its replica is computed again.
        assert!(fleet.redundant(entry) <= 1, "{:#?}", fleet.computations(entry));
    }
}
