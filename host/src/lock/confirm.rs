//! Performs what the rules of a quorum decide.

use tokio::time::{Instant, timeout_at};

use super::quorum::{Action, Confirming, Event};
use super::{Lock, metrics};
use crate::error::{Error, Invalid};
use crate::store::{Copies, Token};

/// Asks the replicas until `limit` whether they hold the lock for `token`, about until `ends`. True for a lock of another kind, of
/// which no replica is asked; false if too few do, or none can tell.
pub(super) async fn confirm(lock: &Lock, token: &Token, ends: Option<Instant>, limit: Instant) -> Result<bool, Error> {
    let Some(quorum) = lock.terms.quorum else { return Ok(true) };
    let store = lock.shared.lines.store();
    let Some(replicas) = store.replicas() else { return Err(too_few(lock, 0)) };
    let mut survey = replicas.survey(&lock.keys, token, ends);
    let mut seen = Copies::Unknown;
    let (mut confirming, mut action) = Confirming::new(quorum, limit, Instant::now());
    loop {
        let until = match action {
            Action::Ask { doubtful, until } => {
                survey.ask(doubtful);
                until
            }
            Action::Listen { until } => until,
            Action::Reached => return Ok(true),
            Action::NotReached => {
                metrics::no_quorum();
                tracing::warn!(lock = lock.name(), ?quorum, ?seen, "the replicas do not hold it");
                return Ok(false);
            }
            Action::Impossible { replicas } => return Err(too_few(lock, replicas)),
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

fn too_few(lock: &Lock, replicas: usize) -> Error {
    let store = lock.shared.lines.store().address().to_owned();
    match lock.terms.quorum {
        Some(super::Quorum::AtLeast(wanted)) if replicas > 0 => {
            Invalid::TooFewReplicas { store, wanted: wanted.get(), replicas }.into()
        }
        _ => Invalid::NoReplicas { store }.into(),
    }
}
