//! The one server of a store that is no cluster, and who follows it, as it says itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use redis::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::connect::Connector;
use super::fault::{Fault, lines, odd};
use super::followers::{Followers, Links};
use super::link::{Link, Live, Vigil};
use super::sentinels::Sentinels;
use super::slots::known;
use super::testimony::{self, Standing};
use crate::store::address::Endpoint;

/// For how long a replica that is gone counts as one that does not hold a lock, where there are no Sentinels to say what became of it.
const LEFT: Duration = Duration::from_mins(1);

/// How often each Sentinel is asked whether the primary is another by now.
const CHECK: Duration = Duration::from_secs(1);

/// The shortest and the longest time between a question for the replicas and the next one. It doubles as long as there is no answer: all
/// Sentinels are asked each time, by each process that has a lock to confirm.
const RESTS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// Who the replicas were when that was asked.
struct Roll {
    live: Arc<Live>,
    asked: Instant,
    replicas: Vec<Endpoint>,
    /// How many there are with those that are out of service.
    listed: usize,
}

/// The server that is the primary. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Primary(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    link: Arc<Link>,
    /// Who says which server it is, if not the address.
    sentinels: Option<Arc<Sentinels>>,
    timeout: Duration,
    roster: Mutex<Roster>,
    asking: AtomicBool,
    /// Told whenever it was asked who the replicas are.
    told: watch::Sender<()>,
}

#[derive(Default)]
struct Roster {
    /// The followers of the server behind this connection.
    known: Option<(Arc<Live>, Followers)>,
    links: Links,
    /// When each replica was last seen to follow.
    seen: HashMap<Endpoint, Instant>,
    most: usize,
    /// Why they could not be asked for last, and how often in a row.
    fault: Option<Fault>,
    failures: u32,
}

impl Primary {
    /// The server that a connector leads to, which has this long for a reply.
    pub(super) fn new(connector: Connector, timeout: Duration) -> Self {
        let sentinels = Sentinels::of(&connector, timeout).map(Arc::new);
        let link = Arc::new(Link::new(connector, timeout, None).watched(sentinels.as_ref().map(vigil)));
        let (roster, asking, told) = (Mutex::default(), AtomicBool::new(false), watch::Sender::new(()));
        Self(Arc::new(Inner { link, sentinels, timeout, roster, asking, told }))
    }

    /// The Sentinels that say which server it is, if there are any.
    pub(super) fn sentinels(&self) -> Option<&Sentinels> {
        self.0.sentinels.as_deref()
    }

    /// What decides when a connection to it is to be made anew, as it leads to one that was replaced.
    pub(super) fn vigil(&self) -> Option<Vigil> {
        self.0.sentinels.as_ref().map(vigil)
    }

