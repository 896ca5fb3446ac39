//! Made-up histories in which a replica takes over, or none does.

use std::collections::BTreeMap;

use super::{RULES, Tale};
use crate::check::{Rules, check};
use crate::kind::Topology;

#[test]
fn two_hold_at_once_only_after_a_failover() {
    let lock = "simple-{a}";
    let both = || Tale::default().holds(1, lock, 1000, 2000, 1).holds(2, lock, 1500, 3000, 2);
    assert_eq!(both().broken_on(Topology::Cluster).len(), 1, "nothing failed over");
    let good = |tale: Tale| assert_eq!(tale.broken_on(Topology::Cluster), Vec::<String>::new());
    good(both().failover("{a}", 1100, 1200));
    // The last answer of the old primary may come late.
    good(both().failover("{a}", 100, 950));
    for (tag, from, to) in [("{a}", 100, 850), ("{a}", 2100, 2200), ("{b}", 1100, 1200)] {
        assert_eq!(both().failover(tag, from, to).broken_on(Topology::Sentinel).len(), 1, "{tag} from {from} to {to}");
    }
    // Who had it before has it no more after that.
    good(both().failover("{a}", 1900, 2100));
    let quorum = Tale::default().holds(1, "quorum-{a}", 10, 20, 1).holds(2, "quorum-{a}", 15, 30, 2).failover("{a}", 11, 12);
    assert_eq!(quorum.broken_on(Topology::Cluster).len(), 1, "it promises more");
}

#[test]
fn overlaps_are_counted_by_the_fault_there_was() {
    let lock = "simple-{a}";
    let amid = |tale: Tale| {
        let tale = tale.failover("{a}", 0, 9000).holds(1, lock, 1000, 2000, 1).holds(2, lock, 1500, 3000, 2);
        check(&tale.0, &Rules { topology: Topology::Cluster, ..RULES }).kinds.get("simple").map(|figures| figures.amid.clone())
    };
    let is = |fault: &str| Some(BTreeMap::from([(fault.to_owned(), 1)]));
    assert_eq!(amid(Tale::default()), is("no fault"));
    assert_eq!(amid(Tale::default().outage(1400, 1450).outage(1600, 1700)), is("split"));
    assert_eq!(amid(Tale::default().outage(500, 600)), is("long after split"));
}
