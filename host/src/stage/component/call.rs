//! Where a call runs: at once on the caller's thread, or later on one where it may block.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use tokio::runtime::Handle;

use super::instance::{Blueprint, Instance};
use super::pool::{Lease, Pool};
use crate::error::StageFault;
use crate::stage::Work;

/// The largest input, in bytes, that is worked on at once on the caller's thread.
pub const INLINE: usize = 64 * 1024;

/// One component, ready to be called.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) pool: Arc<Pool>,
    /// How slow it is: more with each slow call, a little less with each other one.
    slowness: AtomicU32,
}

/// How many ticks of the epoch make a call slow. From the first to the third there are some 10 ms.
const SLOW_TICKS: u64 = 3;

/// How many calls in good time make up for a slow one. Any call is slow when the machine is busy with something else.
const SLOW_CALL: u32 = 100;

/// From here on, a stage has no more calls on the threads of tokio: the third slow call of a few comes to it.
const TOO_SLOW: u32 = 2 * SLOW_CALL + 1;

/// A call of a stage.
pub(super) trait Call {
    /// What it gives.
    type Output: Send;

    /// The size of its input, in bytes.
    fn input(&self) -> usize;

    /// Makes the call. The second part says whether the instance can be called again.
    fn run(&self, blueprint: &Blueprint, instance: &mut Instance) -> (Result<Self::Output, StageFault>, bool);
}

impl Stage {
    pub(super) fn new(name: &str, pool: Arc<Pool>) -> Self {
        Self { name: name.to_owned(), pool, slowness: AtomicU32::new(0) }
    }

    /// The answer, if the call can be made at once.
    pub(super) fn at_once<C: Call>(&self, call: &C) -> Option<Result<C::Output, StageFault>> {
        if self.may_block(call.input()) && Handle::try_current().is_ok() {
            return None;
        }
        let lease = self.pool.try_take()?;
        Some(self.run_here(lease, call))
    }

    /// The answer, later.
    pub(super) fn later<'a, C: Call + Send + 'static>(self: &Arc<Self>, call: C) -> Work<'a, C::Output> {
        let this = Arc::clone(self);
        Work::later(async move {
            let lease = Arc::clone(&this.pool).take().await?;
            let may_block = this.may_block(call.input());
            match Handle::try_current() {
                Ok(handle) if may_block => handle
                    .spawn_blocking(move || this.run(lease, &call))
                    .await
                    .unwrap_or_else(|error| Err(StageFault::Start(format!("the thread of its call ended: {error}")))),
                _ => this.run_here(lease, &call),
            }
        })
    }

    /// Makes a call on the caller's thread, and notes how long that took.
    fn run_here<C: Call>(&self, lease: Lease<impl Deref<Target = Pool>>, call: &C) -> Result<C::Output, StageFault> {
        // A clock would cost a tenth of what a small call does.
        let ticker = &self.pool.blueprint.shared.ticker;
        let began = ticker.now();
        let answer = self.run(lease, call);
        if ticker.now().wrapping_sub(began) >= SLOW_TICKS {
            self.slowed(SLOW_CALL);
        } else {
            let slowness = self.slowness.load(Relaxed);
            if slowness > 0 && slowness < TOO_SLOW {
                // Where two calls end at once, one of them may not count.
                let _ = self.slowness.compare_exchange(slowness, slowness - 1, Relaxed, Relaxed);
            }
        }
        answer
    }

    fn run<C: Call>(&self, lease: Lease<impl Deref<Target = Pool>>, call: &C) -> Result<C::Output, StageFault> {
        let answer = lease.run(|blueprint, instance| call.run(blueprint, instance));
        if matches!(answer, Err(StageFault::Deadline(_))) {
            self.slowed(TOO_SLOW);
        }
        answer
    }

    /// Whether a call might keep its thread for longer than a tokio worker should be kept.
    fn may_block(&self, input: usize) -> bool {
        input > INLINE || self.slowness.load(Relaxed) >= TOO_SLOW
    }

    fn slowed(&self, more: u32) {
        // Once too slow it stays so.
        let add = |slowness: u32| (slowness < TOO_SLOW).then(|| slowness.saturating_add(more));
        if self.slowness.fetch_update(Relaxed, Relaxed, add).is_ok_and(|before| before.saturating_add(more) >= TOO_SLOW) {
            tracing::warn!(stage = self.name, "the stage is slow: from here on it runs on threads that may block");
        }
    }
}