    /// The link to it.
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.0.link
    }

    /// Has requests go to the server with this run id: a connection that leads to another takes no more of them. Whether they did.
    pub(super) async fn leads_to(&self, run_id: &str) -> bool {
        // The next one is looked at the next time.
        let Some(live) = self.0.link.open() else { return true };
        match self::run_id(&live, Instant::now() + self.0.timeout).await {
            Ok(led_to) if led_to != run_id => {
                live.close();
                false
            }
            // Nothing is read over one that does not answer.
            _ => true,
        }
    }

    /// Its followers, if they are known. Another connection may lead to another server, which has others.
    pub(super) fn followers(&self) -> Option<Result<Followers, Fault>> {
        let open = self.0.link.open();
        let roster = self.roster();
        match (&roster.known, open) {
            (Some((live, followers)), Some(open)) if Arc::ptr_eq(live, &open) => Some(Ok(followers.clone())),
            _ => roster.fault.clone().map(Err),
        }
    }

    /// Tells whenever it was asked who the replicas are.
    pub(super) fn told(&self) -> watch::Receiver<()> {
        self.0.told.subscribe()
    }

    /// Asks who the replicas are in the background, unless somebody does already.
    pub(super) fn suspect(&self) {
        if self.0.asking.swap(true, Ordering::AcqRel) {
            return;
        }
        let asking = Asking { primary: self.clone(), answered: false };
        tokio::spawn(async move {
            let mut asking = asking;
            let outcome = asking.primary.ask().await;
            let rest = asking.primary.learn(outcome);
            asking.answered = true;
            tokio::time::sleep(rest).await;
        });
    }

    async fn ask(&self) -> Result<Roll, Fault> {
        let asked = Instant::now();
        let deadline = asked + self.0.timeout;
        let live = self.0.link.live(deadline).await?;
        let reply = live.send(&redis::cmd("ROLE"), deadline).await?;
        let Some(following) = followers(reply, self.0.link.connector().endpoint())? else {
            // The next connection may lead to who is the primary now.
            live.close();
            return Err(Fault::Unreachable(format!("{} is no primary", self.0.link.connector().target)));
        };
        let (replicas, listed) = match self.sentinels() {
            None => {
                let replicas = self.roster().seen(following, asked);
                let listed = replicas.len();
                (replicas, listed)
            }
            Some(sentinels) => {
                // Beside each other, as Sentinels that are slow are no fault of the server's.
                let (testimonies, run_id) = tokio::join!(sentinels.testimonies(), run_id(&live, deadline));
                let target = &self.0.link.connector().target;
                match testimony::standing(&testimonies?, &run_id?, live.endpoint()) {
                    Standing::Primary { replicas, listed } => (replicas, listed),
                    // Nobody is sent away from it, as there is no other to go to.
                    Standing::Unsettled => {
                        return Err(Fault::Unreachable(format!("{target} is not known yet to all of its Sentinels")));
                    }
                    Standing::Replaced => {
                        // The next connection may lead to who is the primary now.
                        live.close();
                        return Err(Fault::Unreachable(format!("{target} is another by now")));
                    }
                }
            }
        };
        Ok(Roll { live, asked, replicas, listed })
    }

    /// Takes the answer. Gives how long to ask no more.
    fn learn(&self, outcome: Result<Roll, Fault>) -> Duration {
        let mut roster = self.roster();
        match outcome {
            Ok(Roll { live, asked, replicas, listed }) => {
                let connector = self.0.link.connector();
                let new = |endpoint| Link::new(connector.to(endpoint), self.0.timeout, None);
                let replicas: Arc<[_]> = replicas.iter().map(|replica| roster.links.get(replica, new)).collect();
                roster.links.retain(|link| replicas.iter().any(|kept| Arc::ptr_eq(kept, link)));
                roster.most = roster.most.max(listed);
                let followers = Followers { replicas, most: roster.most, asked };
                (roster.known, roster.fault, roster.failures) = (Some((live, followers)), None, 0);
            }
            Err(fault) => {
                tracing::debug!(?fault, "the primary does not say who its replicas are");
                roster.fault = Some(fault);
                roster.failures = roster.failures.saturating_add(1);
            }
        }
        let rest = rest(roster.failures);
        drop(roster);
        self.0.told.send_replace(());
        rest
    }

    fn roster(&self) -> MutexGuard<'_, Roster> {
        self.0.roster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Roster {
    /// The replicas that follow at `now`, and those that did a while ago: one that leaves may do so to become the primary.
    fn seen(&mut self, following: Vec<Endpoint>, now: Instant) -> Vec<Endpoint> {
        self.seen.extend(following.into_iter().map(|endpoint| (endpoint, now)));
        self.seen.retain(|_, seen| now.saturating_duration_since(*seen) < LEFT);
        self.seen.keys().cloned().collect()
    }
}

/// How long to ask no more for the replicas that could not be asked for so often in a row.
fn rest(failures: u32) -> Duration {
    RESTS.0.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1))).min(RESTS.1)
}

/// The id of the server behind a connection, as Sentinels call it.
pub(super) async fn run_id(live: &Live, deadline: Instant) -> Result<String, Fault> {
    let reply = live.send(redis::cmd("INFO").arg("server"), deadline).await?;
    let text = lines(&reply, "information on a server")?;
    let id = text.lines().find_map(|line| line.strip_prefix("run_id:")).map(|id| id.trim().to_owned());
    id.ok_or_else(|| odd("information on a server", &reply))
}

