//! Which faults there are to be, and when: all chosen beforehand, from a seed and nothing else.

use std::fmt;
use std::time::Duration;

use crate::kind::{LEASE, TAGS, Topology};
use crate::site::Failover;

/// A fault of servers or of the network. Its server is chosen by the part it plays at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Killed, and started again at the end.
    Kill(Role),
    /// Stopped in its tracks, and let go on at the end.
    Pause(Role),
    /// A replica takes over while the primary is well; replicas hear of changes so much later.
    Failover(Failover, Duration),
    /// Nothing reaches it and nothing leaves it.
    Partition(Role),
    /// A primary loses its peers and half of its clients; the other half go on writing to it.
    Split,
    /// Everything to and from it comes later.
    Delay(Role, Duration),
    /// Replicas hear of changes later.
    SlowReplicas(Duration),
    /// The primary is killed when replicas hear of changes later: what it did last is lost to them.
    KillAhead(Duration),
    /// The primary is killed, and so is the Sentinel that clients ask first.
    KillUnwatched,
    /// No Sentinel reaches any server.
    Blind,
    /// Connections of clients are reset after so many bytes of replies.
    Reset(Role, u32),
    /// It has no memory for anything new.
    Full,
}

/// A part that a server plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It takes the writes.
    Primary,
    /// It follows the primary.
    Replica,
    /// It watches the others; none has this part but behind Sentinel.
    Sentinel,
}

/// A fault of a client. Which client is meant is a number that is brought into range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mishap {
    /// Stopped, most of the time for longer than a lease, and let go on.
    Stop,
    /// Killed, and another one started.
    Kill,
    /// Its clock is set by so many seconds.
    StepClock(i32),
}

/// One thing to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step<T> {
    /// How long all is well before.
    pub(crate) after: Duration,
    /// What happens.
    pub(crate) what: T,
    /// To which lock's servers, or to which client.
    pub(crate) whose: usize,
    /// How long it lasts.
    pub(crate) lasts: Duration,
}

/// The faults of servers during `time`: those with these names, or all if none is named.
pub(crate) fn faults(seed: u64, topology: Topology, time: Duration, names: &[String]) -> Vec<Step<Fault>> {
    let mut random = fastrand::Rng::with_seed(seed.wrapping_mul(3).wrapping_add(topology as u64));
    let mut bag = Vec::new();
    fill(time, || {
        // Each comes up before any comes up again.
        if bag.is_empty() {
            bag = all(&mut random, topology);
            bag.retain(|fault| names.is_empty() || names.iter().any(|name| name == fault.name()));
            random.shuffle(&mut bag);
        }
        let what = bag.pop()?;
        let lasts = match what {
            // It happens at once; this is how long it is given.
            Fault::Failover(..) => 500,
            _ if topology == Topology::Single => random.u64(50..1500),
            // Two primaries take some time to come about.
            Fault::Split => random.u64(1500..5000),
            _ => random.u64(50..3500),
        };
        // Now and then for so long that who does not get what he waits for can be told from who comes late.
        let after = if random.u8(..4) == 0 { random.u64(4000..8000) } else { random.u64(200..1200) };
        Some(Step { after: ms(after), what, whose: random.usize(..TAGS.len()), lasts: ms(lasts) })
    })
}

/// The faults of clients during `time`.
pub(crate) fn mishaps(seed: u64, time: Duration) -> Vec<Step<Mishap>> {
    // Another stream of numbers than that of the servers.
    let mut random = fastrand::Rng::with_seed(!seed);
    let mut bag = Vec::new();
    fill(time, || {
        if bag.is_empty() {
            let step = Mishap::StepClock(if random.bool() { random.i32(1..4000) } else { -random.i32(1..4000) });
            bag = [[Mishap::Stop; 3], [Mishap::Kill; 3], [Mishap::Stop, Mishap::Stop, step]].concat();
            random.shuffle(&mut bag);
        }
        let what = bag.pop()?;
        let lease = u64::try_from(LEASE.as_millis()).unwrap_or(0);
        let lasts = if what == Mishap::Stop { random.u64(lease / 5..lease * 5 / 2) } else { 0 };
        Some(Step { after: ms(random.u64(200..1500)), what, whose: random.usize(..64), lasts: ms(lasts) })
    })
}

