//! Made-up histories: each good one passes, and each breach is found. Times are in milliseconds.

use super::*;
use crate::clock::millis;
use crate::history::{Event, Failover, Share, What, Write};

mod failovers;
mod progress;
mod renewal;
mod service;
mod wake;

const RULES: Rules = Rules {
    topology: Topology::Single,
    bound: millis(500),
    patience: millis(1000),
    passed: 2,
    grace: millis(100),
    steady: millis(1000),
    is_patient: |lock| lock.ends_with("{c}"),
    woken: millis(100),
    idle: millis(3000),
};

/// A history in the making. Process and attempt have the same number.
#[derive(Default)]
struct Tale(History);

impl Tale {
    fn say(mut self, who: u32, lock: &str, at: u64, what: What) -> Self {
        self.0.events.push(Event { at: millis(at), process: who, attempt: who.into(), lock: lock.into(), what });
        self
    }

    fn asks(self, who: u32, lock: &str, at: u64, wait: u64) -> Self {
        self.wants(who, lock, at, wait, Share::Whole)
    }

    fn wants(self, who: u32, lock: &str, at: u64, wait: u64, share: Share) -> Self {
        self.say(who, lock, at, What::Asked { wait: Some(wait), lease: 1000, renews: true, share, adopts: false })
    }

    /// Asks, acquires at once, and holds until the end.
    fn holds(self, who: u32, lock: &str, from: u64, to: u64, fence: u64) -> Self {
        self.shares(who, lock, (from, to), fence, Share::Whole)
    }

    fn shares(self, who: u32, lock: &str, (from, to): (u64, u64), fence: u64, share: Share) -> Self {
        let tale = self.wants(who, lock, from, 0, share).say(who, lock, from, What::Acquired { fence });
        tale.say(who, lock, from, What::Held).say(who, lock, to, What::Held)
    }

    fn releases(self, who: u32, lock: &str, from: u64, to: u64, ok: bool) -> Self {
        self.say(who, lock, from, What::Releasing).say(who, lock, to, What::Released { ok: Some(ok) })
    }

    fn writes(mut self, who: u32, lock: &str, fence: u64, accepted: bool) -> Self {
        self.0.writes.push(Write { process: who, attempt: who.into(), lock: lock.into(), fence, accepted });
        self
    }

    fn failover(mut self, tag: &str, from: u64, to: u64) -> Self {
        let span = Span { from: millis(from), to: millis(to) };
        self.0.failovers.push(Failover { tag: tag.into(), span });
        self
    }

    fn broken_on(&self, topology: Topology) -> Vec<String> {
        check(&self.0, &Rules { topology, ..RULES }).broken
    }

    #[track_caller]
    fn is_good(&self) {
        assert_eq!(self.broken_on(Topology::Single), Vec::<String>::new());
    }

    #[track_caller]
    fn breaks(&self, promise: &str) {
        let broken = self.broken_on(Topology::Single);
        assert!(broken.iter().any(|line| line.contains(promise)), "{promise:?} is not in {broken:?}");
    }
}

const LOCK: &str = "simple-0";

#[test]
fn one_after_the_other_is_good() {
    let tale = Tale::default().holds(1, LOCK, 10, 20, 1).releases(1, LOCK, 20, 22, true);
    let tale = tale.asks(2, LOCK, 12, 500).say(2, LOCK, 23, What::Acquired { fence: 2 }).say(2, LOCK, 30, What::Held);
    let tale = tale.releases(2, LOCK, 31, 33, true).holds(3, "simple-1", 15, 25, 1);
    tale.is_good();
    let verdict = check(&tale.0, &RULES);
    let figures = verdict.kinds.get("simple").cloned();
    assert!(figures.is_some_and(|figures| figures.acquired == 3 && figures.worst_wait == millis(11) && figures.overlaps == 0));
}

#[test]
fn two_holders_at_once() {
    let tale = Tale::default().holds(1, LOCK, 10, 20, 1).holds(2, LOCK, 15, 30, 2);
    tale.breaks("held for 5000 µs together");
    let figures = check(&tale.0, &RULES).kinds.get("simple").cloned();
    assert!(figures.is_some_and(|figures| figures.overlaps == 1 && figures.worst_overlap == millis(5)));
    let quorum = Tale::default().holds(1, "quorum-0", 10, 20, 1).holds(2, "quorum-0", 15, 30, 2);
    assert_eq!(quorum.broken_on(Topology::Cluster).len(), 1);
}

#[test]
fn a_holder_counts_for_as_long_as_its_guard_says_so() {
    // Stopped after 20, or killed: nobody knows of more.
    Tale::default().holds(1, LOCK, 10, 20, 1).holds(2, LOCK, 21, 30, 2).is_good();
    // Its guard never said that it held: it came too late.
    let late = Tale::default().asks(1, LOCK, 10, 500).say(1, LOCK, 25, What::Acquired { fence: 1 });
    late.stop(1, 10, 25).say(1, LOCK, 25, What::Lost { gone: false }).holds(2, LOCK, 21, 30, 2).is_good();
    // What it does after it began to let go is no claim any more.
    let tale = Tale::default().holds(1, LOCK, 10, 20, 1).releases(1, LOCK, 15, 25, true);
    tale.holds(2, LOCK, 16, 30, 2).is_good();
}

#[test]
fn shares_go_together_as_far_as_they_go() {
    let readers = |share| Tale::default().shares(1, LOCK, (10, 20), 1, Share::Read).shares(2, LOCK, (15, 25), 2, share);
    readers(Share::Read).is_good();
    readers(Share::Whole).breaks("together");
    let permits = |most| {
        let tale = Tale::default().shares(1, LOCK, (10, 20), 1, Share::Permit(most));
        tale.shares(2, LOCK, (11, 20), 2, Share::Permit(most)).shares(3, LOCK, (12, 20), 3, Share::Permit(most))
    };
    permits(3).is_good();
    permits(2).breaks("process 3");
}

