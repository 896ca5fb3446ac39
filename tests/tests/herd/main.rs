//! Herds over several processes on real servers: 4 × 64 readers of an entry that takes 200 ms to compute and expires each second, over
//! 30 expiries. `hot` is served while it is computed anew; `cold` is gone by then, so everybody waits for it. `set` is served too, and computed by
//! whoever a `get` gives nothing.
//!
//! Each expiry costs one computation, and one more at most for each process or primary that is lost meanwhile, or that is replaced and
//! still in use.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod expiries;
mod fleet;
mod reader;

use std::time::Duration;

use bellwether_tests::{Cluster, Sentinel, Server};
use fleet::Fleet;
use reader::{ENTRIES, key};

const PROCESSES: usize = 4;

const EXPIRIES: usize = 30;

/// For how long a process may go on to use a primary that Sentinels have replaced while it is well: it asks them once a second.
const LEAVES: Duration = Duration::from_secs(2);

/// Has the entries expire for the rest of the times, and judges and prints what that cost.
fn judge(servers: &str, mut fleet: Fleet) {
    fleet.reach(&ENTRIES, EXPIRIES);
    let (failures, reads) = fleet.end();
    assert_eq!(failures, Vec::<String>::new());
    for entry in ENTRIES {
        fleet.assert_economy(entry);
        let costs: Vec<_> = fleet.expiries(entry).iter().map(|expiry| expiry.computations).collect();
        println!("{servers}, {entry}: {costs:?}");
    }
    assert!(reads > 10_000, "{reads} reads are no herd");
}

#[test]
fn each_expiry_is_computed_once_and_a_death_costs_one_more() {
    let server = Server::start().unwrap();
    let mut fleet = Fleet::start(&server.url(), PROCESSES);
    for (entry, expiries) in ENTRIES.into_iter().zip([10, 20, 25]) {
        fleet.reach(&ENTRIES, expiries);
        fleet.kill_one_that_computes(entry);
    }
    judge("one server", fleet);
}

#[test]
fn a_failover_costs_one_computation_more_at_most() {
    std::thread::scope(|scope| {
        scope.spawn(behind_sentinel);
        scope.spawn(in_a_cluster);
    });
}

fn behind_sentinel() {
    let mut set = Sentinel::start().unwrap();
    let mut fleet = Fleet::start(&set.url(), PROCESSES);
    for (entry, expiries) in [("hot", 5), ("set", 10)] {
        fleet.reach(&ENTRIES, expiries);
        fleet.amid_a_computation(entry, &mut set, |set| set.replace_primary().map(drop), LEAVES, |set| set.follow());
        // It finds the new one, while the old one takes itself for the primary and serves who stays with it.
        fleet.launch();
        set.follow().unwrap();
    }
    fleet.reach(&ENTRIES, 20);
    fleet.amid_a_computation("cold", &mut set, Sentinel::kill_primary, Duration::ZERO, |set| {
        set.agree()?;
        set.revive()
    });
    judge("Sentinel", fleet);
}

fn in_a_cluster() {
    let mut cluster = Cluster::start().unwrap();
    let mut fleet = Fleet::start(&cluster.url(), PROCESSES);
    for (entry, expiries) in ENTRIES.into_iter().zip([5, 13, 21]) {
        fleet.reach(&ENTRIES, expiries);
        let key = key(entry);
        fleet.amid_a_computation(entry, &mut cluster, |cluster| cluster.failover(&key), Duration::ZERO, |_| Ok(()));
        fleet.reach(&ENTRIES, expiries + 5);
        fleet.amid_a_computation(entry, &mut cluster, |cluster| cluster.kill_primary_of(&key), Duration::ZERO, Cluster::revive);
        cluster.revive().unwrap();
    }
    judge("cluster", fleet);
}
