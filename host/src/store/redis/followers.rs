//! Who follows the server that has a key.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::link::Link;
use crate::store::address::Endpoint;

/// For how long nobody is asked again who the replicas are, if there is no doubt about it: a new one is noticed after this time.
const FRESH: Duration = Duration::from_secs(5);

/// The replicas of one primary. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Followers {
    pub(super) replicas: Arc<[Arc<Link>]>,
    /// The most there ever were.
    pub(super) most: usize,
    /// When the question was sent to which they are the answer.
    pub(super) asked: Instant,
}

impl Followers {
    /// Whether it is time to ask for them again.
    pub(super) fn is_stale(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.asked) > FRESH
    }
}

/// The links to replicas. One that is still a replica when that is asked again keeps its connection.
#[derive(Debug, Default)]
pub(super) struct Links(HashMap<Endpoint, Arc<Link>>);

impl Links {
    /// The link to a replica.
    pub(super) fn get(&mut self, endpoint: &Endpoint, new: impl FnOnce(Endpoint) -> Link) -> Arc<Link> {
        self.0.entry(endpoint.clone()).or_insert_with(|| Arc::new(new(endpoint.clone()))).clone()
    }

    /// Closes the links to all others.
    pub(super) fn retain(&mut self, kept: impl Fn(&Arc<Link>) -> bool) {
        self.0.retain(|_, link| kept(link));
    }
}
