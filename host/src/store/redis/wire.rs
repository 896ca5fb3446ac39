//! Gets requests answered: by the right server, many in one round trip, and once more where that helps.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::{Pipeline, Value};
use tokio::time::{Instant, sleep_until};

use super::fault::Fault;
use super::link::{Link, Live};
use super::request::Request;
use super::topology::{Advice, Topology};

/// How long to wait for a cluster or server that said it is busy with itself; doubled each time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(160));

/// More redirections in a row than a cluster in order ever gives: then two nodes disagree, and need a moment.
const REDIRECTIONS: u32 = 4;

/// The most requests of one pipeline. More go in several, all sent before the first is answered, so that the server works on one while
/// the next is put together, and this process takes in the replies to one while the server works on the next. A third of what a cache
/// asks for at a time fits in one, also where three nodes do not have quite as many keys each.
const PIPELINE: usize = 192;

/// A way to have requests answered, within the time for them.
#[derive(Debug)]
pub(super) struct Wire {
    topology: Topology,
    timeout: Duration,
}

/// A request that has no final answer yet.
struct Pending<'a> {
    request: Request<'a>,
    /// Where a redirection leads.
    to: Option<Arc<Link>>,
    /// That server does not have the key yet and only serves who was sent there.
    asking: bool,
    /// The server did not have the script.
    load: bool,
    /// Why it was repeated over a new connection, which is done once.
    repeated: Option<Fault>,
    redirections: u32,
    /// What stood in the way last, in case time runs out.
    last: Option<Fault>,
    answer: Option<Result<Value, Fault>>,
}

impl Wire {
    /// A way to the servers of `topology` on which an operation may take `timeout`.
    pub(super) fn new(topology: Topology, timeout: Duration) -> Self {
        Self { topology, timeout }
    }

    /// The servers.
    pub(super) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// When an operation that begins now has to be over.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// How long an operation may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Has one request answered. Nearly always this is one exchange with one server.
    pub(super) async fn call(&self, request: &Request<'_>) -> Result<Value, Fault> {
        let deadline = self.deadline();
        let owner = self.topology.owner(request.key());
        let mut pending = match owner.open() {
            None => [Pending::new(*request)],
            Some(live) => match live.send(&request.command(), deadline).await {
                Ok(reply) if !matches!(reply, Value::ServerError(_)) => return Ok(reply),
                reply => {
                    let mut pending = Pending::new(*request);
                    self.settle(&mut pending, reply, &owner, Some(&live));
                    [pending]
                }
            },
        };
        // A box, as nearly all calls have no need of what is in it.
        Box::pin(self.run(&mut pending, deadline)).await;
        let [pending] = pending;
        self.answer(pending)
    }

