//! How long to pause before trying again. Random numbers come from the caller, so the rules can be tested.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The pause after the `failures`th failure in a row: doubling from 50 ms up to 2 s, half of it at random, so that those who were
/// cut off together do not come back together.
pub(crate) fn back_off(failures: u32, random: u64) -> Duration {
    const FIRST: Duration = Duration::from_millis(50);
    const MOST: Duration = Duration::from_secs(2);
    let doublings = failures.saturating_sub(1).min(6);
    jittered((FIRST * (1 << doublings)).min(MOST), random)
}

/// Between a half and the whole of `most`.
pub(crate) fn jittered(most: Duration, random: u64) -> Duration {
    let half = most / 2;
    // The upper 32 bits as a fraction of 1.
    let fraction = f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    half + half.mul_f64(fraction)
}

/// A random number, good enough for pauses and for nothing else.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        assert_eq!(back_off(1, 0), Duration::from_millis(25));
        assert_eq!(back_off(1, u64::MAX), Duration::from_millis(50));
        assert_eq!(back_off(3, u64::MAX), Duration::from_millis(200));
        assert_eq!(back_off(u32::MAX, u64::MAX), Duration::from_secs(2));
        assert_ne!(random(), random());
    }
}
