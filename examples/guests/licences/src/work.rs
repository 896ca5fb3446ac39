//! The work itself: what is in the cache is taken from there, and what is not is computed by one process at a time.

use std::collections::BTreeMap;

use bellwether_guest::{Cache, Error, Guard, Lock, LockOptions, Result, cbor, join_at_most};

use crate::args::Args;
use crate::closure::Closure;
use crate::graph::{Graph, Id, Inputs};

/// All closures of a document, and how they were come by.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) closures: BTreeMap<Id, Closure>,
    /// How many were computed here.
    pub(crate) computed: usize,
    /// How many were in the cache at first sight.
    pub(crate) cached: usize,
    /// How many another process computed in the meantime.
    pub(crate) shared: usize,
    /// The size of all values as CBOR, before the cache's own stages.
    pub(crate) value_bytes: usize,
}

/// Packages with equal inputs: one call asks for all of them, and one lock guards their computation.
struct Group<'a> {
    graph: &'a Graph,
    cache: Cache,
    lock: Lock,
    keys: BTreeMap<Id, String>,
}

/// How a group's closures were come by.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Origin {
    Cache,
    Others,
    Here,
}

type Found = Vec<(Id, Origin, Closure)>;

/// The closure of every package.
pub(crate) async fn closures(graph: &Graph, cache: &Cache, args: &Args) -> Result<Outcome> {
    let mut by_inputs: BTreeMap<&Inputs, Vec<Id>> = BTreeMap::new();
    for (id, package) in graph.iter() {
        by_inputs.entry(&package.inputs).or_default().push(id);
    }
    let groups = by_inputs.into_iter().map(|(inputs, ids)| Group::new(graph, cache, &args.tenant, inputs, &ids));
    let groups = groups.collect::<Result<Vec<_>>>()?;

    let first = join_at_most(args.jobs, groups.iter().map(Group::visit)).await;
    let mut outcome = Outcome::default();
    let mut busy = Vec::new();
    for (group, visit) in groups.iter().zip(first) {
        let (found, complete) = visit?;
        outcome.add(found)?;
        if !complete {
            busy.push(group);
        }
    }
    // What somebody else was computing comes last, when it is most likely done.
    for found in join_at_most(args.jobs, busy.into_iter().map(Group::wait)).await {
        outcome.add(found?)?;
    }
    Ok(outcome)
}

impl<'a> Group<'a> {
    fn new(graph: &'a Graph, cache: &Cache, tenant: &str, inputs: &Inputs, ids: &[Id]) -> Result<Self> {
        let lock = format!("licences of {tenant}/{}", inputs.digest());
        Ok(Self {
            graph,
            cache: cache.with_content(inputs)?,
            lock: Lock::open(&lock, LockOptions::default())?,
            keys: ids.iter().map(|id| (*id, format!("{tenant}/{}", graph.get(*id).label()))).collect(),
        })
    }

    /// Takes what is in the cache, and computes the rest unless somebody else is just doing that. False if it is not complete.
    async fn visit(&self) -> Result<(Found, bool)> {
        let found = self.look(Origin::Cache).await?;
        if found.len() == self.keys.len() {
            return Ok((found, true));
        }
        match self.lock.try_acquire().await? {
            Some(guard) => Ok((self.complete(guard).await?, true)),
            None => Ok((Vec::new(), false)),
        }
    }

    /// Waits for whoever is computing.
    async fn wait(&self) -> Result<Found> {
        self.complete(self.lock.acquire().await?).await
    }

    /// With the lock: looks again, since the one who held it before has left the values there, and computes what is missing.
    async fn complete(&self, guard: Guard) -> Result<Found> {
        let mut found = self.look(Origin::Others).await?;
        let missing: Vec<_> = self.keys.iter().filter(|(id, _)| !found.iter().any(|(other, ..)| other == *id)).collect();
        if !missing.is_empty() {
            let computed: Vec<_> = missing.into_iter().map(|(id, key)| (*id, key, Closure::of(*id, self.graph))).collect();
            self.cache.set_many(computed.iter().map(|(_, key, closure)| (key, closure))).await?;
            found.extend(computed.into_iter().map(|(id, _, closure)| (id, Origin::Here, closure)));
        }
        match guard.release().await {
            // The lease ended meanwhile, and somebody else may have computed the same. That cost time and nothing else.
            Err(Error::NotHeld) => Ok(found),
            released => released.map(|()| found),
        }
    }

    async fn look(&self, origin: Origin) -> Result<Found> {
        let closures = self.cache.get_many(self.keys.values()).await?;
        let found = self.keys.keys().zip(closures).filter_map(|(id, closure)| Some((*id, origin, closure?)));
        Ok(found.collect())
    }
}

impl Outcome {
    fn add(&mut self, found: Found) -> Result<()> {
        for (id, origin, closure) in found {
            *match origin {
                Origin::Cache => &mut self.cached,
                Origin::Others => &mut self.shared,
                Origin::Here => &mut self.computed,
            } += 1;
            self.value_bytes += cbor::encode(&closure)?.len();
            self.closures.insert(id, closure);
        }
        Ok(())
    }
}
