//! Made-up histories of locks that are to be renewed.

use super::{LOCK, Tale};
use crate::history::{Share, What};

/// One who holds from 10 on, and at some time has lost it.
fn lost(at: u64, lease: u64, renews: bool) -> Tale {
    let asks = What::Asked { wait: Some(0), lease, renews, share: Share::Whole, adopts: false };
    let tale = Tale::default().say(1, LOCK, 10, asks).gets(1, LOCK, 10, 1).say(1, LOCK, at - 30, What::Held);
    tale.say(1, LOCK, at, What::Lost { gone: false }).releases(1, LOCK, at, at + 1, false)
}

#[test]
fn a_lock_that_is_renewed_is_not_lost() {
    lost(5000, 1000, true).breaks("process 1, attempt 1 (acquired at 10000000, fence 1): was lost, though it was to be renewed");
    lost(5000, 1000, false).is_good();
    // Too short for a machine that stands still.
    lost(5000, 900, true).is_good();
    // An outage, and some time after it, is what a renewal may not get through.
    lost(5000, 1000, true).outage(3000, 3950).is_good();
    lost(5000, 1000, true).outage(3000, 3850).breaks("was lost");
    lost(5000, 1000, true).stop(1, 3000, 4010).is_good();
    lost(5000, 1000, true).stop(2, 3000, 4010).breaks("was lost");
}
