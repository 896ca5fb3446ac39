//! Tells of changes to entries of which this process keeps copies: by the server's own tracking of clients, in broadcasting mode.
//! See <https://redis.io/docs/latest/develop/reference/client-side-caching/>.
//!
//! All that is tracked in a store shares one connection to each primary, apart from those for requests. So a change can be told
//! before the reply to a request that came before it, or after; whoever keeps a copy has to bear both.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use following::follow;
use redis::{PushInfo, PushKind, Value};
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::topology::Topology;
use crate::errand::{self, Errand};
use crate::store::Mirror;

mod following;
mod owners;

/// How long to wait before another attempt to track; doubled each time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(25), Duration::from_secs(1));

/// What is tracked in a store. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tracker(Arc<Inner>);

struct Inner {
    topology: Topology,
    timeout: Duration,
    tracked: Mutex<Tracked>,
    /// Told when there is something new to track, or nothing any more.
    changed: Notify,
}

#[derive(Default)]
struct Tracked {
    mirrors: HashMap<u64, Entries>,
    next: u64,
    /// Whether there is a task.
    runs: bool,
}

/// Entries whose keys begin alike, who keeps copies of them, and the runtime where that began.
#[derive(Clone)]
struct Entries {
    prefix: String,
    mirror: Arc<dyn Mirror>,
    runtime: Handle,
}

/// Ends one tracking when dropped.
struct Until(Weak<Inner>, u64);

impl Tracker {
    /// A tracker of nothing. A server has `timeout` for a reply.
    pub(super) fn new(topology: Topology, timeout: Duration) -> Self {
        Self(Arc::new(Inner { topology, timeout, tracked: Mutex::default(), changed: Notify::new() }))
    }

    /// Tracks the entries whose keys begin with `prefix`.
    pub(super) fn track(&self, prefix: &str, mirror: Arc<dyn Mirror>) -> Box<dyn Send + Sync> {
        let runtime = Handle::current();
        let (number, starts) = {
            let mut tracked = self.0.tracked();
            let number = tracked.next;
            tracked.next += 1;
            tracked.mirrors.insert(number, Entries { prefix: prefix.to_owned(), mirror, runtime: runtime.clone() });
            (number, !std::mem::replace(&mut tracked.runs, true))
        };
        if starts {
            errand::start(&Keeping(self.0.clone()), runtime);
        }
        self.0.changed.notify_one();
        Box::new(Until(Arc::downgrade(&self.0), number))
    }
}

impl Inner {
    fn tracked(&self) -> MutexGuard<'_, Tracked> {
        self.tracked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is tracked now; nothing ends the task.
    fn all(&self) -> Option<HashMap<u64, Entries>> {
        let mut tracked = self.tracked();
        tracked.runs = !tracked.mirrors.is_empty();
        tracked.runs.then(|| tracked.mirrors.clone())
    }

    /// Takes what a connection brings.
    fn take(&self, push: &PushInfo) {
        if push.kind != PushKind::Invalidate {
            return;
        }
        let mirrors: Vec<_> = self.tracked().mirrors.values().cloned().collect();
        let Some(Value::Array(keys)) = push.data.first() else {
            // All keys were deleted, or so it may be.
            return mirrors.iter().for_each(|entries| entries.mirror.all_changed());
        };
        for key in keys {
            let Value::BulkString(key) = key else { continue };
            // What is no text is no entry of ours.
            let Ok(key) = std::str::from_utf8(key) else { continue };
            let concerned = mirrors.iter().filter(|entries| key.starts_with(&entries.prefix));
            concerned.for_each(|entries| entries.mirror.changed(key));
        }
    }
}

impl Tracked {
    /// Whether these are all that are tracked.
    fn is(&self, mirrors: &HashMap<u64, Entries>) -> bool {
        self.mirrors.len() == mirrors.len() && self.mirrors.keys().all(|number| mirrors.contains_key(number))
    }
}

impl Drop for Until {
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.tracked().mirrors.remove(&self.1);
            inner.changed.notify_one();
        }
    }
}

/// What the task does.
#[derive(Clone)]
struct Keeping(Arc<Inner>);

impl Errand for Keeping {
    fn run(self) -> impl Future<Output = ()> + Send + 'static {
        keep(self.0)
    }

    fn another(&self, ended: &[Id]) -> Option<Handle> {
        let mirrors: Vec<_> = self.0.tracked().mirrors.values().map(|entries| entries.mirror.clone()).collect();
        // Before anybody tracks again, and trusts.
        for mirror in &mirrors {
            mirror.doubt();
        }
        let mut tracked = self.0.tracked();
        let runtimes = tracked.mirrors.values().map(|entries| &entries.runtime);
        let another = runtimes.into_iter().find(|runtime| !ended.contains(&runtime.id())).cloned();
        tracked.runs = another.is_some();
        drop(tracked);
        if another.is_none() {
            for mirror in &mirrors {
                mirror.ended();
            }
        }
        another
    }
}

/// Tracks as long as there is something to track.
async fn keep(inner: Arc<Inner>) {
    let mut pause = PAUSES.0;
    while let Some(mirrors) = inner.all() {
        let mut changes = inner.topology.changes();
        match follow(&inner, &mirrors).await {
            Ok(following) => {
                pause = PAUSES.0;
                for Entries { mirror, .. } in mirrors.values() {
                    mirror.trust();
                }
                following.last(&inner, &mirrors, &mut changes).await;
                for Entries { mirror, .. } in mirrors.values() {
                    mirror.doubt();
                }
            }
            Err(fault) => {
                tracing::debug!(?fault, "changes of entries are not told: no copies are kept");
                tokio::select! {
                    () = sleep(pause) => {}
                    () = inner.changed.notified() => {}
                }
                pause = PAUSES.1.min(pause * 2);
            }
        }
    }
}

impl fmt::Debug for Tracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").field("topology", &self.0.topology).finish_non_exhaustive()
    }
}
