//! The instances of one stage: bounded, started when needed, and the one that was last used is used next.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::engine::Claim;
use super::instance::{Blueprint, Instance};
use crate::error::StageFault;

/// All instances of one stage.
pub(super) struct Pool {
    pub(super) blueprint: Blueprint,
    places: Mutex<Places>,
    /// Dropped after the instances that live in the places it claims.
    _claim: Option<Claim>,
}

struct Places {
    /// The one that was used last is last.
    #[allow(clippy::vec_box, reason = "moved with every call, and a pointer is quicker to move")]
    idle: Vec<Box<Instance>>,
    /// How many are taken or idle.
    live: usize,
    /// In the order in which they came. While there are any, all places are taken.
    waiting: VecDeque<Waiting>,
}

/// Room for one instance, and the warm one in it, if any.
struct Place {
    instance: Option<Box<Instance>>,
}

struct Waiting {
    pool: Arc<Pool>,
    answer: oneshot::Sender<Lease<Arc<Pool>>>,
}

/// A place in the pool that one call has until this is dropped, and the warm instance in it, if any.
pub(super) struct Lease<P: Deref<Target = Pool>> {
    pool: P,
    instance: Option<Box<Instance>>,
    /// Whether the place was passed on.
    passed_on: bool,
}

impl Pool {
    /// A pool with its first instance.
    pub(super) fn new(blueprint: Blueprint, first: Box<Instance>, claim: Option<Claim>) -> Arc<Self> {
        let mut idle = Vec::new();
        if !blueprint.limits.fresh {
            idle.push(first);
        }
        let places = Places { live: idle.len(), idle, waiting: VecDeque::new() };
        Arc::new(Self { blueprint, places: Mutex::new(places), _claim: claim })
    }

    /// A place, if one is free. A warm one rather than an empty one.
    pub(super) fn try_take(&self) -> Option<Lease<&Self>> {
        let Place { instance } = self.lock().take(self.blueprint.limits.instances)?;
        Some(Lease { pool: self, instance, passed_on: false })
    }

    /// A place, as soon as one is free. In a tokio runtime the wait is bounded; elsewhere, by the deadlines of those who are
    /// ahead.
    ///
    /// # Errors
    /// [`StageFault::Busy`].
    pub(super) async fn take(self: Arc<Self>) -> Result<Lease<Arc<Self>>, StageFault> {
        let max = self.blueprint.limits.instances;
        let receiver = {
            let mut places = self.lock();
            if let Some(Place { instance }) = places.take(max) {
                drop(places);
                return Ok(Lease { pool: self, instance, passed_on: false });
            }
            let (answer, receiver) = oneshot::channel();
            places.waiting.push_back(Waiting { pool: Arc::clone(&self), answer });
            receiver
        };
        let lease = match Handle::try_current() {
            Ok(_) => timeout(self.blueprint.limits.wait, receiver).await.ok().and_then(Result::ok),
            Err(_) => receiver.await.ok(),
        };
        lease.ok_or(StageFault::Busy { max })
    }

    /// Gives a place to who waits longest, or keeps it.
    fn give_back(&self, mut instance: Option<Box<Instance>>) {
        loop {
            let next = {
                let mut places = self.lock();
                let next = places.waiting.pop_front();
                if next.is_none() {
                    match instance.take() {
                        Some(instance) => places.idle.push(instance),
                        None => places.live -= 1,
                    }
                }
                next
            };
            let Some(Waiting { pool, answer }) = next else { return };
            match answer.send(Lease { pool, instance, passed_on: false }) {
                Ok(()) => return,
                // It gave up waiting.
                Err(lease) => instance = lease.pass_on(),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // No code that can panic runs under the lock.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// A free place.
    fn take(&mut self, max: usize) -> Option<Place> {
        if let Some(instance) = self.idle.pop() {
            return Some(Place { instance: Some(instance) });
        }
        (self.live < max).then(|| {
            self.live += 1;
            Place { instance: None }
        })
    }
}

impl<P: Deref<Target = Pool>> Lease<P> {
    /// Runs a call in this place's instance, which is started if there is none. The second part of what `call` gives says
    /// whether the instance can be called again.
    pub(super) fn run<T>(
        mut self,
        call: impl FnOnce(&Blueprint, &mut Instance) -> (Result<T, StageFault>, bool),
    ) -> Result<T, StageFault> {
        let blueprint = &self.pool.blueprint;
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => blueprint.start()?,
        };
        let (answer, again) = call(blueprint, &mut instance);
        if again && !blueprint.limits.fresh {
            self.instance = Some(instance);
        }
        answer
    }

    fn pass_on(mut self) -> Option<Box<Instance>> {
        self.passed_on = true;
        self.instance.take()
    }
}

impl<P: Deref<Target = Pool>> Drop for Lease<P> {
    fn drop(&mut self) {
        if !self.passed_on {
            self.pool.give_back(self.instance.take());
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("limits", &self.blueprint.limits).finish_non_exhaustive()
    }
}
