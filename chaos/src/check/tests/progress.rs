//! Made-up histories of those who wait.

use super::{LOCK, RULES, Tale};
use crate::check::check;
use crate::clock::millis;
use crate::history::{Outage, Share, Span, What};

impl Tale {
    pub(super) fn gets(self, who: u32, lock: &str, at: u64, fence: u64) -> Self {
        self.say(who, lock, at, What::Acquired { fence }).say(who, lock, at, What::Held)
    }

    pub(super) fn outage(mut self, from: u64, to: u64) -> Self {
        self.0.outages.push(Outage { fault: "split".into(), span: Span { from: millis(from), to: millis(to) } });
        self
    }

    pub(super) fn kill(mut self, who: u32) -> Self {
        self.0.killed.push(who);
        self
    }

    pub(super) fn stop(mut self, who: u32, from: u64, to: u64) -> Self {
        self.0.stops.push((who, Span { from: millis(from), to: millis(to) }));
        self
    }
}

#[test]
fn nobody_waits_longer_than_he_said() {
    let late = |at| Tale::default().holds(2, LOCK, 5, 5000, 1).asks(1, LOCK, 10, 200).say(1, LOCK, at, What::Refused);
    late(1200).is_good();
    late(1300).breaks("was to wait 200 ms");
    let mut stopped = late(1300);
    stopped.0.stops.push((1, Span { from: millis(100), to: millis(400) }));
    stopped.is_good();
    let never = Tale::default().asks(1, LOCK, 10, 200);
    never.breaks("never heard of it");
    Tale::default().asks(1, LOCK, 10, 200).kill(1).is_good();
}

#[test]
fn who_waits_for_ever_does_not_give_up() {
    let ends = |what| {
        let asks = What::Asked { wait: None, lease: 1000, renews: true, share: Share::Whole, adopts: false };
        Tale::default().holds(1, LOCK, 5, 90_000, 1).say(2, LOCK, 10, asks).say(2, LOCK, 90_000, what)
    };
    ends(What::Acquired { fence: 2 }).is_good();
    ends(What::Refused).breaks("process 2, attempt 2: gave up, and was to wait for ever");
}

#[test]
fn what_nobody_has_is_free_at_once() {
    let waits = |tale: Tale, until: u64| tale.asks(2, LOCK, 15, 5000).gets(2, LOCK, until, 2);
    // Released, it is free; and no longer than from its answer.
    let released = |until| waits(Tale::default().holds(1, LOCK, 10, 20, 1).releases(1, LOCK, 20, 30, true), until);
    released(530).is_good();
    released(540).breaks("waited 510 ms for a lock that nobody had");
    let unsure = Tale::default().holds(1, LOCK, 10, 20, 1).say(1, LOCK, 20, What::Releasing);
    waits(unsure.say(1, LOCK, 30, What::Released { ok: None }), 1530).is_good();
    // Dropped, it is free; but not if the process has no time to let go of it, or cannot.
    let dropped = |until| waits(Tale::default().holds(1, LOCK, 10, 20, 1).say(1, LOCK, 20, What::LetGo), until);
    dropped(520).is_good();
    dropped(530).breaks("waited 510 ms");
    dropped(1520).kill(1).is_good();
    dropped(1530).kill(1).breaks("waited 510 ms");
    dropped(1520).stop(1, 25, 30).is_good();
    dropped(1520).outage(25, 30).is_good();
    // So it is with those who no longer wait, of whom nobody knows whether they had it.
    let cancelled = |until| {
        let tale = Tale::default().holds(1, LOCK, 10, 20, 1).releases(1, LOCK, 20, 30, true).asks(3, LOCK, 12, 5000);
        waits(tale.say(3, LOCK, 25, What::Cancelled), until)
    };
    cancelled(530).is_good();
    cancelled(540).breaks("waited 510 ms");
    cancelled(1525).kill(3).is_good();
    // Who waits and is stopped may have been given it, and takes it once it goes on.
    let stopped = |until, from, to| {
        let tale = Tale::default().holds(1, LOCK, 10, 20, 1).releases(1, LOCK, 20, 30, true).asks(3, LOCK, 12, 5000);
        waits(tale.say(3, LOCK, 5012, What::Refused).stop(3, from, to), until)
    };
    stopped(1530, 25, 530).is_good();
    stopped(1540, 25, 530).breaks("waited 510 ms");
    // Not for each of two times the time in which both are over.
    stopped(1700, 25, 530).stop(3, 600, 700).is_good();
    stopped(1710, 25, 530).stop(3, 600, 700).breaks("waited 510 ms");
    stopped(540, 1, 5).breaks("waited 510 ms");
    let quorum = |until| Tale::default().asks(2, "quorum-{a}", 15, 5000).gets(2, "quorum-{a}", until, 2);
    quorum(1515).is_good();
    quorum(1516).breaks("waited 1501 ms");
    // One who gave up while nobody answered has left his place behind until that is tried again, or his process ends.
    let left_behind = |until, from, to| {
        let tale = Tale::default().holds(1, LOCK, 10, 3000, 1).releases(1, LOCK, 3000, 3001, true).asks(3, LOCK, 12, 5000);
        tale.say(3, LOCK, 600, What::Refused).outage(from, to).asks(2, LOCK, 2900, 5000).gets(2, LOCK, until, 2)
    };
    left_behind(5501, 500, 1500).is_good();
    left_behind(5502, 500, 1500).breaks("waited 2501 ms");
    left_behind(3502, 500, 1000).breaks("waited 501 ms");
    left_behind(3502, 500, 599).breaks("waited 501 ms");
    left_behind(5501, 500, 1500).kill(3).breaks("waited 2500 ms");
    // What is handed over is kept for whoever takes it over.
    waits(Tale::default().holds(1, LOCK, 10, 20, 1).say(1, LOCK, 20, What::HandedOver), 1520).is_good();
}