    /// Has many requests answered, each for itself: in one round trip a server, servers side by side.
    pub(super) async fn call_all<'a>(&self, requests: impl Iterator<Item = Request<'a>>) -> Vec<Result<Value, Fault>> {
        let deadline = self.deadline();
        let mut pending: Vec<_> = requests.map(Pending::new).collect();
        self.run(&mut pending, deadline).await;
        pending.into_iter().map(|pending| self.answer(pending)).collect()
    }

    fn answer(&self, pending: Pending<'_>) -> Result<Value, Fault> {
        let Pending { answer, last, .. } = pending;
        answer.unwrap_or_else(|| Err(last.unwrap_or(Fault::TimedOut(self.timeout))))
    }

    /// Exchanges with all servers concerned, again and again, until all is answered or the time is up.
    async fn run(&self, pending: &mut [Pending<'_>], deadline: Instant) {
        let mut pause = PAUSES.0;
        loop {
            let open = || pending.iter().filter(|pending| pending.answer.is_none());
            if open().next().is_none() {
                return;
            }
            if open().any(|pending| pending.last.is_some()) {
                let until = Instant::now() + pause;
                if until >= deadline {
                    return;
                }
                sleep_until(until).await;
                pause = PAUSES.1.min(pause * 2);
            }
            let mut groups: Vec<(Arc<Link>, Vec<&mut Pending<'_>>)> = Vec::new();
            for pending in pending.iter_mut().filter(|pending| pending.answer.is_none()) {
                pending.last = None;
                let link = pending.to.take().unwrap_or_else(|| self.topology.owner(pending.request.key()).clone());
                match groups.iter_mut().rfind(|(known, _)| Arc::ptr_eq(known, &link)) {
                    Some((_, group)) if group.len() < PIPELINE => group.push(pending),
                    _ => groups.push((link, vec![pending])),
                }
            }
            join_all(groups.into_iter().map(|(link, group)| self.exchange(link, group, deadline))).await;
        }
    }

    /// One pipeline to one server.
    async fn exchange(&self, link: Arc<Link>, group: Vec<&mut Pending<'_>>, deadline: Instant) {
        let live = match link.live(deadline).await {
            Ok(live) => live,
            Err(fault) => return group.into_iter().for_each(|pending| self.settle(pending, Err(fault.clone()), &link, None)),
        };
        let loads = loads(&group);
        let replies = live.send_all(&pipeline(&group, &loads), deadline).await;
        match replies {
            Ok(mut replies) => {
                // From the end, as what comes before a request in the pipeline comes before its reply too.
                for (pending, loads) in group.into_iter().zip(loads).rev() {
                    let reply = replies.pop().ok_or_else(|| Fault::Odd("there are fewer replies than requests".into()));
                    let asked = !pending.asking || replies.pop().is_some();
                    let loaded = if loads { replies.pop() } else { None };
                    let reply = match loaded {
                        // What keeps the script from being loaded says more than that it is not there.
                        Some(Value::ServerError(error)) => Ok(Value::ServerError(error)),
                        _ if !asked => Err(Fault::Odd("there are fewer replies than requests".into())),
                        _ => reply,
                    };
                    self.settle(pending, reply, &link, Some(&live));
                }
            }
            Err(fault) => {
                for pending in group {
                    self.settle(pending, Err(fault.clone()), &link, Some(&live));
                }
            }
        }
    }

    /// Takes a reply or a fault, and notes whether it is final and what is to be done if not.
    fn settle(&self, pending: &mut Pending<'_>, reply: Result<Value, Fault>, link: &Arc<Link>, live: Option<&Live>) {
        let fault = match reply {
            Ok(Value::ServerError(error)) => Fault::Answer(error),
            Ok(reply) => {
                pending.answer = Some(Ok(reply));
                return;
            }
            Err(fault) => fault,
        };
        if fault.code() == "NOSCRIPT" && pending.request.script().is_some() && !pending.load {
            pending.load = true;
            pending.to = Some(link.clone());
            return;
        }
        pending.asking = false;
        pending.load = false;
        match self.topology.advice(&fault, link.connector()) {
            Advice::Ask(to) if pending.redirections < REDIRECTIONS => {
                pending.redirections += 1;
                pending.to = Some(to);
            }
            Advice::AskOnce(to) if pending.redirections < REDIRECTIONS => {
                pending.redirections += 1;
                pending.to = Some(to);
                pending.asking = true;
            }
            Advice::Ask(_) | Advice::AskOnce(_) | Advice::Wait => {
                pending.redirections = 0;
                pending.last = Some(pending.blame(fault));
            }
            Advice::Reconnect if pending.repeated.is_none() => {
                pending.repeated = Some(fault);
                if let Some(live) = live {
                    live.close();
                }
            }
            Advice::None if matches!(fault, Fault::Lost(_)) && pending.request.repeatable() && pending.repeated.is_none() => {
                pending.repeated = Some(fault);
            }
            Advice::None | Advice::Reconnect => pending.answer = Some(Err(pending.blame(fault))),
        }
    }
}

impl<'a> Pending<'a> {
    fn new(request: Request<'a>) -> Self {
        Self { request, to: None, asking: false, load: false, repeated: None, redirections: 0, last: None, answer: None }
    }

    /// That the second attempt could not be sent does not tell what came of the first.
    fn blame(&self, fault: Fault) -> Fault {
        match (&self.repeated, &fault) {
            (Some(first @ Fault::Lost(_)), Fault::Unreachable(_) | Fault::Refused(_)) => first.clone(),
            _ => fault,
        }
    }
}

/// Which requests come after their script, which is sent once for all that need it.
fn loads(group: &[&mut Pending<'_>]) -> Vec<bool> {
    let mut sent: Vec<&str> = Vec::new();
    let loads = group.iter().map(|pending| match pending.request.script() {
        Some(script) if pending.load && !sent.contains(&script.digest()) => {
            sent.push(script.digest());
            true
        }
        _ => false,
    });
    loads.collect()
}

fn pipeline(group: &[&mut Pending<'_>], loads: &[bool]) -> Pipeline {
    let mut commands = Pipeline::with_capacity(group.len());
    for (pending, loads) in group.iter().zip(loads) {
        if let (true, Some(script)) = (*loads, pending.request.script()) {
            commands.cmd("SCRIPT").arg("LOAD").arg(script.source());
        }
        if pending.asking {
            commands.cmd("ASKING");
        }
        commands.add_command(pending.request.command());
    }
    commands
}
