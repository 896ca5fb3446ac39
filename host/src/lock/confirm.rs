//! Performs what the rules of a quorum decide.

use tokio::time::{Instant, timeout_at};

use super::quorum::{Action, Confirming, Event, Quorum};
use crate::error::{Error, Invalid};
use crate::names::LockKeys;
use crate::store::{Copies, Holding, Route, Store, Token};

/// A lock that replicas are asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) store: &'a dyn Store,
    pub(super) lock: &'a LockKeys,
    pub(super) quorum: Option<Quorum>,
    /// By which the request went that set or renewed it.
    pub(super) route: Option<Route>,
}

/// By which way a request goes that is sent now, if replicas are to be asked about it.
pub(super) fn route(store: &dyn Store, lock: &LockKeys, quorum: Option<Quorum>) -> Option<Route> {
    quorum.and_then(|_| Some(store.replicas()?.route(lock)))
}

/// Asks the replicas until `limit` whether they hold the lock for `token`, about until `ends`. True for a lock of another kind, of
/// which no replica is asked; false if too few do, or none can tell.
pub(super) async fn confirm(subject: Subject<'_>, token: &Token, ends: Option<Instant>, limit: Instant) -> Result<bool, Error> {
    let Subject { store, lock, quorum: Some(quorum), .. } = subject else { return Ok(true) };
    let mut seen = ask(subject, quorum, token, ends, limit).await?;
    if seen == Err(Copies::Moved) {
        // It may have been sent on by a node of a cluster, or sent again over another connection. Who has it by now says so itself.
        let subject = Subject { route: route(store, lock, Some(quorum)), ..subject };
        if let Ok(Ok(Holding::Left(_) | Holding::Unlimited)) = timeout_at(limit, store.holding(lock, token)).await {
            seen = ask(subject, quorum, token, ends, limit).await?;
        }
    }
    if let Err(seen) = seen {
        tracing::warn!(lock = lock.name(), ?quorum, ?seen, "the replicas do not hold it");
    }
    Ok(seen.is_ok())
}

/// Asks the replicas of the server that had the request. If too few hold it, what was seen last.
async fn ask(
    subject: Subject<'_>,
    quorum: Quorum,
    token: &Token,
    ends: Option<Instant>,
    limit: Instant,
) -> Result<Result<(), Copies>, Error> {
    let Subject { store, lock, route, .. } = subject;
    let Some((replicas, route)) = store.replicas().zip(route) else { return Err(too_few(store, quorum, 0)) };
    let mut survey = replicas.survey(lock, token, ends, route);
    let mut seen = Copies::Unknown;
    let (mut confirming, mut action) = Confirming::new(quorum, limit, Instant::now());
    loop {
        let until = match action {
            Action::Ask { doubtful, until } => {
                survey.ask(doubtful);
                until
            }
            Action::Listen { until } => until,
            Action::Reached => return Ok(Ok(())),
            Action::NotReached => return Ok(Err(seen)),
            Action::Impossible { replicas } => return Err(too_few(store, quorum, replicas)),
        };
        let event = match timeout_at(until, survey.news()).await {
            Ok(copies) => {
                seen = copies?;
                Event::Told(seen)
            }
            Err(_) => Event::Timer,
        };
        action = confirming.step(event, Instant::now());
    }
}

fn too_few(store: &dyn Store, quorum: Quorum, replicas: usize) -> Error {
    let store = store.address().to_owned();
    match quorum {
        Quorum::AtLeast(wanted) if replicas > 0 => Invalid::TooFewReplicas { store, wanted: wanted.get(), replicas }.into(),
        _ => Invalid::NoReplicas { store }.into(),
    }
}