#[test]
fn no_lock_outlives_its_lease() {
    // The first holder dies at 20; its lease may go on until 1020 or so.
    let dies = |next: u64| Tale::default().holds(1, LOCK, 10, 20, 1).kill(1).asks(2, LOCK, 15, 5000).gets(2, LOCK, next, 2);
    dies(1500).is_good();
    dies(1600).breaks("waited 580 ms for a lock that nobody had");
    dies(1600).outage(1200, 1300).is_good();
    dies(1600).stop(2, 500, 600).is_good();
    // Nor if the waiter gives up in the end.
    let gives_up = Tale::default().holds(1, LOCK, 10, 20, 1).kill(1).asks(2, LOCK, 15, 3000);
    gives_up.say(2, LOCK, 3015, What::Refused).breaks("nobody had");
    // One that dies while it waits may have got it, but keeps it for no longer.
    let waiter = |until| {
        let tale = Tale::default().holds(1, LOCK, 10, 20, 1).releases(1, LOCK, 20, 30, true).asks(3, LOCK, 15, 5000);
        tale.holds(3, "simple-1", 40, 50, 1).kill(3).asks(2, LOCK, 16, 5000).gets(2, LOCK, until, 2)
    };
    waiter(1550).is_good();
    waiter(1560).breaks("waited 510 ms");
}

#[test]
fn those_who_take_several_do_not_wait_for_each_other_for_ever() {
    let (one, two, other) = ("several-0{a}", "several-1{a}", "several-0{b}");
    // One waits for both, of which it may have one, for as long as somebody has the other.
    let waits = |until: u64| {
        let tale = Tale::default().holds(1, two, 0, until, 1).holds(4, other, 0, 9000, 1);
        let tale = tale.asks(2, one, 5, 9000).asks(2, two, 5, 9000).asks(3, one, 6, 9000);
        let got = |tale: Tale, who, lock, at, fence| {
            tale.say(who, lock, at, What::Acquired { fence }).say(who, lock, at, What::Held).say(who, lock, at + 1, What::Held)
        };
        got(got(got(tale, 2, one, 8000, 2), 2, two, 8000, 2), 3, one, 8100, 3)
    };
    waits(7000).is_good();
    // The lease of the one who had it last, and the bound.
    waits(8000 - 1500).is_good();
    waits(8000 - 1600).breaks("for a lock that nobody had");
}

