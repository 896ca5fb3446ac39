//! What can happen to a lock.

use proptest::prelude::*;

/// Who uses the lock: a number below [`USERS`].
pub(crate) type User = usize;

pub(crate) const USERS: usize = 6;

/// For how long, in seconds. What is there by real time does not end within the test, and differs by more than the test takes.
pub(crate) const LEASES: [Option<u64>; 3] = [None, Some(40), Some(80)];

/// For how long a place is kept, in seconds.
pub(crate) const KEPT: [u64; 2] = [120, 240];

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// With a new token or with the same again.
    Attempt {
        user: User,
        anew: bool,
        lease: Option<u64>,
        joins: bool,
        fair: bool,
    },
    /// Whoever holds the lock releases it; other programs do so in their way.
    HolderReleases,
    Release {
        user: User,
        withdraws: bool,
        next: Option<User>,
        yields: bool,
    },
    Renew {
        user: User,
        lease: Option<u64>,
    },
    Extend {
        user: User,
    },
    Adopt {
        from: User,
        to: User,
    },
    Break {
        user: User,
    },
    /// The lock's lease ends.
    LeaseEnds,
    /// Another program takes the lock if it is free.
    Stranger,
    /// The key of the fence holds this from here on, or nothing.
    Fence(Option<&'static str>),
    /// The server's clock moves on, or is set back, by so many seconds.
    Pass(i64),
}

/// None, as after a failover; one of before it was a time; one of a clock that was set back since; one with notes of before 0.2.0, whole
/// and without a sign; and what is none.
const FENCES: [Option<&str>; 5] =
    [None, Some("41"), Some("1800000100000000"), Some("1700000000000000 token-of-before-0.2.0"), Some("what")];

fn step() -> impl Strategy<Value = Step> {
    let user = || 0..USERS;
    let lease = || prop::sample::select(&LEASES[..]);
    prop_oneof![
        10 => (user(), prop::bool::weighted(0.7), lease(), prop::bool::weighted(0.7), prop::bool::weighted(0.3))
            .prop_map(|(user, anew, lease, joins, fair)| Step::Attempt { user, anew, lease, joins, fair }),
        8 => Just(Step::HolderReleases),
        1 => user().prop_map(|user| Step::Release { user, withdraws: false, next: None, yields: false }),
        2 => (user(), any::<bool>(), prop::option::of(user()), any::<bool>())
            .prop_map(|(user, withdraws, next, yields)| Step::Release { user, withdraws, next, yields }),
        1 => (user(), lease()).prop_map(|(user, lease)| Step::Renew { user, lease }),
        1 => user().prop_map(|user| Step::Extend { user }),
        1 => (user(), user()).prop_map(|(from, to)| Step::Adopt { from, to }),
        1 => user().prop_map(|user| Step::Break { user }),
        1 => Just(Step::LeaseEnds),
        1 => Just(Step::Stranger),
        1 => prop::sample::select(&FENCES[..]).prop_map(Step::Fence),
        2 => (-20_i64..300).prop_map(Step::Pass),
    ]
}

pub(crate) fn history() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 1..80)
}
