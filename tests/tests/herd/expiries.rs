//! What each expiry of an entry cost.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::reader::EXPIRES;

/// How much sooner than its expiry the server may have an entry expire, as it counts whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

/// The time on the clock that all processes of this machine share, in microseconds since 1970.
pub(crate) fn micros() -> u64 {
    in_micros(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
}

pub(crate) fn in_micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap()
}

/// One computation, in microseconds since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Computation {
    pub(crate) entry: String,
    pub(crate) process: usize,
    pub(crate) began: u64,
    pub(crate) ended: Option<u64>,
    /// The process died with its computation half done.
    pub(crate) died: bool,
}

impl Computation {
    /// Until when nobody has a reason to compute again.
    pub(crate) fn lasts(&self) -> u64 {
        // The store counts from when it has the value, which is later.
        self.ended.map_or(u64::MAX, |ended| ended + in_micros(EXPIRES) - in_micros(ROUNDING))
    }
}

/// One expiry of an entry, which counts as one from its first computation on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expiry {
    pub(crate) from: u64,
    pub(crate) computations: usize,
}

/// What each expiry cost, by the computations of one entry in the order in which they began.
///
/// A computation belongs to the expiry before if nothing had expired that was computed then, or if nobody has computed anything yet. While
/// two primaries serve, each has an expiry of its own, and so one of each is counted for one.
pub(crate) fn expiries(computations: &[Computation]) -> Vec<Expiry> {
    let mut expiries: Vec<Expiry> = Vec::new();
    let mut lasts: Option<u64> = None;
    for computation in computations {
        match expiries.last_mut() {
            Some(expiry) if lasts.is_none_or(|lasts| computation.began < lasts) => expiry.computations += 1,
            _ => {
                lasts = None;
                expiries.push(Expiry { from: computation.began, computations: 1 });
            }
        }
        if !computation.died {
            lasts = Some(lasts.map_or(computation.lasts(), |lasts| lasts.min(computation.lasts())));
        }
    }
    expiries
}

#[test]
fn computations_are_told_apart_by_expiry() {
    let of = |began: u64, ended: Option<u64>, died| Computation {
        entry: "hot".into(),
        process: 0,
        began: began * 1_000,
        ended: ended.map(|ended| ended * 1_000),
        died,
    };
    let once = [of(0, Some(200), false), of(1_200, Some(1_400), false), of(2_398, None, false)];
    let costs = |computations: &[Computation]| expiries(computations).iter().map(|it| it.computations).collect::<Vec<_>>();
    assert_eq!(costs(&once), [1, 1, 1]);
    let too_soon = [of(0, Some(200), false), of(1_190, Some(1_400), false)];
    assert_eq!(costs(&too_soon), [2]);
    let at_once = [of(0, None, false), of(100, Some(200), false), of(300, None, false), of(1_200, Some(1_400), false)];
    assert_eq!(costs(&at_once), [3, 1], "two of them never ended");
    let on_two =
        [of(0, Some(200), false), of(700, Some(900), false), of(1_200, Some(1_400), false), of(1_900, Some(2_100), false)];
    assert_eq!(costs(&on_two), [2, 2]);
    let dead = [of(0, None, true), of(3_000, Some(3_200), false), of(4_200, Some(4_400), false)];
    assert_eq!(costs(&dead), [2, 1], "the death costs one more");
    let in_vain = [of(0, Some(200), false), of(100, None, true), of(1_200, Some(1_400), false)];
    assert_eq!(costs(&in_vain), [2, 1]);
}