#[test]
fn nobody_waits_for_a_permit_that_is_free() {
    let (semaphore, permit) = ("semaphore-{a}", Share::Permit(2));
    // The first dies at 20, and what is left of its lease is a second at most; the other permit is held all the time.
    let waits = |until: u64| {
        let tale = Tale::default().shares(1, semaphore, (10, 20), 1, permit).kill(1).shares(2, semaphore, (11, 9000), 2, permit);
        tale.wants(3, semaphore, 15, 5000, permit).gets(3, semaphore, until, 3)
    };
    waits(1500).is_good();
    waits(1600).breaks("process 3, attempt 3 (acquired at 1600000000, fence 3): waited 580 ms for a permit that nobody had");
    waits(1600).outage(1200, 1300).is_good();
    waits(1600).stop(3, 500, 600).is_good();
    // If another gets it meanwhile, and dies too, its own lease counts.
    let again = |until| waits(until).shares(4, semaphore, (1100, 1200), 3, permit).kill(4);
    again(2700).is_good();
    again(2800).breaks("waited 600 ms for a permit that nobody had");
    // Held by two, one after the other.
    let tale = Tale::default().shares(1, semaphore, (10, 900), 1, permit).shares(2, semaphore, (11, 9000), 2, permit);
    let tale = tale.releases(1, semaphore, 900, 901, true).shares(4, semaphore, (1000, 4000), 3, permit);
    tale.wants(3, semaphore, 1100, 5000, permit).gets(3, semaphore, 4001, 4).is_good();
    // It is free for who gives up too, and after all others have gone.
    let tale = Tale::default().shares(1, semaphore, (10, 20), 1, permit).wants(3, semaphore, 15, 2000, permit);
    tale.say(3, semaphore, 2015, What::Refused).breaks("for a permit that nobody had");
}

#[test]
fn no_reader_waits_for_other_readers() {
    let rw = "rw-{a}";
    let waits = |until: u64| {
        let tale = Tale::default().holds(1, rw, 5, 8, 1).shares(2, rw, (10, 9000), 2, Share::Read);
        tale.wants(3, rw, 15, 5000, Share::Read).gets(3, rw, until, 5)
    };
    waits(1500).is_good();
    waits(1600).breaks("process 3, attempt 3 (acquired at 1600000000, fence 5): waited 592 ms for a lock that no writer had");
    // A writer that waits for the reader of before keeps out those who come after it.
    waits(1600).wants(4, rw, 12, 1100, Share::Whole).say(4, rw, 1112, What::Refused).is_good();
    let killed = |until, at| waits(until).wants(4, rw, 12, 9000, Share::Whole).holds(4, LOCK, at, at, 1).kill(4);
    killed(2300, 1001).is_good();
    // It may have got the lock when it died.
    killed(1590, 90).is_good();
    killed(1600, 90).breaks("process 3");
    // One that comes too late for that is none that it waits for.
    let read = Tale::default().holds(1, rw, 5, 1200, 1).wants(3, rw, 15, 5000, Share::Read);
    read.gets(3, rw, 2690, 5).is_good();
    waits(1700).wants(4, rw, 1690, 10, Share::Whole).say(4, rw, 1700, What::Refused).breaks("process 3");
}

#[test]
fn a_writer_is_not_passed_by_all_readers_who_come_later() {
    // Some read at any time, so that nobody ever lets a writer in who waits for a free lock.
    let reads = |lock: &str, from: u32, count: u32| {
        let tale = Tale::default().shares(1, lock, (10, 900), 1, Share::Read).wants(2, lock, 15, 2000, Share::Whole);
        let others = (0..count).map(|n| (u64::from(n), from + n));
        let tale = others.fold(tale, |tale, (n, who)| tale.shares(who, lock, (20 + n, 900), n + 2, Share::Read));
        tale.gets(2, lock, 901, 90)
    };
    reads("rw-{a}", 3, 2).is_good();
    reads("rw-{a}", 3, 3)
        .breaks("process 2, attempt 2 (acquired at 901000000, fence 90): was passed by 3 who asked later within 886 ms");
    // Those who came in an outage are counted from its end only, and one that is stopped has lost its place.
    reads("rw-{a}", 3, 3).outage(12, 20).is_good();
    reads("rw-{a}", 3, 3).stop(2, 16, 17).is_good();
    reads("rw-{a}", 3, 3).stop(3, 16, 17).breaks("was passed");
    let figures = check(&reads("rw-{a}", 3, 2).0, &RULES).kinds.get("rw").cloned();
    assert!(figures.is_some_and(|figures| figures.worst_passed == 2));
}

#[test]
fn others_are_passed_only_where_no_order_is_promised() {
    let passed = |lock: &str, share| {
        let tale = Tale::default().holds(1, lock, 10, 14, 1).shares(1, lock, (10, 14), 1, share).wants(2, lock, 15, 2000, share);
        let times = [(3, 20), (4, 30), (5, 40)];
        let tale = times.into_iter().fold(tale, |tale, (who, at)| tale.shares(who, lock, (at, at + 5), at, share));
        tale.gets(2, lock, 50, 60)
    };
    passed("simple-{a}", Share::Whole).is_good();
    passed("fair-{a}", Share::Whole).breaks("process 2, attempt 2 (acquired at 50000000, fence 60): was passed by 3");
    passed("semaphore-{a}", Share::Permit(1)).breaks("was passed by 3");
}