#[test]
fn fences_rise() {
    let tale = Tale::default().holds(1, LOCK, 10, 20, 7).holds(2, LOCK, 30, 40, 7);
    tale.breaks("no larger fence");
    assert_eq!(tale.broken_on(Topology::Cluster).len(), 1, "everywhere");
    // Who asked before the other had it may have got it before, where two can hold at once.
    let tale = Tale::default().holds(1, LOCK, 10, 20, 7).asks(2, LOCK, 5, 500);
    let tale = tale.say(2, LOCK, 30, What::Acquired { fence: 6 }).say(2, LOCK, 31, What::Held);
    assert_eq!(tale.broken_on(Topology::Cluster), Vec::<String>::new());
    tale.breaks("no larger fence");
}

#[test]
fn the_fence_of_a_reader_lies_between_those_of_the_writers_around_it() {
    let rw = "rw-{a}";
    let tale = |before: u64, reader: u64, other: u64, after: u64| {
        let tale = Tale::default().holds(1, rw, 10, 20, before).asks(4, rw, 5, 500);
        // All asked before the first acquired, so only the order of their holds says what their fences must be.
        let reads = |tale: Tale, who, from, to, fence| {
            let tale = tale.wants(who, rw, 5, 500, Share::Read);
            tale.say(who, rw, from, What::Acquired { fence }).say(who, rw, from, What::Held).say(who, rw, to, What::Held)
        };
        let tale = reads(reads(tale, 2, 22, 30, reader), 3, 24, 32, other);
        tale.say(4, rw, 40, What::Acquired { fence: after }).say(4, rw, 41, What::Held)
    };
    tale(1, 2, 3, 4).is_good();
    tale(1, 3, 2, 4).is_good();
    tale(2, 1, 3, 4).breaks("process 2, attempt 2 (acquired at 22000000, fence 1): has no larger fence");
    tale(1, 2, 5, 4).breaks("process 4, attempt 4 (acquired at 40000000, fence 4): has no larger fence");
    let together = Tale::default().holds(1, rw, 10, 20, 1).shares(2, rw, (15, 25), 2, Share::Read);
    together.breaks("together");
    assert!(together.failover("{a}", 1, 9).broken_on(Topology::Cluster).is_empty(), "it does not promise that there");
}

#[test]
fn fences_of_permits_rise_as_they_are_asked_for() {
    let semaphore = "semaphore-{a}";
    let permits = |second| {
        let tale = Tale::default().shares(1, semaphore, (10, 20), 5, Share::Permit(2));
        tale.shares(2, semaphore, (12, 20), second, Share::Permit(2))
    };
    permits(6).is_good();
    permits(4).breaks("no larger fence");
    permits(6).shares(3, semaphore, (15, 16), 7, Share::Permit(2)).breaks("process 3");
}

#[test]
fn each_of_several_names_excludes_others() {
    let (one, two) = ("several-0{a}", "several-1{a}");
    let both = |fence| Tale::default().holds(1, one, 10, 20, fence).holds(1, two, 10, 20, fence);
    both(5).holds(2, two, 21, 30, 6).is_good();
    both(5).holds(2, two, 15, 30, 6).breaks("several-1{a}, process 2, attempt 2 (acquired at 15000000, fence 6): held for");
    both(5).holds(2, two, 21, 30, 5).breaks("no larger fence");
}

#[test]
fn a_release_deletes_only_its_own() {
    let tale = Tale::default().holds(1, LOCK, 10, 20, 1).holds(2, LOCK, 30, 60, 2);
    let ended = |tale: Tale, ok| tale.releases(1, LOCK, 40, 50, ok);
    ended(tale, true).breaks("its release succeeded while the holder was");
    let tale = Tale::default().holds(1, LOCK, 10, 20, 1).holds(2, LOCK, 30, 60, 2);
    ended(tale, false).is_good();
    // The release was done before the other acquired, and only its answer came late.
    Tale::default().holds(1, LOCK, 10, 20, 1).releases(1, LOCK, 20, 50, true).holds(2, LOCK, 30, 60, 2).is_good();
    Tale::default().holds(1, LOCK, 10, 20, 1).say(1, LOCK, 21, What::Lost { gone: true }).breaks("had it no more");
}

#[test]
fn the_register_takes_no_old_fence() {
    let tale = Tale::default().writes(1, LOCK, 5, true).writes(1, LOCK, 5, true).writes(2, LOCK, 6, true);
    let tale = tale.writes(1, LOCK, 5, false);
    tale.is_good();
    let figures = check(&tale.0, &RULES).kinds.get("simple").cloned();
    assert!(figures.is_some_and(|figures| (figures.accepted, figures.rejected) == (3, 1)));
    tale.writes(1, LOCK, 5, true).breaks("the register took");
    Tale::default().writes(1, LOCK, 5, true).writes(2, LOCK, 5, true).breaks("the register took");
}

#[test]
fn all_come_to_an_end() {
    let mut tale = Tale::default();
    tale.0.stuck.push(4);
    tale.breaks("process 4 did not come to an end");
    let mut tale = Tale::default();
    tale.0.crashed.push(4);
    tale.breaks("process 4 came to an end by itself");
    let mut tale = Tale::default();
    tale.0.ended = Some("after split: timed out".into());
    tale.breaks("ended early");
    let mut tale = Tale::default();
    tale.0.left_over.push(LOCK.into());
    tale.breaks("still held");
}
