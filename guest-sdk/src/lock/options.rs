//! How a lock behaves.

use std::time::Duration;

use crate::bindings::guest::bellwether::core::lock as wit;
use crate::time::millis;

/// How a lock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind {
    /// One key on one server, or on the primary that serves the key.
    #[default]
    Simple,
    /// The same, and a majority of that primary's replicas was seen to hold it too, so that it outlives a failover. Needs a lease,
    /// and a platform whose store has replicas.
    Quorum,
}

/// How a lock behaves. Every holder and waiter of one name should use the same options.
///
/// The default is a simple lock with a lease of 30 s that the host renews, and attempts at most 200 ms apart while waiting.
///
/// ```
/// # use {bellwether_guest::LockOptions, std::time::Duration};
/// let nightly = LockOptions::default().lease(Duration::from_secs(5)).retry(Duration::from_millis(50));
/// let until_released = LockOptions::default().no_lease();
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "options do nothing until a lock is opened with them"]
pub struct LockOptions {
    kind: Kind,
    lease: Option<Duration>,
    renew: bool,
    fair: bool,
    retry: Duration,
}

impl Default for LockOptions {
    fn default() -> Self {
        Self {
            kind: Kind::Simple,
            lease: Some(Duration::from_secs(30)),
            renew: true,
            fair: false,
            retry: Duration::from_millis(200),
        }
    }
}

impl LockOptions {
    /// How the lock is kept.
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// How long a holder that says nothing more keeps the lock, at least 1 ms.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = Some(lease);
        self
    }

    /// The lock is kept until it is released, even by a holder that is gone; so there is nothing to renew.
    pub fn no_lease(mut self) -> Self {
        self.lease = None;
        self.renew = false;
        self
    }

    /// Whether the host extends the lease for as long as the guard lives. Needs a lease.
    pub fn renew(mut self, renew: bool) -> Self {
        self.renew = renew;
        self
    }

    /// Whether waiters are served in the order in which they came.
    pub fn fair(mut self, fair: bool) -> Self {
        self.fair = fair;
        self
    }

    /// The longest pause between two attempts while waiting, in case no wake-up arrives: at least 1 ms, and less than the lease.
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = retry;
        self
    }
}

impl From<LockOptions> for wit::Options {
    fn from(options: LockOptions) -> Self {
        let LockOptions { kind, lease, renew, fair, retry } = options;
        let kind = match kind {
            Kind::Simple => wit::Kind::Simple,
            Kind::Quorum => wit::Kind::Quorum,
        };
        Self { kind, lease: lease.map(millis), renew, fair, retry: millis(retry) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_renewed_lease_of_30_s() {
        let options = wit::Options::from(LockOptions::default());
        assert_eq!(options.kind, wit::Kind::Simple);
        assert_eq!((options.lease, options.renew, options.fair, options.retry), (Some(30_000), true, false, 200));
    }

    #[test]
    fn each_option_reaches_the_contract() {
        let options = LockOptions::default().kind(Kind::Quorum).lease(Duration::from_millis(9)).renew(false).fair(true);
        let options = wit::Options::from(options.retry(Duration::from_millis(3)));
        assert_eq!(options.kind, wit::Kind::Quorum);
        assert_eq!((options.lease, options.renew, options.fair, options.retry), (Some(9), false, true, 3));
    }

    #[test]
    fn without_a_lease_nothing_is_renewed() {
        let options = wit::Options::from(LockOptions::default().no_lease());
        assert_eq!((options.lease, options.renew), (None, false));
    }
}
