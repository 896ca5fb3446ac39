//! The interface `lock`.

use std::time::Duration;

use wasmtime::component::{Accessor, Resource};

use super::bindings::bellwether::core::lock::{
    Host, HostGuard, HostGuardWithStore, HostLock, HostLockWithStore, Options, Token, Wait,
};
use super::bindings::bellwether::core::types::Milliseconds;
use super::call::{Call, Entry, keep_guard};
use super::convert::Failure;
use super::view::{BellwetherCtxView, HasBellwether};
use crate::clock::millis;
use crate::lock::{Guard, Lock};

/// A lock in a guest's table.
pub type LockEntry = Entry<Lock>;

/// A guard in a guest's table. Removing it, or dropping the table, releases the lock in the background.
pub type GuardEntry = Entry<Guard>;

impl Host for BellwetherCtxView<'_> {}

impl HostLock for BellwetherCtxView<'_> {
    fn open(&mut self, name: String, options: Options) -> Result<Resource<LockEntry>, Failure> {
        self.ctx.grant.lock(&name)?;
        let room = self.room()?;
        let lock = self.ctx.locks.open(&name, options.into())?;
        self.keep(lock, room)
    }

    fn open_as(
        &mut self,
        class: String,
        name: String,
        note: Option<String>,
        options: Options,
    ) -> Result<Resource<LockEntry>, Failure> {
        self.ctx.grant.lock_class(&class)?;
        self.ctx.grant.lock(&name)?;
        let room = self.room()?;
        let lock = self.ctx.locks.open_as(&class, &name, note.as_deref(), options.into())?;
        self.keep(lock, room)
    }

    fn drop(&mut self, this: Resource<LockEntry>) -> wasmtime::Result<()> {
        self.remove(this)
    }
}

impl<T: 'static> HostLockWithStore<T> for HasBellwether {
    async fn acquire(
        accessor: &Accessor<T, Self>,
        this: Resource<LockEntry>,
        wait: Wait,
    ) -> Result<Option<Resource<GuardEntry>>, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        keep_guard(accessor, call, |lock| async move { lock.acquire(wait.into()).await }).await
    }

    async fn is_locked(accessor: &Accessor<T, Self>, this: Resource<LockEntry>) -> Result<bool, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.is_locked().await }).await
    }

    async fn adopt(
        accessor: &Accessor<T, Self>,
        this: Resource<LockEntry>,
        token: Token,
    ) -> Result<Resource<GuardEntry>, Failure> {
        let call = Call::begin(accessor, &this, token.len())?;
        let room = accessor.with(|mut access| access.get().room())?;
        let guard = call.perform(|on| async move { on.adopt(&token).await }).await?;
        accessor.with(|mut access| access.get().keep(guard, room))
    }
}

impl HostGuard for BellwetherCtxView<'_> {
    fn fence(&mut self, this: Resource<GuardEntry>) -> wasmtime::Result<u64> {
        Ok(self.native(&this)?.fence())
    }

    fn drop(&mut self, this: Resource<GuardEntry>) -> wasmtime::Result<()> {
        self.remove(this)
    }
}

impl<T: 'static> HostGuardWithStore<T> for HasBellwether {
    async fn extend(accessor: &Accessor<T, Self>, this: Resource<GuardEntry>, by: Milliseconds) -> Result<(), Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.extend(Duration::from_millis(by)).await }).await
    }

    async fn renew(accessor: &Accessor<T, Self>, this: Resource<GuardEntry>) -> Result<(), Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.renew().await }).await
    }

    async fn remaining(accessor: &Accessor<T, Self>, this: Resource<GuardEntry>) -> Result<Option<Milliseconds>, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        Ok(call.perform(|on| async move { on.remaining().await }).await?.map(millis))
    }

    async fn held(accessor: &Accessor<T, Self>, this: Resource<GuardEntry>) -> Result<bool, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.held().await }).await
    }

    async fn lost(accessor: &Accessor<T, Self>, this: Resource<GuardEntry>) -> wasmtime::Result<()> {
        // The contract leaves no room for an error here, so a guest over its quota of calls traps.
        let call = Call::begin(accessor, &this, 0).map_err(Failure::into_trap)?;
        call.perform(|on| async move { Ok(on.lost().await) }).await.map_err(Failure::into_trap)?;
        Ok(())
    }

    async fn release(accessor: &Accessor<T, Self>, this: Resource<GuardEntry>) -> Result<(), Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.release().await }).await
    }

    async fn hand_over(accessor: &Accessor<T, Self>, this: Resource<GuardEntry>) -> Result<Token, Failure> {
        let call = Call::begin(accessor, &this, 0)?;
        call.perform(|on| async move { on.hand_over().await }).await
    }
}
