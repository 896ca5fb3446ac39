//! The interface `read-write-lock`.

use wasmtime::component::{Accessor, Resource};

use super::bindings::bellwether::core::read_write_lock::{Host, HostReadWriteLock, HostReadWriteLockWithStore, Options, Wait};
use super::call::{Call, Entry, keep_guard};
use super::convert::Failure;
use super::lock::GuardEntry;
use super::view::{BellwetherCtxView, HasBellwether};
use crate::lock::RwLock;

/// A read-write lock in a guest's table.
pub type RwLockEntry = Entry<RwLock>;

impl Host for BellwetherCtxView<'_> {}

impl HostReadWriteLock for BellwetherCtxView<'_> {
    fn open(&mut self, name: String, options: Options) -> Result<Resource<RwLockEntry>, Failure> {
        self.ctx.grant.lock(&name)?;
        let room = self.room()?;
        let lock = self.ctx.locks.open_rw(&name, options.into())?;
        self.keep(lock, room)
    }

    fn drop(&mut self, this: Resource<RwLockEntry>) -> wasmtime::Result<()> {
        self.remove(this)
    }
}

impl<T: 'static> HostReadWriteLockWithStore<T> for HasBellwether {
    async fn read(
        accessor: &Accessor<T, Self>,
        this: Resource<RwLockEntry>,
        wait: Wait,
    ) -> Result<Option<Resource<GuardEntry>>, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        keep_guard(accessor, call, |lock| async move { lock.read(wait.into()).await }).await
    }

    async fn write(
        accessor: &Accessor<T, Self>,
        this: Resource<RwLockEntry>,
        wait: Wait,
    ) -> Result<Option<Resource<GuardEntry>>, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        keep_guard(accessor, call, |lock| async move { lock.write(wait.into()).await }).await
    }

    async fn is_locked(accessor: &Accessor<T, Self>, this: Resource<RwLockEntry>) -> Result<bool, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.is_locked().await }).await
    }
}
