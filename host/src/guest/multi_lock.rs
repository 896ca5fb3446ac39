//! The interface `multi-lock`.

use std::time::Duration;

use wasmtime::component::{Accessor, Resource};

use super::bindings::bellwether::core::multi_lock::{
    Host, HostMultiGuard, HostMultiGuardWithStore, HostMultiLock, HostMultiLockWithStore, Options, Wait,
};
use super::bindings::bellwether::core::types::Milliseconds;
use super::call::{Call, Entry};
use super::convert::Failure;
use super::view::{BellwetherCtxView, HasBellwether};
use crate::clock::millis;
use crate::lock::{MultiGuard, MultiLock};

/// Several locks in a guest's table.
pub type MultiLockEntry = Entry<MultiLock>;

/// A guard of several locks in a guest's table. Removing it, or dropping the table, releases them in the background.
pub type MultiGuardEntry = Entry<MultiGuard>;

impl Host for BellwetherCtxView<'_> {}

impl HostMultiLock for BellwetherCtxView<'_> {
    fn open(&mut self, names: Vec<String>, options: Options) -> Result<Resource<MultiLockEntry>, Failure> {
        names.iter().try_for_each(|name| self.ctx.grant.lock(name))?;
        let lock = self.ctx.locks.open_many(&names, options.into())?;
        // It costs what that many locks do.
        let room = self.rooms(lock.names().count())?;
        self.keep(lock, room)
    }

    fn drop(&mut self, this: Resource<MultiLockEntry>) -> wasmtime::Result<()> {
        self.remove(this)
    }
}

impl<T: 'static> HostMultiLockWithStore<T> for HasBellwether {
    async fn acquire(
        accessor: &Accessor<T, Self>,
        this: Resource<MultiLockEntry>,
        wait: Wait,
    ) -> Result<Option<Resource<MultiGuardEntry>>, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        let room = accessor.with(|mut access| access.get().rooms(call.on.names().count()))?;
        match call.perform(|on| async move { on.acquire(wait.into()).await }).await? {
            Some(guard) => accessor.with(|mut access| access.get().keep(guard, room)).map(Some),
            None => Ok(None),
        }
    }
}

impl HostMultiGuard for BellwetherCtxView<'_> {
    fn fence(&mut self, this: Resource<MultiGuardEntry>) -> wasmtime::Result<u64> {
        Ok(self.native(&this)?.fence())
    }

    fn drop(&mut self, this: Resource<MultiGuardEntry>) -> wasmtime::Result<()> {
        self.remove(this)
    }
}

impl<T: 'static> HostMultiGuardWithStore<T> for HasBellwether {
    async fn extend(accessor: &Accessor<T, Self>, this: Resource<MultiGuardEntry>, by: Milliseconds) -> Result<(), Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.extend(Duration::from_millis(by)).await }).await
    }

    async fn renew(accessor: &Accessor<T, Self>, this: Resource<MultiGuardEntry>) -> Result<(), Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.renew().await }).await
    }

    async fn remaining(accessor: &Accessor<T, Self>, this: Resource<MultiGuardEntry>) -> Result<Option<Milliseconds>, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        Ok(call.perform(|on| async move { on.remaining().await }).await?.map(millis))
    }

    async fn held(accessor: &Accessor<T, Self>, this: Resource<MultiGuardEntry>) -> Result<bool, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.held().await }).await
    }

    async fn lost(accessor: &Accessor<T, Self>, this: Resource<MultiGuardEntry>) -> wasmtime::Result<()> {
        // As for the guard of one lock.
        let call = Call::begin(accessor, &this, 0).map_err(Failure::into_trap)?;
        call.perform(|on| async move { Ok(on.lost().await) }).await.map_err(Failure::into_trap)?;
        Ok(())
    }

    async fn release(accessor: &Accessor<T, Self>, this: Resource<MultiGuardEntry>) -> Result<(), Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.release().await }).await
    }
}
