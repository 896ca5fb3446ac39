//! Made-up histories of locks that are handed from one to the next.

use super::{RULES, Tale};
use crate::check::check;
use crate::clock::millis;
use crate::history::Share;

/// So many holders, of whom each has waited for the one before, and then some for this long.
fn chain(lock: &str, count: u32, late: u64) -> Tale {
    (0..count).fold(Tale::default(), |tale, n| {
        let (at, who) = (1000 + u64::from(n) * 500, n + 1);
        let asked = if n == 0 { at } else { at - 450 };
        let tale = tale.wants(who, lock, asked, 9000, Share::Whole).gets(who, lock, at + late, at);
        tale.releases(who, lock, at + 500, at + 501, true)
    })
}

#[test]
fn who_waits_is_woken_up() {
    let lock = "simple-{c}";
    chain(lock, 9, 90).is_good();
    chain(lock, 9, 110).breaks("simple: half of 8 who waited got what was let go of after 110 ms or more");
    // What ended last before one of them got it may have been the lease of one that died.
    chain(lock, 9, 110).wants(99, lock, 4050, 9000, Share::Whole).kill(99).is_good();
    // Others wait for what nobody lets go of too.
    chain("rw-{c}", 9, 110).is_good();
    chain("semaphore-{c}", 9, 110).breaks("semaphore: half of 8");
    // Too few to tell.
    chain(lock, 8, 110).is_good();
    // Where those who wait ask again and again it says nothing.
    chain("simple-{a}", 9, 110).is_good();
    // While something is amiss, others must come to look.
    chain(lock, 9, 110).outage(1400, 1450).is_good();
    chain(lock, 9, 110).stop(3, 2000, 2050).is_good();
    let figures = check(&chain(lock, 3, 20).0, &RULES).kinds.get("simple").cloned();
    assert!(figures.is_some_and(|figures| figures.usual_hand_over == millis(20)));
}
