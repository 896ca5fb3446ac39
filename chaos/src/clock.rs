//! The clock that all processes of this machine share.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock: the same in every process, never set, and asked of the kernel past whatever pretends to be
/// the C library's clock.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// Milliseconds as nanoseconds.
pub(crate) const fn millis(count: u64) -> u64 {
    count * 1_000_000
}
