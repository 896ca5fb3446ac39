//! What else is done to spare whoever computes values.

use std::time::Duration;

/// What is done beyond herd protection to spare whoever computes values. The default: nothing.
///
/// What depends on a failure is done where somebody says that a computation failed: [`Cache::get_or_try_insert_with`], that of the SDK
/// for guests, and [`Vacancy::computation_failed`], which is all that these do.
///
/// [`Cache::get_or_try_insert_with`]: super::Cache::get_or_try_insert_with
/// [`Vacancy::computation_failed`]: super::Vacancy::computation_failed
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tuning {
    /// By how much sooner than they would entries expire at most, each by chance, in percent of the time that they have: 0 to 99. What
    /// is set at one time then does not expire at one time.
    pub jitter: u8,
    /// How eagerly a reader computes a value anew before it expires, in percent; 0: not at all. The probability rises as the expiry
    /// comes near and with the time that it takes to compute the value, so a value that is read often hardly ever expires. 100 is the
    /// β = 1 of A. Vattani, F. Chierichetti, K. Lowenstein: Optimal Probabilistic Cache Stampede Prevention, PVLDB 8 (8), 2015. Needs
    /// herd protection, by which the others get the value meanwhile.
    pub refresh_ahead: u16,
    /// How long after its expiry an old value can still be given to who fails to compute a new one; it is not tried again for
    /// [`Herd::extend_timeout`]. An old value is kept at least that long, and served while it is kept and somebody computes. From 1 ms;
    /// needs herd protection.
    ///
    /// [`Herd::extend_timeout`]: super::Herd::extend_timeout
    pub stale_if_error: Option<Duration>,
    /// How long nobody tries again to compute a value where that failed, from 1 ms. Others are told the error's text meanwhile, or get
    /// the old value if there is one; if that ends sooner, the next one tries then. `None`: the next one tries at once.
    pub failures: Option<Duration>,
}
