//! How much a guest may have at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Limit;

/// How much of the host one guest may have at once. What goes beyond it is answered with `error.limit`.
///
/// What calls give is not counted, for nobody knows how large it is before it is there. While it is on its way to the guest, each
/// call in flight that reads one entry can hold what the store has of it and [`CacheLimits::value_bytes`]; each that reads many,
/// what the store has of them, [`CacheLimits::batch_bytes`] and one value more. Under the defaults all calls together can thus
/// hold more than a machine has: where guests are not trusted so far, lower `calls`, or the limits of the caches.
///
/// [`CacheLimits::value_bytes`]: crate::cache::CacheLimits::value_bytes
/// [`CacheLimits::batch_bytes`]: crate::cache::CacheLimits::batch_bytes
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Open locks of all kinds, guards, caches and vacancies, all together. A multi-lock and its guard count as much as their names are.
    /// 10,000 by default.
    pub resources: u64,
    /// Calls in flight. 10,000 by default.
    pub calls: u64,
    /// The arguments of the calls in flight, in bytes. 256 MiB by default.
    pub bytes: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { resources: 10_000, calls: 10_000, bytes: 256 << 20 }
    }
}

/// What is left of a guest's quotas.
#[derive(Debug)]
pub(super) struct Quota {
    resources: Arc<Pool>,
    calls: Arc<Pool>,
    bytes: Arc<Pool>,
}

impl Quota {
    pub(super) fn new(quotas: Quotas) -> Self {
        Self {
            resources: Pool::new("open locks, guards, caches and vacancies", quotas.resources),
            calls: Pool::new("calls in flight", quotas.calls),
            bytes: Pool::new("bytes of arguments in flight", quotas.bytes),
        }
    }

    /// Makes room for so many more locks, guards, caches or vacancies.
    pub(super) fn resources(&self, count: usize) -> Result<Share, Limit> {
        self.resources.take(count as u64)
    }

    /// Makes room for one more call, with arguments of so many bytes.
    pub(super) fn call(&self, bytes: usize) -> Result<CallShare, Limit> {
        Ok(CallShare { _call: self.calls.take(1)?, _bytes: self.bytes.take(bytes as u64)? })
    }
}

/// The share of one call; given back when dropped.
#[derive(Debug)]
pub(super) struct CallShare {
    _call: Share,
    _bytes: Share,
}

/// Part of a pool; given back when dropped.
#[derive(Debug)]
pub(super) struct Share {
    pool: Arc<Pool>,
    amount: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.pool.used.fetch_sub(self.amount, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Pool {
    what: &'static str,
    max: u64,
    used: AtomicU64,
}

impl Pool {
    fn new(what: &'static str, max: u64) -> Arc<Self> {
        Arc::new(Self { what, max, used: AtomicU64::new(0) })
    }

    fn take(self: &Arc<Self>, amount: u64) -> Result<Share, Limit> {
        let fits = |used: u64| used.checked_add(amount).filter(|&sum| sum <= self.max);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(Share { pool: Arc::clone(self), amount }),
            Err(_) => Err(Limit::Count { what: self.what, max: self.max }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let quota = Quota::new(Quotas { resources: 1, calls: 2, bytes: 10 });
        let resource = quota.resources(1).unwrap();
        assert!(matches!(quota.resources(1), Err(Limit::Count { max: 1, .. })));
        drop(resource);
        quota.resources(1).unwrap();

        let call = quota.call(6).unwrap();
        assert!(matches!(quota.call(5), Err(Limit::Count { max: 10, .. })), "too many bytes");
        let other = quota.call(4).unwrap();
        assert!(matches!(quota.call(0), Err(Limit::Count { max: 2, .. })), "the failed call took no share");
        drop((call, other));
        quota.call(10).unwrap();
        assert!(quota.call(usize::MAX).is_err());
    }
}
