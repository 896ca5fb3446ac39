//! The interface `semaphore`.

use wasmtime::component::{Accessor, Resource};

use super::bindings::bellwether::core::semaphore::{Host, HostSemaphore, HostSemaphoreWithStore, Options, Wait};
use super::call::{Call, Entry, keep_guard};
use super::convert::Failure;
use super::lock::GuardEntry;
use super::view::{BellwetherCtxView, HasBellwether};
use crate::lock::Semaphore;

/// A semaphore in a guest's table.
pub type SemaphoreEntry = Entry<Semaphore>;

impl Host for BellwetherCtxView<'_> {}

impl HostSemaphore for BellwetherCtxView<'_> {
    fn open(&mut self, name: String, permits: u32, options: Options) -> Result<Resource<SemaphoreEntry>, Failure> {
        self.ctx.grant.lock(&name)?;
        let room = self.room()?;
        let semaphore = self.ctx.locks.open_semaphore(&name, permits, options.into())?;
        self.keep(semaphore, room)
    }

    fn drop(&mut self, this: Resource<SemaphoreEntry>) -> wasmtime::Result<()> {
        self.remove(this)
    }
}

impl<T: 'static> HostSemaphoreWithStore<T> for HasBellwether {
    async fn acquire(
        accessor: &Accessor<T, Self>,
        this: Resource<SemaphoreEntry>,
        wait: Wait,
    ) -> Result<Option<Resource<GuardEntry>>, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        keep_guard(accessor, call, |lock| async move { lock.acquire(wait.into()).await }).await
    }

    async fn available(accessor: &Accessor<T, Self>, this: Resource<SemaphoreEntry>) -> Result<u32, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.available().await }).await
    }
}
