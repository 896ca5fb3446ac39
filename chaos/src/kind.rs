//! The kinds of locks that are put to the test, and what each of them promises where.

use std::sync::Arc;
use std::time::Duration;

use bellwether::error::{Error, Invalid};
use bellwether::lock::{self, LockOptions, Locks};
use bellwether::store::memory::MemoryStore;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// How long a holder that says nothing more keeps its lock.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// The same for holders who never renew it: short, so that many of them can see its end without keeping the lock from all others.
pub(crate) const FIXED_LEASE: Duration = Duration::from_millis(250);

/// The same for the last lock of each kind, which holders keep for longer: longer than a failover takes, as leases are in practice.
/// What a failover forgets shows only there, as shorter leases have ended before a replica is in the place of its primary.
const LONG_LEASE: Duration = Duration::from_secs(4);

/// The longest pause between two attempts of those who renew; others make shorter ones.
const RETRY: Duration = Duration::from_millis(100);

/// The same for the lock with the long lease: so long that who is not woken up is seen to come late.
const LONG_RETRY: Duration = Duration::from_secs(1);

/// What tells the locks of one kind apart. In a cluster these are on three shards, and locks of all kinds meet the same faults there.
pub(crate) const TAGS: [&str; 3] = ["{a}", "{b}", LONG];

/// How many permits semaphores have.
pub(crate) const PERMITS: u32 = 2;

/// How many names there are for each tag, of a kind that takes several at once.
const NAMES: usize = 3;

/// The last of them.
const LONG: &str = "{c}";

/// A kind of lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// One key on one server.
    Simple,
    /// The same, and served in the order of arrival.
    Fair,
    /// The same as simple, and a majority of the replicas has it too.
    Quorum,
    /// Many readers or one writer.
    Rw,
    /// So many holders.
    Semaphore,
    /// Several names at once; others take one of them as a simple lock.
    Several,
}

/// What the servers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Topology {
    /// One server, which writes every change to disk before it answers.
    Single,
    /// A primary with two replicas, watched by three Sentinels.
    Sentinel,
    /// A Redis Cluster of three primaries with two replicas each.
    Cluster,
}

impl Kind {
    /// Its name, which its locks' names begin with.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Fair => "fair",
            Self::Quorum => "quorum",
            Self::Rw => "rw",
            Self::Semaphore => "semaphore",
            Self::Several => "several",
        }
    }

    /// The kind of a lock.
    pub(crate) fn of(lock: &str) -> Option<Self> {
        let (kind, _) = lock.split_once('-')?;
        Self::value_variants().iter().copied().find(|known| known.name() == kind)
    }

    /// The names of its locks.
    pub(crate) fn locks(self) -> Vec<String> {
        TAGS.iter().flat_map(|tag| self.locks_of(tag)).collect()
    }

    fn locks_of(self, tag: &str) -> Vec<String> {
        match self {
            Self::Several => (0..NAMES).map(|number| format!("{}-{number}{tag}", self.name())).collect(),
            _ => vec![format!("{}-{tag}", self.name())],
        }
    }

    /// What one holder takes at once.
    pub(crate) fn choose(self, random: &mut fastrand::Rng) -> Vec<String> {
        let tag = random.choice(TAGS).unwrap_or(LONG);
        let mut locks = self.locks_of(tag);
        random.shuffle(&mut locks);
        // One alone as often as any number of them.
        locks.truncate(random.usize(1..=locks.len()));
        locks
    }

    /// What the lock is taken together with: who has one of these may wait for another of them.
    pub(crate) fn company(self, lock: &str) -> &str {
        match (self, lock.find('{')) {
            (Self::Several, Some(at)) => lock.get(at..).unwrap_or(lock),
            _ => lock,
        }
    }

    /// Whether its locks are given in the order of arrival.
    pub(crate) fn is_fair(self) -> bool {
        matches!(self, Self::Fair | Self::Rw | Self::Semaphore)
    }

    /// How its locks behave.
    pub(crate) fn options(self, lock: &str, renew: bool) -> LockOptions {
        let kind = if self == Self::Quorum { lock::Kind::Quorum } else { lock::Kind::Simple };
        // Two that wait in one process keep their places for different times, and neither may end the other's.
        let retry = if renew { retry(lock) } else { RETRY / 10 };
        let lease = Some(if renew { lease(lock) } else { FIXED_LEASE });
        LockOptions { kind, lease, renew, fair: self == Self::Fair, retry }
    }

    /// Whether this build has the kind.
    pub(crate) fn is_built(self) -> bool {
        let opened = Locks::new(Arc::new(MemoryStore::new())).open("probe", self.options("probe", true));
        // That this store cannot keep it says nothing of others.
        !matches!(opened, Err(Error::Invalid(Invalid::NotYet { .. })))
    }

    /// Whether it can work there at all.
    pub(crate) fn works_on(self, topology: Topology) -> bool {
        self != Self::Quorum || topology != Topology::Single
    }

    /// Whether no two may ever hold one lock there at once, whatever fails. Elsewhere it is counted how often two do.
    pub(crate) fn excludes_on(self, topology: Topology) -> bool {
        self == Self::Quorum || topology == Topology::Single
    }
}

/// The lease of a lock that is renewed.
pub(crate) fn lease(lock: &str) -> Duration {
    if lock.ends_with(LONG) { LONG_LEASE } else { LEASE }
}

/// The longest pause between two attempts to get a lock, of those who renew it.
pub(crate) fn retry(lock: &str) -> Duration {
    if lock.ends_with(LONG) { LONG_RETRY } else { RETRY }
}

impl Topology {
    /// Its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Sentinel => "sentinel",
            Self::Cluster => "cluster",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_lock_tells_its_kind() {
        for kind in Kind::value_variants() {
            assert!(kind.locks().iter().all(|lock| Kind::of(lock) == Some(*kind)));
        }
        assert_eq!(Kind::of("what"), None);
    }
}
