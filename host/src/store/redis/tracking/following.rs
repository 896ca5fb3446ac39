//! One round of tracking: from when all primaries tell of changes until one may not.

use std::collections::HashMap;
use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{select_all, try_join_all};
use redis::{PushInfo, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::super::fault::{Fault, odd};
use super::super::link::{Closed, Link, Live};
use super::super::primary::{Primary, run_id};
use super::super::topology::Topology;
use super::owners::{Owners, agreed, named};
use super::{Entries, Inner};

/// How often servers and Sentinels are asked who still is a primary: one that steps down, or does not know that another has taken its place,
/// goes on to serve who is connected.
const CHECK: Duration = Duration::from_secs(1);

/// Connections over which all primaries tell of changes.
pub(super) struct Following {
    primaries: Vec<Arc<Link>>,
    feeds: Vec<Arc<Live>>,
    /// The run id of the one server, if there is but one and it says so.
    run_id: Option<String>,
    /// Whom all nodes of a cluster call the primaries.
    owners: Option<Owners>,
}

/// Has all primaries tell of changes. It fails where a server is no primary, so that whoever tries again waits in between.
pub(super) async fn follow(inner: &Arc<Inner>, mirrors: &HashMap<u64, Entries>) -> Result<Following, Fault> {
    let deadline = Instant::now() + inner.timeout;
    let primaries = inner.topology.primaries(deadline).await?;
    let mut command = redis::cmd("CLIENT");
    command.arg("TRACKING").arg("ON").arg("BCAST");
    for prefix in outermost(mirrors.values().map(|entries| entries.prefix.as_str())) {
        command.arg("PREFIX").arg(prefix);
    }
    let feeds = primaries.iter().map(|primary| {
        let (timeout, inner, command) = (inner.timeout, Arc::downgrade(inner), &command);
        let connector = primary.connector().clone();
        async move {
            let take = move |push: &PushInfo, _: &Closed| {
                if let Some(inner) = inner.upgrade() {
                    inner.take(push);
                }
            };
            let feed = Link::new(connector, timeout, Some(Arc::new(take)));
            let live = feed.live(deadline).await?;
            match live.send(command, deadline).await? {
                Value::Okay => {}
                Value::ServerError(error) => return Err(Fault::Answer(error)),
                other => return Err(odd("a confirmation", &other)),
            }
            if !is_primary(&live, deadline).await? {
                return Err(Fault::Unreachable(format!("{} is no primary", primary.connector().target)));
            }
            Ok(live)
        }
    });
    let feeds = try_join_all(feeds).await?;
    let run_id = match (&inner.topology, feeds.as_slice()) {
        (Topology::One(primary), [feed]) => confirmed(primary, feed, deadline).await?,
        _ => None,
    };
    let owners = match &inner.topology {
        Topology::One(_) => None,
        Topology::Many(_) => Some(agreed(&primaries, &feeds, deadline).await?),
    };
    Ok(Following { primaries, feeds, run_id, owners })
}

/// The run id of the server that tells, once requests go to that one too, and no Sentinel calls another the primary: whoever copies
/// what one server has needs that one's news. `None` for a server that does not say who it is.
async fn confirmed(primary: &Primary, feed: &Live, deadline: Instant) -> Result<Option<String>, Fault> {
    let run_id = match run_id(feed, deadline).await {
        Err(fault) if fault.code() == "NOPERM" => return Ok(None),
        run_id => run_id?,
    };
    if let Some(sentinels) = primary.sentinels()
        && !sentinels.agrees_on(&run_id).await
    {
        return Err(Fault::Unreachable("the Sentinels are about to replace the primary, or have".into()));
    }
    if !primary.leads_to(&run_id).await {
        return Err(Fault::Unreachable("requests went to another server than the one that tells".into()));
    }
    Ok(Some(run_id))
}

/// The prefixes that begin with no other: servers refuse those that overlap.
fn outermost<'a>(prefixes: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut prefixes: Vec<_> = prefixes.collect();
    prefixes.sort_unstable();
    let mut kept: Vec<&str> = Vec::new();
    for prefix in prefixes {
        if kept.last().is_none_or(|last| !prefix.starts_with(last)) {
            kept.push(prefix);
        }
    }
    kept
}

