//! One round of tracking: from when all primaries tell of changes until one may not.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{select_all, try_join_all};
use redis::{PushInfo, Value};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::super::fault::{Fault, odd};
use super::super::link::{Closed, Link, Live};
use super::super::topology::Topology;
use super::{Entries, Inner};

/// How often servers are asked whether they still are primaries: one that steps down goes on to serve who is connected.
const CHECK: Duration = Duration::from_secs(1);

/// Connections over which all primaries tell of changes.
pub(super) struct Following {
    primaries: Vec<Arc<Link>>,
    feeds: Vec<Arc<Live>>,
}

/// Has all primaries tell of changes.
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
                Value::Okay => Ok(live),
                Value::ServerError(error) => Err(Fault::Answer(error)),
                other => Err(odd("a confirmation", &other)),
            }
        }
    });
    let feeds = try_join_all(feeds).await?;
    Ok(Following { primaries, feeds })
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
        let mut closed = pin!(closed);
        loop {
            tokio::select! {
                _ = &mut closed => return,
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
                () = sleep(CHECK) => {
                    let roles = self.feeds.iter().map(|feed| is_primary(feed, inner.timeout));
                    if !try_join_all(roles).await.is_ok_and(|primaries| primaries.into_iter().all(|is| is)) {
                        return;
                    }
                }
            }
        }
    }

    fn are_those(&self, primaries: &[Arc<Link>]) -> bool {
        primaries.len() == self.primaries.len()
            && primaries.iter().all(|primary| self.primaries.iter().any(|known| Arc::ptr_eq(known, primary)))
    }
}

/// Whether a server still takes itself for a primary.
async fn is_primary(feed: &Live, timeout: Duration) -> Result<bool, Fault> {
    Ok(match feed.send(&redis::cmd("ROLE"), Instant::now() + timeout).await? {
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
