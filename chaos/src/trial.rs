//! One run: servers of one topology, clients, faults, and the judgement.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use bellwether::lock::Locks;
use bellwether::store::{self, StoreOptions};
use tokio::runtime::Handle;

use crate::check::{Rules, Verdict, check};
use crate::client::{WORKERS, is_held};
use crate::clock::{millis, now};
use crate::fleet::{Fleet, Orders};
use crate::history::History;
use crate::kind::{Kind, Topology, lease, retry};
use crate::nemesis::{self, Deeds, schedule};
use crate::register::Register;
use crate::site::Site;

/// How many clients there are.
const CLIENTS: usize = 4;

/// How long all is left in peace at the end, so that whoever waits must get what he waits for.
const PEACE: Duration = Duration::from_secs(8);

/// How long after a release or the end of a lease one who waits may still be without the lock. In practice it is a few milliseconds; the rest
/// is for machines with other things to do.
const BOUND: u64 = millis(2000);

/// How long after its time an acquire may still be under way: two time-outs of the store, which are a second, and the rest for the same reason.
const PATIENCE: u64 = millis(3000);

/// How many who ask later may get a fair lock before one who waits for it: all other tasks twice, as the order is made on the server, and
/// a busy machine may have all places be taken anew. In practice it is three at most.
const PASSED: usize = 2 * (CLIENTS * WORKERS - 1);

/// How long clients may take to find servers that are well again.
const GRACE: u64 = millis(1500);

/// As long a lease outlasts whatever a busy machine does.
const STEADY: u64 = millis(2000);

/// How long half of those take at most whom a release wakes up. In practice it is a few milliseconds, and a few hundred if nobody is.
const WOKEN: u64 = millis(80);

/// In as much time somebody has a lock of each kind again, while servers are well. In practice it is a few milliseconds, and as much as a
/// lease where those of clients that were killed must end first.
const IDLE: u64 = millis(5000);

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    /// The servers.
    pub(crate) topology: Topology,
    /// The locks.
    pub(crate) kinds: Vec<Kind>,
    /// What the faults and the clients' choices come from.
    pub(crate) seed: u64,
    /// How long faults go on.
    pub(crate) time: Duration,
    /// The faults of servers there are to be; all if none is named.
    pub(crate) faults: Vec<String>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was found.
    pub(crate) verdict: Verdict,
    /// What happened.
    pub(crate) history: History,
    /// How often each fault was brought about.
    pub(crate) faults: BTreeMap<&'static str, u64>,
}

impl Trial {
    /// The faults there will be, a line each.
    pub(crate) fn plan(&self) -> String {
        let faults = schedule::faults(self.seed, self.topology, self.time, &self.faults);
        let mishaps = schedule::mishaps(self.seed, self.time);
        let head = format!("{}\n", self.topology.name());
        let faults = faults.iter().map(|step| format!("  servers: {step}\n"));
        let mishaps = mishaps.iter().map(|step| format!("  clients: {step}\n"));
        std::iter::once(head).chain(faults).chain(mishaps).collect()
    }

    /// Runs it.
    pub(crate) fn run(&self, runtime: &Handle) -> Result<Outcome> {
        let mut site = Site::start(self.topology, runtime)?;
        let register = Register::default();
        let port = runtime.block_on(register.serve())?;
        let locks: Vec<_> = self.kinds.iter().flat_map(|kind| kind.locks()).collect();
        let url = site.url();
        let orders = Orders { store: url.clone(), register: port, seed: self.seed, kinds: self.kinds.clone() };
        let mut fleet = Fleet::start(orders, CLIENTS)?;

        let end = Instant::now() + self.time;
        let faults = schedule::faults(self.seed, self.topology, self.time, &self.faults);
        let mishaps = schedule::mishaps(self.seed, self.time);
        let (mut deeds, pestered) = std::thread::scope(|scope| {
            let pestering = scope.spawn(|| nemesis::pester(&mut fleet, &mishaps, end));
            let deeds = nemesis::torment(&mut site, &faults, end);
            (deeds, pestering.join())
        });
        let mut counts = deeds.counts.clone();
        counts.extend(pestered.map_err(|_| anyhow!("the tormentor of clients has died"))??);
        std::thread::sleep(PEACE);
        deeds.look(&mut site);

        let until = Some(now());
        let (events, stuck) = fleet.finish()?;
        let left_over = if deeds.ended.is_some() { Vec::new() } else { runtime.block_on(left_over(&url, &locks))? };
        let (kinds, writes, Deeds { outages, failovers, ended, .. }) = (self.kinds.clone(), register.take(), deeds);
        let Fleet { stops, killed, crashed, .. } = fleet;
        let history =
            History { kinds, events, writes, outages, failovers, stops, until, killed, crashed, stuck, left_over, ended };
        Ok(Outcome { verdict: check(&history, &rules(self.topology)), history, faults: counts })
    }
}

/// By what a history of these servers is judged.
pub(crate) fn rules(topology: Topology) -> Rules {
    Rules {
        topology,
        bound: BOUND,
        patience: PATIENCE,
        passed: PASSED,
        grace: GRACE,
        steady: STEADY,
        is_patient: |lock| retry(lock) >= 10 * Duration::from_nanos(WOKEN),
        woken: WOKEN,
        idle: IDLE,
    }
}

/// The locks that are still held when every lease must have ended.
async fn left_over(url: &str, names: &[String]) -> Result<Vec<String>> {
    let locks = Locks::new(store::open(url, &StoreOptions::default()).await?);
    let mut left = Vec::new();
    for name in names {
        let Some(kind) = Kind::of(name) else { continue };
        let deadline = Instant::now() + lease(name) + Duration::from_nanos(PATIENCE);
        while is_held(kind, &locks, name).await? {
            if Instant::now() > deadline {
                left.push(name.clone());
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(left)
}