/// The faults of a topology, each as often as it is to come up beside the others.
fn all(random: &mut fastrand::Rng, topology: Topology) -> Vec<Fault> {
    let mut delay = || ms(random.u64(5..400));
    let mut faults = vec![
        Fault::Kill(Role::Primary),
        Fault::Pause(Role::Primary),
        Fault::Partition(Role::Primary),
        Fault::Delay(Role::Primary, delay()),
        Fault::Full,
    ];
    let (slow, ahead, forced, takeover) = (delay(), delay(), delay(), delay());
    faults.push(Fault::Reset(Role::Primary, random.u32(..200)));
    if topology == Topology::Single {
        faults.extend([Fault::Kill(Role::Primary), Fault::Reset(Role::Primary, random.u32(..2000))]);
        return faults;
    }
    faults.extend([
        Fault::Kill(Role::Replica),
        Fault::Pause(Role::Replica),
        Fault::Partition(Role::Replica),
        Fault::Split,
        Fault::Split,
        Fault::SlowReplicas(slow),
        Fault::KillAhead(ahead),
        Fault::Failover(Failover::Agreed, Duration::ZERO),
    ]);
    if topology == Topology::Sentinel {
        let watching = [Fault::Kill(Role::Sentinel), Fault::Pause(Role::Sentinel)];
        faults.extend(watching.into_iter().chain([Fault::KillUnwatched, Fault::Blind]));
    }
    if topology == Topology::Cluster {
        faults.extend([Fault::Failover(Failover::Forced, forced), Fault::Failover(Failover::Takeover, takeover)]);
    }
    faults
}

fn fill<T>(time: Duration, next: impl FnMut() -> Option<Step<T>>) -> Vec<Step<T>> {
    let mut filled = Duration::ZERO;
    let within = |step: &Step<T>| {
        filled += step.after + step.lasts;
        filled < time
    };
    std::iter::from_fn(next).take_while(within).collect()
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

impl Fault {
    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kill(Role::Primary) => "kill primary",
            Self::Kill(Role::Replica) => "kill replica",
            Self::Kill(Role::Sentinel) => "kill sentinel",
            Self::Pause(Role::Primary) => "stop primary",
            Self::Pause(Role::Replica) => "stop replica",
            Self::Pause(Role::Sentinel) => "stop sentinel",
            Self::Failover(Failover::Agreed, _) => "failover",
            Self::Failover(Failover::Forced, _) => "failover force",
            Self::Failover(Failover::Takeover, _) => "failover takeover",
            Self::Partition(Role::Primary) => "partition primary",
            Self::Partition(Role::Replica) => "partition replica",
            Self::Partition(Role::Sentinel) => "partition sentinel",
            Self::Split => "split",
            Self::Delay(..) => "delay",
            Self::SlowReplicas(_) => "slow replicas",
            Self::KillAhead(_) => "kill primary ahead",
            Self::KillUnwatched => "kill primary and sentinel",
            Self::Blind => "blind sentinels",
            Self::Reset(..) => "reset",
            Self::Full => "full memory",
        }
    }
}

impl Mishap {
    /// Its name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop client",
            Self::Kill => "kill client",
            Self::StepClock(_) => "step clock",
        }
    }
}

impl<T: fmt::Debug> fmt::Display for Step<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} (number {}) after {:?}, for {:?}", self.what, self.whose, self.after, self.lasts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_seed_repeats_the_same_faults() {
        for topology in [Topology::Single, Topology::Sentinel, Topology::Cluster] {
            assert_eq!(faults(7, topology, MINUTE, &[]), faults(7, topology, MINUTE, &[]));
            assert_ne!(faults(7, topology, MINUTE, &[]), faults(8, topology, MINUTE, &[]));
            let (short, long) = (faults(7, topology, MINUTE, &[]), faults(7, topology, 2 * MINUTE, &[]));
            assert_eq!(Some(short.as_slice()), long.get(..short.len()), "a longer run begins like a shorter one");
        }
        assert_eq!(mishaps(7, MINUTE), mishaps(7, MINUTE));
    }

    #[test]
    fn every_fault_comes_up() {
        let hour = 60 * MINUTE;
        let mut names: Vec<_> = faults(1, Topology::Cluster, hour, &[]).iter().map(|step| step.what.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 15);
        let sentinel = faults(1, Topology::Sentinel, hour, &[]);
        for watching in ["kill sentinel", "stop sentinel", "kill primary and sentinel", "blind sentinels"] {
            assert!(sentinel.iter().any(|step| step.what.name() == watching) && !names.contains(&watching), "{watching}");
        }
        let single = faults(1, Topology::Single, hour, &[]);
        let splits = faults(1, Topology::Cluster, hour, &["split".into()]);
        assert!(splits.iter().all(|step| step.what == Fault::Split) && !splits.is_empty());
        assert!(faults(1, Topology::Single, hour, &["split".into()]).is_empty());
        assert!(single.iter().all(|step| !matches!(step.what, Fault::Split | Fault::Failover(..) | Fault::Kill(Role::Replica))));
    }
}
