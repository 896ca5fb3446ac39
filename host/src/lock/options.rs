//! How a lock behaves, as its user says it and as it was checked.

use std::time::Duration;

use super::quorum::Quorum;
use super::waiter::PLACES;
use crate::clock::Span;
use crate::error::Invalid;

/// How a lock is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// One key on one server, or on the primary that serves the key.
    #[default]
    Simple,
    /// The same, and a majority of that primary's replicas was seen to hold it too before it counts as acquired (or as many as
    /// [`super::Locks::with_quorum`] says), so that it outlives a failover. Time that is added later counts only once they have heard
    /// of it too. Needs a lease, and a store that has replicas: a Redis Cluster, a primary behind Sentinel, or a single server that
    /// others copy.
    Quorum,
}

/// How a lock behaves. Every holder and waiter of one name should use the same options.
///
/// The default is a simple lock with a lease of 30 s that is renewed, not fair, tried again at least every 200 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockOptions {
    /// How the lock is kept.
    pub kind: Kind,
    /// How long a holder that says nothing more keeps the lock, at least 1 ms; `None` until it is released.
    pub lease: Option<Duration>,
    /// Whether the lease is extended for as long as the guard lives. Needs a lease.
    pub renew: bool,
    /// Whether waiters are served in the order in which they came, over all processes. If not, a process may pass the lock on
    /// among its own waiters, a few times in a row while others wait, which is faster.
    ///
    /// Read-write locks and semaphores are always given in order. Of these it says whether each who waits has a place in that order at
    /// once. If not, the first 16 of a process have, and those behind them one after the other, as these are served: however many wait
    /// in a process, others wait for 16 of them.
    pub fair: bool,
    /// The longest pause between two attempts while waiting, in case nobody tells that the lock was granted, as after the release by
    /// another program: at least 1 ms, and less than the lease; over 2 s counts as 2 s. All waiters of one process share these
    /// attempts. A waiter whose process is stopped, or cut off without a word, keeps its place in the queue for three of them and
    /// half a second.
    pub retry: Duration,
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

/// Options that were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) lease: Option<Span>,
    /// Only with a lease.
    pub(super) renew: bool,
    pub(super) fair: bool,
    /// How many waiters of this process have places of their own in the store's queue, if it is fair.
    pub(super) places: usize,
    /// The longest pause between two requests while waiting; less than the lease.
    pub(super) pulse: Span,
    /// How long a place in the store's queue lasts without a request, and a grant until it is confirmed.
    pub(super) kept: Span,
    /// Only for a lock of kind quorum, and only with a lease.
    pub(super) quorum: Option<Quorum>,
    /// Whether it is taken along with others, by a lock over several names.
    pub(super) among_several: bool,
}

/// The longest pause between two requests while waiting, whatever the options say: a waiter that is stopped, or cut off without a
/// word, keeps its place for a few of them.
const LONGEST_PULSE: Duration = Duration::from_secs(2);

/// What a request may be late before its place is lost.
pub(super) const LATENESS: Duration = Duration::from_millis(500);

impl Terms {
    /// Checks options. `quorum` is what a lock of that kind needs here.
    pub(super) fn parse(options: LockOptions, quorum: Quorum) -> Result<Self, Invalid> {
        let lease = options.lease.map(|lease| Span::new("lease", lease)).transpose()?;
        let retry = Span::new("retry", options.retry)?;
        match lease {
            Some(lease) if retry >= lease => {
                return Err(Invalid::Retry { retry: retry.duration(), lease: lease.duration() });
            }
            None if options.kind == Kind::Quorum => return Err(Invalid::QuorumWithoutLease),
            None if options.renew => return Err(Invalid::RenewWithoutLease),
            _ => {}
        }
        let pulse = Span::new("retry", options.retry.min(LONGEST_PULSE))?;
        let kept = Span::new("retry", 3 * pulse.duration() + LATENESS)?;
        let quorum = (options.kind == Kind::Quorum).then_some(quorum);
        Ok(Self {
            lease,
            renew: options.renew,
            fair: options.fair,
            places: usize::MAX,
            pulse,
            kept,
            quorum,
            among_several: false,
        })
    }

    /// Checks options of a lock that many can hold.
    pub(super) fn shared(options: LockOptions) -> Result<Self, Invalid> {
        if options.kind == Kind::Quorum {
            let what = "a read-write lock or semaphore of kind quorum";
            return Err(Invalid::NotYet { what, instead: "use kind simple" });
        }
        let places = if options.fair { usize::MAX } else { PLACES };
        Ok(Self { fair: true, places, ..Self::parse(options, Quorum::default())? })
    }

    /// How the lock is kept.
    pub(super) const fn kind(&self) -> Kind {
        if self.quorum.is_some() { Kind::Quorum } else { Kind::Simple }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn parse(change: impl FnOnce(&mut LockOptions)) -> Result<Terms, Invalid> {
        let mut options = LockOptions::default();
        change(&mut options);
        Terms::parse(options, Quorum::All)
    }

    #[test]
    fn what_can_work_is_taken() {
        assert!(parse(|o| o.fair = true).is_ok_and(|terms| terms.fair));
        assert!(parse(|o| (o.lease, o.renew) = (None, false)).is_ok());
        assert!(parse(|o| (o.lease, o.retry) = (Some(2 * MS), MS)).is_ok());
        assert!(parse(|o| o.kind = Kind::Quorum).is_ok_and(|terms| terms.quorum == Some(Quorum::All)));
        assert!(parse(|_| {}).is_ok_and(|terms| terms.quorum.is_none()));
    }

    #[test]
    fn what_cannot_work_is_refused_with_what_is_wrong() {
        assert_eq!(parse(|o| o.lease = Some(Duration::ZERO)), Err(Invalid::TooShort { what: "lease" }));
        assert_eq!(parse(|o| o.lease = Some(MS / 2)), Err(Invalid::TooShort { what: "lease" }));
        assert!(matches!(parse(|o| o.lease = Some(Duration::MAX)), Err(Invalid::TooLong { what: "lease", .. })));
        assert_eq!(parse(|o| o.retry = Duration::ZERO), Err(Invalid::TooShort { what: "retry" }));
        let same = Duration::from_secs(30);
        assert_eq!(parse(|o| o.retry = same), Err(Invalid::Retry { retry: same, lease: same }));
        assert_eq!(parse(|o| o.lease = None), Err(Invalid::RenewWithoutLease));
        assert_eq!(parse(|o| (o.kind, o.lease) = (Kind::Quorum, None)), Err(Invalid::QuorumWithoutLease));
    }
}
