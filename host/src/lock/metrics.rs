//! What locks tell a recorder of the [`metrics`](https://docs.rs/metrics) facade.
//!
//! | name | | labels | |
//! | --- | --- | --- | --- |
//! | `bellwether_lock_wait_seconds` | histogram | `kind`, `outcome` | from the call of an acquire to its end, however it ended |
//! | `bellwether_lock_hold_seconds` | histogram | `kind` | from the acquisition until the guard let go or lost the lock |
//! | `bellwether_lock_lost_total` | counter | `reason` | guards that lost their lock before they let go of it |
//! | `bellwether_lock_renewals_total` | counter | `outcome` | renewals by the watchdog, each lock for itself |
//! | `bellwether_lock_grants_total` | counter | `by` | locks that were given to a waiter of this process, who did not have to ask for them |
//! | `bellwether_lock_quorum_failures_total` | counter | | locks that were taken and let go again, as too few replicas had them in time |
//! | `bellwether_lock_broken_total` | counter | | locks that this process took away from their holder |
//!
//! - `kind`: `simple` or `quorum` for a plain lock; `reader` or `writer` for a read-write lock; `semaphore` for a permit; `several` for a
//!   lock over several names, where a wait is for all of them, and a hold for each.
//! - `outcome` of a wait: `acquired`; `busy`, as somebody else held the lock until the wait was over; `failed`, with an error;
//!   `cancelled`, as the caller dropped it. Of a renewal: `renewed`; `lost`, as the lock was no more; `failed`, to be repeated, also
//!   where too few replicas heard of it.
//! - `by`: `process`, as a holder in the same process passed it on; `queue`, as the store gave it to the first in its queue.
//! - `reason`: `expired`, as the lease ended; `gone`, as the store had the token no more.
//!
//! No label has the name of a lock: programs make names of what they work on, an order or a user, and recorders keep every
//! combination of labels for ever. Names are in the spans and events instead.
//!
//! Every call looks its metric up anew. A handle that is kept would stay with the recorder there was when it was made, which is
//! none if the program installs one later. Without a recorder all the calls of an acquire and a release together take well under a
//! microsecond.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};
use tokio::time::Instant;

use super::options::{Kind, Terms};
use crate::error::{Error, LossReason};
use crate::names::Share;

const WAIT: &str = "bellwether_lock_wait_seconds";
const HOLD: &str = "bellwether_lock_hold_seconds";
const LOST: &str = "bellwether_lock_lost_total";
const RENEWALS: &str = "bellwether_lock_renewals_total";
const GRANTS: &str = "bellwether_lock_grants_total";
const QUORUM_FAILURES: &str = "bellwether_lock_quorum_failures_total";
const BROKEN: &str = "bellwether_lock_broken_total";

/// Tells the recorder what the metrics mean. [`super::Locks::new`] does that; call it if the recorder is installed later.
pub fn describe() {
    describe_histogram!(WAIT, Unit::Seconds, "time from the call of an acquire to its end");
    describe_histogram!(HOLD, Unit::Seconds, "time from an acquisition until the guard let go or lost the lock");
    describe_counter!(LOST, Unit::Count, "guards that lost their lock before they let go of it");
    describe_counter!(RENEWALS, Unit::Count, "renewals of leases by the watchdog");
    describe_counter!(GRANTS, Unit::Count, "locks that were given to a waiter of this process");
    describe_counter!(
        QUORUM_FAILURES,
        Unit::Count,
        "locks that were taken and let go again, as too few replicas had them in time"
    );
    describe_counter!(BROKEN, Unit::Count, "locks that this process took away from their holder");
}

/// What kind of lock something is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Label(&'static str);

impl Label {
    /// That of a lock of which a holder takes `share` on these terms.
    pub(super) fn of(share: Share, terms: &Terms) -> Self {
        Self(match share {
            Share::Alone if terms.among_several => "several",
            Share::Alone => match terms.kind() {
                Kind::Simple => "simple",
                Kind::Quorum => "quorum",
            },
            Share::Reader => "reader",
            Share::Writer => "writer",
            Share::Permit { .. } => "semaphore",
        })
    }

    /// The label itself.
    pub(super) const fn as_str(self) -> &'static str {
        self.0
    }
}

/// An acquire under way. One that is dropped before its end was cancelled.
#[derive(Debug)]
pub(super) struct Waiting {
    kind: Label,
    since: Instant,
    outcome: &'static str,
}

impl Waiting {
    /// One that begins.
    pub(super) fn begin(kind: Label) -> Self {
        Self { kind, since: Instant::now(), outcome: "cancelled" }
    }

    /// Takes note of its end.
    pub(super) fn end<T>(mut self, outcome: &Result<Option<T>, Error>) {
        self.outcome = match outcome {
            Ok(Some(_)) => "acquired",
            Ok(None) => "busy",
            Err(_) => "failed",
        };
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        histogram!(WAIT, "kind" => self.kind.as_str(), "outcome" => self.outcome).record(self.since.elapsed());
    }
}

/// A guard let go of its lock or lost it.
pub(super) fn held(kind: Label, time: Duration) {
    histogram!(HOLD, "kind" => kind.as_str()).record(time);
}

/// A guard lost its lock. What was let go is not lost.
pub(super) fn lost(why: LossReason) {
    let reason = match why {
        LossReason::Released | LossReason::HandedOver => return,
        LossReason::Expired => "expired",
        LossReason::Gone => "gone",
    };
    counter!(LOST, "reason" => reason).increment(1);
}

/// The watchdog tried to renew a lock: it is held, it is not, or nobody knows yet.
pub(super) fn renewed(held: Option<bool>) {
    let outcome = match held {
        Some(true) => "renewed",
        Some(false) => "lost",
        None => "failed",
    };
    counter!(RENEWALS, "outcome" => outcome).increment(1);
}

/// A holder passed the lock on to a waiter of the same process.
pub(super) fn passed_on() {
    counter!(GRANTS, "by" => "process").increment(1);
}

/// The store gave the lock to a waiter of this process.
pub(super) fn granted() {
    counter!(GRANTS, "by" => "queue").increment(1);
}

/// A lock was let go again, as too few replicas had it in time.
pub(super) fn no_quorum() {
    counter!(QUORUM_FAILURES).increment(1);
}

/// This process took a lock away from its holder.
pub(super) fn broken() {
    counter!(BROKEN).increment(1);
}
