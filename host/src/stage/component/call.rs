//! Where a call runs: at once on the caller's thread, or later on one where it may block.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

use super::instance::{Blueprint, Instance};
use super::pool::Pool;
use crate::error::StageFault;
use crate::stage::Work;

/// The largest input, in bytes, that is worked on at once on the caller's thread.
pub const INLINE: usize = 64 * 1024;

/// One component, ready to be called.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) pool: Arc<Pool>,
    /// Whether it once overran its deadline.
    overran: AtomicBool,
}

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
        Self { name: name.to_owned(), pool, overran: AtomicBool::new(false) }
    }

    /// The answer, if the call can be made at once.
    pub(super) fn at_once<C: Call>(&self, call: &C) -> Option<Result<C::Output, StageFault>> {
        if self.may_block(call.input()) && Handle::try_current().is_ok() {
            return None;
        }
        let lease = self.pool.try_take()?;
        Some(self.note(lease.run(|blueprint, instance| call.run(blueprint, instance))))
    }

    /// The answer, later.
    pub(super) fn later<'a, C: Call + Send + 'static>(self: &Arc<Self>, call: C) -> Work<'a, C::Output> {
        let this = Arc::clone(self);
        Work::later(async move {
            let lease = Arc::clone(&this.pool).take().await?;
            let may_block = this.may_block(call.input());
            let run = move || this.note(lease.run(|blueprint, instance| call.run(blueprint, instance)));
            match Handle::try_current() {
                Ok(handle) if may_block => handle
                    .spawn_blocking(run)
                    .await
                    .unwrap_or_else(|error| Err(StageFault::Start(format!("the thread of its call ended: {error}")))),
                _ => run(),
            }
        })
    }

    /// Whether a call might keep its thread for longer than a tokio worker should be kept.
    fn may_block(&self, input: usize) -> bool {
        input > INLINE || self.overran.load(Ordering::Relaxed)
    }

    fn note<T>(&self, answer: Result<T, StageFault>) -> Result<T, StageFault> {
        if matches!(answer, Err(StageFault::Deadline(_))) && !self.overran.swap(true, Ordering::Relaxed) {
            tracing::warn!(stage = self.name, "the stage overran its deadline: from here on it runs on threads that may block");
        }
        answer
    }
}
