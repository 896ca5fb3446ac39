//! Replicas of the store of tests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::names::LockKeys;
use crate::store::{Copies, Replicas, Reply, Route, Survey, Token};

/// Replicas that say what a test has them say, a millisecond after they were asked.
#[derive(Debug)]
pub(crate) struct Fleet {
    copies: Mutex<Copies>,
    surveys: AtomicUsize,
    route: AtomicU64,
}

struct Asked<'a> {
    fleet: &'a Fleet,
    route: Route,
    due: Option<Instant>,
}

impl Fleet {
    pub(crate) fn new(copies: Copies) -> Self {
        Self { copies: Mutex::new(copies), surveys: AtomicUsize::new(0), route: AtomicU64::new(0) }
    }

    pub(crate) fn say(&self, copies: Copies) {
        *self.copies.lock().unwrap() = copies;
    }

    /// Has requests go to another server from now on.
    pub(crate) fn move_on(&self) {
        self.route.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn surveys(&self) -> usize {
        self.surveys.load(Ordering::Relaxed)
    }
}

impl Replicas for Fleet {
    fn route(&self, _: &LockKeys) -> Route {
        Route(self.route.load(Ordering::Relaxed))
    }

    fn survey<'a>(&'a self, _: &'a LockKeys, _: &'a Token, _: Option<Instant>, route: Route) -> Box<dyn Survey + 'a> {
        self.surveys.fetch_add(1, Ordering::Relaxed);
        Box::new(Asked { fleet: self, route, due: None })
    }
}

impl Survey for Asked<'_> {
    fn ask(&mut self, _: bool) {
        self.due.get_or_insert(Instant::now() + Duration::from_millis(1));
    }

    fn news(&mut self) -> Reply<'_, Copies> {
        Box::pin(async move {
            let Some(due) = self.due else { return std::future::pending().await };
            sleep_until(due).await;
            self.due = None;
            let moved = self.route.0 != self.fleet.route.load(Ordering::Relaxed);
            Ok(if moved { Copies::Moved } else { *self.fleet.copies.lock().unwrap() })
        })
    }
}