/// One that Sentinels replace while it is well serves who is connected until they tell it, some 10 s later, and what is written to it
/// meanwhile is lost.
fn vigil(sentinels: &Arc<Sentinels>) -> Vigil {
    let sentinels = Arc::clone(sentinels);
    Arc::new(move |live: Arc<Live>| {
        let (sentinels, endpoint) = (Arc::clone(&sentinels), live.endpoint().clone());
        async move {
            // Who may not ask goes by the address alone.
            let run_id = run_id(&live, Instant::now() + sentinels.timeout()).await.ok();
            drop(live);
            sentinels.replaced(&endpoint, run_id.as_deref(), CHECK).await;
        }
        .boxed()
    })
}

/// A question under way, or the rest after it. It ends with its runtime; then others may ask.
struct Asking {
    primary: Primary,
    answered: bool,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.primary.0.asking.store(false, Ordering::Release);
        if !self.answered {
            // Whoever waits for the answer has to ask.
            self.primary.0.told.send_replace(());
        }
    }
}

/// Understands the reply to `ROLE`: who follows a primary, or nobody if it is none.
fn followers(reply: Value, asked: Option<&Endpoint>) -> Result<Option<Vec<Endpoint>>, Fault> {
    match reply {
        Value::ServerError(error) => Err(Fault::Answer(error)),
        Value::Array(parts) => match parts.as_slice() {
            [Value::BulkString(role), _, Value::Array(replicas)] if role == b"master" => replicas
                .iter()
                .map(|entry| replica(entry, asked).ok_or_else(|| odd("a replica", entry)))
                .collect::<Result<_, _>>()
                .map(Some),
            [Value::BulkString(_), ..] => Ok(None),
            _ => Err(odd("a role", &Value::Array(parts))),
        },
        other => Err(odd("a role", &other)),
    }
}

fn replica(entry: &Value, asked: Option<&Endpoint>) -> Option<Endpoint> {
    let Value::Array(parts) = entry else { return None };
    let [Value::BulkString(host), Value::BulkString(port), ..] = parts.as_slice() else { return None };
    let host = known(String::from_utf8_lossy(host).into_owned(), asked)?;
    Some(Endpoint { host, port: String::from_utf8_lossy(port).parse().ok()? })
}

impl std::fmt::Debug for Roster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roster").field("links", &self.links).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn questions_without_an_answer_are_asked_less_and_less_often() {
        let millis: Vec<_> = [0, 1, 2, 3, 4, 5, 6, u32::MAX].into_iter().map(|failures| rest(failures).as_millis()).collect();
        assert_eq!(millis, [20, 20, 40, 80, 160, 250, 250, 250]);
    }

    #[test]
    fn a_role_is_understood() {
        let text = |text: &str| Value::BulkString(text.into());
        let replica = |host: &str, port: &str| Value::Array(vec![text(host), text(port), text("3129659")]);
        let role =
            |role: &str, rest: Vec<Value>| Value::Array([text(role), Value::Int(3_129_659)].into_iter().chain(rest).collect());
        let asked = Endpoint { host: "a".into(), port: 1 };
        let primary = role("master", vec![Value::Array(vec![replica("10.0.0.1", "9001"), replica("", "9002")])]);
        let replicas = [("10.0.0.1", 9001), ("a", 9002)].map(|(host, port)| Endpoint { host: host.into(), port });
        assert_eq!(followers(primary, Some(&asked)).unwrap().unwrap(), replicas);
        assert_eq!(followers(role("master", vec![Value::Array(Vec::new())]), None).unwrap().unwrap(), []);
        assert_eq!(followers(Value::Array(vec![text("slave"), text("10.0.0.1"), Value::Int(1)]), None).unwrap(), None);
        assert!(followers(role("master", vec![Value::Array(vec![text("?")])]), None).is_err());
    }
}
