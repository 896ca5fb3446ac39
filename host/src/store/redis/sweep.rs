//! Walks over the keys of all servers, and again over those of some where keys can have gone past the walk: see [`coverage`].

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep};

use self::coverage::{Coverage, Walk};
use self::patience::{Patience, Round};
use self::slot_set::SlotSet;
use self::view::View;
use super::fault::Fault;
use super::link::{Link, Live};
use super::scan::Scan;
use super::slots::slot;
use super::wire::Wire;

mod coverage;
mod patience;
mod slot_set;
mod view;

/// What is done with the keys that are met.
pub(super) trait Visitor: Sync {
    /// Takes some keys. They can have been met before.
    fn visit(&self, keys: Vec<String>) -> impl Future<Output = Result<(), Fault>> + Send;

    /// Whether no more are wanted.
    fn is_over(&self) -> bool {
        false
    }
}

/// Has all keys visited that match the pattern and are there from the beginning to the end, whatever server they are on and go to. What
/// stands in the way is waited for as long as for the reply to a request.
pub(super) async fn sweep(wire: &Wire, pattern: &str, visitor: &impl Visitor) -> Result<(), Fault> {
    let sweep = Sweep { wire, pattern, visitor, step: Mutex::new(None) };
    let (begun, mut patience, mut coverage) = (Instant::now(), Patience::new(wire.timeout()), Coverage::new());
    loop {
        let (round, fault) = sweep.round(&mut coverage).await?;
        if visitor.is_over() || coverage.is_whole() {
            return Ok(());
        }
        let step = sweep.last_step().unwrap_or(begun);
        match patience.next(round, step, Instant::now()) {
            Some(pause) => sleep(pause).await,
            None => return Err(fault.unwrap_or_else(|| restless(&coverage.left()))),
        }
    }
}

/// Why there is no end though all nodes answer.
fn restless(left: &SlotSet) -> Fault {
    let (count, first) = (left.iter().count(), left.iter().next().unwrap_or_default());
    Fault::Unreachable(format!(
        "not all of it: {count} slots ({first} is one) went from node to node meanwhile, or its nodes do not agree on who has them; once that is \
         over (`redis-cli --cluster check` tells), do this again"
    ))
}

struct Sweep<'a, V> {
    wire: &'a Wire,
    pattern: &'a str,
    visitor: &'a V,
    /// When some server gave keys last.
    step: Mutex<Option<Instant>>,
}

/// A server that can be walked over.
struct Stop {
    link: Arc<Link>,
    live: Arc<Live>,
}

impl<V: Visitor> Sweep<'_, V> {
    /// Walks over the keys of all servers that may have some that were not met, side by side. What stood in the way comes with it.
    async fn round(&self, coverage: &mut Coverage) -> Result<(Round, Option<Fault>), Fault> {
        let (mut stops, mut views, mut fault) = (Vec::new(), Vec::new(), None);
        for answer in self.ask_all().await {
            match answer {
                // A node can have several names, and one that is in no cluster has no say.
                Ok((_, view)) if view.owners.is_empty() || views.iter().any(|known: &View| known.me == view.me) => {}
                Ok((stop, view)) => {
                    stops.push(stop);
                    views.push(view);
                }
                Err(why) if why.may_pass() => fault = Some(why),
                Err(why) => return Err(why),
            }
        }
        if let (true, None, Some(why)) = (stops.is_empty(), self.last_step(), &fault) {
            return Err(why.clone());
        }
        let walks = coverage.plan(&views, fault.is_none());
        let walked = walks.iter().filter_map(|walk| stops.get(walk.at).map(|stop| self.walk(stop, walk)));
        let mut gained = false;
        for (walk, after) in walks.iter().zip(try_join_all(walked).await?) {
            match (views.get(walk.at), after) {
                (Some(before), Ok(after)) => gained |= coverage.walked(walk, before, &after),
                (_, Err(why)) => fault = Some(why),
                (None, Ok(_)) => {}
            }
        }
        Ok((Round { walked: !walks.is_empty(), gained }, fault))
    }

    /// Asks all primaries what they have, and whom keys of theirs are on their way to.
    async fn ask_all(&self) -> Vec<Result<(Stop, View), Fault>> {
        let topology = self.wire.topology();
        let primaries = match topology.primaries(self.wire.deadline()).await {
            Ok(primaries) => primaries,
            Err(fault) => return vec![Err(fault)],
        };
        let mut answers = join_all(primaries.into_iter().map(|link| self.ask(link))).await;
        let views: Vec<_> = answers.iter().flatten().map(|(_, view)| view).collect();
        let receivers = views.iter().flat_map(|view| &view.receivers);
        let unknown = receivers.filter(|(id, _)| !views.iter().any(|view| view.me == **id));
        let links: Vec<_> = unknown.filter_map(|(_, endpoint)| topology.importing(endpoint)).collect();
        answers.extend(join_all(links.into_iter().map(|link| self.ask(link))).await);
        answers
    }

    async fn ask(&self, link: Arc<Link>) -> Result<(Stop, View), Fault> {
        let deadline = self.wire.deadline();
        let live = link.live(deadline).await?;
        let view = View::of(self.wire.topology(), &link, &live, deadline).await?;
        Ok((Stop { link, live }, view))
    }

    /// Walks over the keys of one server. Gives what it says afterwards, or what stands in the way for the moment.
    async fn walk(&self, stop: &Stop, walk: &Walk) -> Result<Result<View, Fault>, Fault> {
        match self.pages(stop, &walk.slots()).await {
            Err(fault) if !fault.may_pass() => Err(fault),
            outcome => Ok(outcome),
        }
    }

    async fn pages(&self, stop: &Stop, slots: &SlotSet) -> Result<View, Fault> {
        let Self { wire, pattern, visitor, .. } = self;
        let mut scan = Scan::new(wire, &stop.link, &stop.live, pattern);
        while let Some(mut keys) = scan.next().await? {
            *self.step.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            if *slots != SlotSet::ALL {
                keys.retain(|key| slots.contains(slot(key)));
            }
            if !keys.is_empty() {
                visitor.visit(keys).await?;
            }
            if visitor.is_over() {
                break;
            }
        }
        View::of(wire.topology(), &stop.link, &stop.live, wire.deadline()).await
    }

    fn last_step(&self) -> Option<Instant> {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
