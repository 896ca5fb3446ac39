//! Brings about the faults of a schedule.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::clock::now;
use crate::fleet::Fleet;
use crate::history::{Failover, Outage, Span};
use crate::kind::TAGS;
use crate::network::{Effect, Whose};
use crate::site::Site;

pub(crate) mod schedule;

use schedule::{Fault, Mishap, Role, Step};

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    /// How often each fault was brought about.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// When servers or the network were not well.
    pub(crate) outages: Vec<Outage>,
    /// When primaries changed.
    pub(crate) failovers: Vec<Failover>,
    /// Why it ended early, if it did.
    pub(crate) ended: Option<String>,
    /// When the primaries were looked at last, and what was seen.
    seen: Option<(u64, Vec<Option<String>>)>,
}

impl Deeds {
    /// Looks whether primaries have changed since the last time. They may do so at any time: a busy machine is silent for as long as a fault.
    pub(crate) fn look(&mut self, site: &mut Site) {
        let (to, terms) = (now(), TAGS.map(|tag| site.term(tag).ok()).to_vec());
        if let Some((from, before)) = self.seen.replace((to, terms.clone())) {
            for (tag, (before, after)) in TAGS.into_iter().zip(before.into_iter().zip(terms)) {
                // What cannot be told may be another one.
                if before.is_none() || before != after {
                    self.failovers.push(Failover { tag: tag.to_owned(), span: Span { from, to } });
                }
            }
        }
    }
}

/// Torments servers until `end`.
pub(crate) fn torment(site: &mut Site, steps: &[Step<Fault>], end: Instant) -> Deeds {
    let mut deeds = Deeds::default();
    deeds.look(site);
    for step in steps {
        if !rest(step.after, end) {
            break;
        }
        let lock = TAGS.get(step.whose % TAGS.len()).copied().unwrap_or_default();
        deeds.look(site);
        let from = now();
        let done = afflict(site, step, lock, end);
        let fault = step.what.name().to_owned();
        deeds.outages.push(Outage { fault: fault.clone(), span: Span { from, to: now() } });
        deeds.look(site);
        *deeds.counts.entry(step.what.name()).or_default() += 1;
        if let Err(why) = done {
            deeds.ended = Some(format!("after {}: {why:#}", step.what.name()));
            // Nobody can tell when they will be well again.
            deeds.outages.push(Outage { fault, span: Span { from: now(), to: u64::MAX } });
            break;
        }
    }
    deeds
}

/// Torments clients until `end`.
pub(crate) fn pester(fleet: &mut Fleet, steps: &[Step<Mishap>], end: Instant) -> Result<BTreeMap<&'static str, u64>> {
    let mut counts = BTreeMap::new();
    for step in steps {
        if !rest(step.after, end) {
            break;
        }
        let done = match step.what {
            Mishap::Stop => fleet.stop(step.whose, step.lasts).map(|()| true),
            Mishap::Kill => fleet.replace(step.whose).map(|()| true),
            Mishap::StepClock(seconds) => fleet.step_clock(seconds),
        }?;
        *counts.entry(step.what.name()).or_default() += u64::from(done);
    }
    Ok(counts)
}

/// One fault, from its beginning until all are well again.
fn afflict(site: &mut Site, step: &Step<Fault>, lock: &str, end: Instant) -> Result<()> {
    let shard = site.shard(lock)?;
    // Of the replicas the last, as the first takes over where that is asked for.
    let watching = Site::sentinel(step.whose);
    let place = |role| match role {
        Role::Primary => shard.first().copied().unwrap_or(0),
        Role::Replica => shard.last().copied().unwrap_or(0),
        Role::Sentinel => watching,
    };
    let number = |role| u8::try_from(place(role));
    match step.what {
        Fault::Kill(role) => site.server(place(role))?.kill(),
        Fault::Pause(role) => site.server(place(role))?.pause()?,
        Fault::Failover(how, behind) => {
            site.network().set(&[(Whose::FromServersTo(number(Role::Primary)?), Effect::Delay(behind))]);
            rest(behind, end);
            site.failover(lock, how)?;
        }
        Fault::Partition(role) => {
            let cut = number(role)?;
            site.network().set(&[(Whose::To(cut), Effect::Hold), (Whose::From(cut), Effect::Hold)]);
        }
        Fault::Split => {
            let cut = number(Role::Primary)?;
            let clients = (Whose::FromClientsTo(cut), Effect::Halve);
            site.network().set(&[(Whose::FromPeersTo(cut), Effect::Hold), (Whose::From(cut), Effect::Hold), clients]);
        }
        Fault::Delay(role, time) => {
            let (slow, effect) = (number(role)?, Effect::Delay(time));
            site.network().set(&[(Whose::To(slow), effect), (Whose::From(slow), effect)]);
        }
        Fault::SlowReplicas(time) => {
            site.network().set(&[(Whose::FromServersTo(number(Role::Primary)?), Effect::Delay(time))]);
        }
        Fault::KillAhead(time) => {
            site.network().set(&[(Whose::FromServersTo(number(Role::Primary)?), Effect::Delay(time))]);
            rest(time, end);
            site.server(place(Role::Primary))?.kill();
        }
        Fault::KillUnwatched => {
            site.server(Site::sentinel(0))?.kill();
            site.server(place(Role::Primary))?.kill();
        }
        Fault::Blind => site.network().set(&[(Whose::FromSentinels, Effect::Hold)]),
        Fault::Reset(role, after) => {
            site.network().set(&[(Whose::FromClientsTo(number(role)?), Effect::Reset(after))]);
        }
        Fault::Full => site.server(place(Role::Primary))?.command(&["CONFIG", "SET", "maxmemory", "1"])?,
    }
    rest(step.lasts, end);
    let touched: Vec<_> = shard.into_iter().chain(site.sentinels()).collect();
    site.recover(&touched)
}

/// Sleeps, at most until `end`; false if that has come.
fn rest(time: Duration, end: Instant) -> bool {
    let left = end.saturating_duration_since(Instant::now());
    std::thread::sleep(time.min(left));
    time < left
}
