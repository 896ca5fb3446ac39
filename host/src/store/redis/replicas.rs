//! Asks replicas whether a lock has arrived at them.
//!
//! Each replica has a connection that is kept, and in a cluster one on which it may be read from. One that cannot be asked, or that
//! serves the key no more, holds nothing, and raises a doubt about who the replicas are.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::FuturesUnordered;
use redis::{Pipeline, Value};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::fault::Fault;
use super::link::Link;
use super::topology::Topology;
use crate::error::{Error, Unavailable};
use crate::names::LockKeys;
use crate::store::{Copies, Replicas, Reply, Route, Survey, Token};

/// How long a replica that could not be asked is left alone.
const REST: Duration = Duration::from_millis(20);

/// What a time left may be short of.
const SLACK: Duration = Duration::from_millis(20);

/// What Redis calls the time left of a key without an end.
const FOR_EVER: i64 = -1;

/// Asks the replicas of a store's servers.
#[derive(Debug)]
pub(super) struct RedisReplicas {
    address: String,
    topology: Topology,
    timeout: Duration,
}

impl RedisReplicas {
    /// The replicas of these servers, which have this long for an answer.
    pub(super) fn new(address: String, topology: Topology, timeout: Duration) -> Self {
        Self { address, topology, timeout }
    }
}

impl Replicas for RedisReplicas {
    fn route(&self, lock: &LockKeys) -> Route {
        Route(self.topology.owner(lock.key()).number())
    }

    fn survey<'a>(&'a self, lock: &'a LockKeys, token: &'a Token, ends: Option<Instant>, route: Route) -> Box<dyn Survey + 'a> {
        let mut question = redis::pipe();
        question.cmd("GET").arg(lock.key()).cmd("PTTL").arg(lock.key());
        Box::new(Asking {
            replicas: self,
            lock,
            token,
            ends,
            begun: Instant::now(),
            question: Arc::new(question),
            route,
            seen: Vec::new(),
            answers: FuturesUnordered::new(),
            told: self.topology.told(),
        })
    }
}

/// A survey under way.
struct Asking<'a> {
    replicas: &'a RedisReplicas,
    lock: &'a LockKeys,
    token: &'a Token,
    ends: Option<Instant>,
    begun: Instant,
    question: Arc<Pipeline>,
    /// The connection to the primary over which the request went. When that ends, nobody knows what the next one leads to.
    route: Route,
    seen: Vec<Seen>,
    answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    told: watch::Receiver<()>,
}

/// A replica, and what it said.
struct Seen {
    link: Arc<Link>,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Asked,
    Holding,
    Missing,
    Failed(Instant),
}

/// What a replica has for the lock's key: who holds it, and the time left in ms.
type Answer = (Arc<Link>, Result<Option<(Vec<u8>, i64)>, Fault>);

impl Survey for Asking<'_> {
    fn ask(&mut self, doubtful: bool) {
        let topology = &self.replicas.topology;
        let now = Instant::now();
        let Some(Ok(followers)) = topology.followers(self.lock.key()) else { return topology.suspect() };
        if doubtful || followers.is_stale(now) {
            topology.suspect();
        }
        self.seen.retain(|seen| followers.replicas.iter().any(|link| Arc::ptr_eq(link, &seen.link)));
        for link in followers.replicas.iter() {
            let before = self.seen.iter_mut().find(|seen| Arc::ptr_eq(link, &seen.link));
            match before {
                Some(Seen { state: State::Asked | State::Holding, .. }) => continue,
                Some(Seen { state: State::Failed(when), .. }) if now < *when + REST => continue,
                Some(seen) => seen.state = State::Asked,
                None => self.seen.push(Seen { link: link.clone(), state: State::Asked }),
            }
            self.answers.push(ask(link.clone(), self.question.clone(), now + self.replicas.timeout).boxed());
        }
    }

    fn news(&mut self) -> Reply<'_, Copies> {
        async move {
            tokio::select! {
                Some((link, answer)) = self.answers.next() => self.take(&link, answer),
                Ok(()) = self.told.changed() => self.ask(false),
                else => std::future::pending().await,
            }
            self.count()
        }
        .boxed()
    }
}

impl Asking<'_> {
    fn take(&mut self, link: &Arc<Link>, answer: Result<Option<(Vec<u8>, i64)>, Fault>) {
        let state = match answer {
            Ok(Some((holder, left))) if holder == self.token.as_str().as_bytes() && self.lasts(left) => State::Holding,
            Ok(_) => State::Missing,
            Err(fault) => {
                tracing::debug!(lock = self.lock.name(), replica = %link.connector().target, ?fault, "a replica cannot be asked");
                self.replicas.topology.suspect();
                State::Failed(Instant::now())
            }
        };
        if let Some(seen) = self.seen.iter_mut().find(|seen| Arc::ptr_eq(&seen.link, link)) {
            seen.state = state;
        }
    }

    /// Whether this time left, in ms, is about what the holder counts on. What was granted for a moment and then confirmed arrives
    /// in two steps, and after the first one a replica would let go of the lock too soon. A tenth is for clocks that differ.
    fn lasts(&self, left: i64) -> bool {
        let wanted = self.ends.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()) * 9 / 10);
        u64::try_from(left).map_or(left == FOR_EVER, |left| Duration::from_millis(left).saturating_add(SLACK) >= wanted)
    }

    fn count(&self) -> Result<Copies, Error> {
        let topology = &self.replicas.topology;
        let followers = match topology.followers(self.lock.key()) {
            Some(Ok(followers)) => followers,
            Some(Err(fault)) => return final_only(fault.into_error(&self.replicas.address, self.lock.key())),
            None => return Ok(Copies::Unknown),
        };
        // Last, so that the followers are those of the primary of which this tells that it still is one.
        let primary = topology.owner(self.lock.key()).open();
        if primary.is_none_or(|live| Route(live.number()) != self.route) {
            return Ok(Copies::Moved);
        }
        let holds =
            |link: &&Arc<Link>| self.seen.iter().any(|seen| seen.state == State::Holding && Arc::ptr_eq(&seen.link, link));
        Ok(Copies::Counted {
            replicas: followers.replicas.len(),
            holding: followers.replicas.iter().filter(holds).count(),
            most: followers.most,
            fresh: followers.asked >= self.begun,
        })
    }
}

impl Drop for Asking<'_> {
    /// Whether a replica ever answers has to be found out even if nobody waits for it, or its connection would never be made anew.
    fn drop(&mut self) {
        if let (false, Ok(runtime)) = (self.answers.is_empty(), Handle::try_current()) {
            let mut answers = std::mem::take(&mut self.answers);
            runtime.spawn(async move { while answers.next().await.is_some() {} });
        }
    }
}

async fn ask(link: Arc<Link>, question: Arc<Pipeline>, deadline: Instant) -> Answer {
    let reply = async {
        let replies = link.live(deadline).await?.send_all(&question, deadline).await?;
        match <[Value; 2]>::try_from(replies) {
            Ok([Value::BulkString(holder), Value::Int(left)]) => Ok(Some((holder, left))),
            Ok([Value::ServerError(error), _] | [_, Value::ServerError(error)]) => Err(Fault::Answer(error)),
            _ => Ok(None),
        }
    };
    let reply = reply.await;
    (link, reply)
}

/// An error that asking again may change is none yet.
fn final_only(error: Error) -> Result<Copies, Error> {
    match error {
        Error::Unavailable(Unavailable { why, .. }) if why.is_passing() => Ok(Copies::Unknown),
        error => Err(error),
    }
}
