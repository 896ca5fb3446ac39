//! Made-up histories of locks that nobody gets.

use super::{LOCK, Tale};
use crate::clock::millis;
use crate::history::What;
use crate::kind::Kind;

/// One history of both kinds, of which the first works all the time.
fn used() -> Tale {
    let mut tale = (0..30).fold(Tale::default(), |tale, n| {
        let (who, at) = (n, u64::from(n) * 500);
        tale.holds(who, LOCK, at, at + 10, at + 1).releases(who, LOCK, at + 10, at + 11, true)
    });
    tale.0.kinds = vec![Kind::Simple, Kind::Fair];
    tale
}

fn fails(passing: bool) -> What {
    What::Failed { passing, why: "made up".into() }
}

const OTHER: &str = "fair-0";

#[test]
fn somebody_gets_a_lock_of_each_kind() {
    let works = |tale: Tale, from: u32, to: u32| {
        (from..to).fold(tale, |tale, n| {
            let at = u64::from(n) * 500;
            tale.holds(n + 100, OTHER, at, at + 10, at + 1).releases(n + 100, OTHER, at + 10, at + 11, true)
        })
    };
    works(used(), 0, 30).is_good();
    used().breaks("fair: nobody had a lock for 14500 ms, while all servers were well");
    works(used(), 0, 20).breaks("fair: nobody had a lock for 4989 ms");
    // Two times that are too short by themselves: until an outage, and from some time after it.
    works(used(), 0, 20).outage(12_000, 12_200).is_good();
    // Who is told to come to an end asks for nothing any more.
    let mut ends = works(used(), 0, 20);
    ends.0.until = Some(millis(12_000));
    ends.is_good();
    // Somebody may keep it for long.
    works(used(), 0, 20).holds(99, OTHER, 9600, 14_000, 90_000).is_good();
    // What nobody was to use nobody has to get.
    let mut one = used();
    one.0.kinds = vec![Kind::Simple];
    one.is_good();
}

#[test]
fn attempts_fail_in_outages_only() {
    let fails = |count: u32, from: u64| {
        (0..count).fold(used(), |mut tale, n| {
            tale.0.kinds = vec![Kind::Simple];
            let at = from + u64::from(n);
            tale.asks(n + 100, LOCK, at, 500).say(n + 100, LOCK, at + 1, fails(true))
        })
    };
    fails(3, 5000).is_good();
    fails(4, 5000).breaks("simple: 4 of 34 attempts failed while all servers were well");
    fails(4, 5000).outage(4900, 4950).is_good();
}

#[test]
fn what_no_fault_brings_about_is_no_excuse() {
    let answers = |what| used().outage(2000, 20_000).asks(100, OTHER, 3000, 500).say(100, OTHER, 3001, what);
    answers(fails(true)).is_good();
    answers(fails(false))
        .breaks("fair-0, process 100, attempt 100: failed, and 0 others like it, as no fault can make it: made up");
}