impl Following {
    /// Returns once changes may go unheard, or something else is to be tracked.
    pub(super) async fn last(&self, inner: &Inner, mirrors: &HashMap<u64, Entries>, changes: &mut Option<watch::Receiver<()>>) {
        let closed = select_all(self.feeds.iter().map(|feed| Box::pin(feed.closed())));
        let (mut closed, mut deposed) = (pin!(closed), pin!(self.deposed(inner)));
        loop {
            tokio::select! {
                _ = &mut closed => return,
                // Who is connected to one that has stepped down is served old values there.
                () = &mut deposed => return inner.topology.reconnect(),
                () = Topology::changed(changes) => {
                    if !self.are_those(&inner.topology.known_primaries()) {
                        return;
                    }
                }
                () = inner.changed.notified() => {
                    if !inner.tracked().is(mirrors) {
                        return;
                    }
                }
            }
        }
    }

    /// Returns once one of the servers is no primary any more, or may not be, or calls others the primaries. Each is asked for itself, so
    /// that a silent one keeps nobody from hearing of the others.
    async fn deposed(&self, inner: &Inner) {
        let silent_or_replica = select_all(self.primaries.iter().zip(&self.feeds).map(|(primary, feed)| {
            Box::pin(async move {
                loop {
                    sleep(CHECK).await;
                    if !self.stands(primary, feed, Instant::now() + inner.timeout).await.unwrap_or(false) {
                        return;
                    }
                }
            })
        }));
        tokio::select! {
            _ = silent_or_replica => {}
            () = self.objected(inner) => {}
            () = self.led_elsewhere(inner) => {}
        }
    }

    /// Whether a server still is a primary and, in a cluster, names the same as all did.
    async fn stands(&self, primary: &Link, feed: &Live, deadline: Instant) -> Result<bool, Fault> {
        if !is_primary(feed, deadline).await? {
            return Ok(false);
        }
        match &self.owners {
            None => Ok(true),
            Some(owners) => Ok(named(primary, feed, deadline).await? == *owners),
        }
    }

    /// Returns once a Sentinel does not call the one server the primary.
    async fn objected(&self, inner: &Inner) {
        let (Topology::One(primary), Some(run_id)) = (&inner.topology, &self.run_id) else { return pending().await };
        match primary.sentinels() {
            Some(sentinels) => sentinels.objection(run_id, CHECK).await,
            None => pending().await,
        }
    }

    /// Returns once requests went to another server than the one that tells.
    async fn led_elsewhere(&self, inner: &Inner) {
        let (Topology::One(primary), Some(run_id)) = (&inner.topology, &self.run_id) else { return pending().await };
        while primary.leads_to(run_id).await {
            sleep(CHECK).await;
        }
    }

    fn are_those(&self, primaries: &[Arc<Link>]) -> bool {
        primaries.len() == self.primaries.len()
            && primaries.iter().all(|primary| self.primaries.iter().any(|known| Arc::ptr_eq(known, primary)))
    }
}

/// Whether a server still takes itself for a primary.
async fn is_primary(feed: &Live, deadline: Instant) -> Result<bool, Fault> {
    Ok(match feed.send(&redis::cmd("ROLE"), deadline).await? {
        Value::Array(parts) => matches!(parts.first(), Some(Value::BulkString(role)) if role == b"master"),
        // Who may not ask is left with what the connection tells.
        Value::ServerError(error) => error.code() == "NOPERM",
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_that_begin_with_another_are_left_out() {
        assert_eq!(outermost(["b:", "a:b:", "a:", "a:", "ab:"].into_iter()), ["a:", "ab:", "b:"]);
        assert_eq!(outermost(["", "a:"].into_iter()), [""]);
        assert!(outermost(std::iter::empty()).is_empty());
    }
}
