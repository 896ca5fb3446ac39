//! What every call of a guest begins with, and what every new resource costs.

use std::sync::Arc;

use futures_util::FutureExt as _;
use wasmtime::component::{Accessor, Resource};

use super::convert::Failure;
use super::lock::GuardEntry;
use super::quota::{CallShare, Share};
use super::under_way::under_way;
use super::view::{BellwetherCtxView, HasBellwether};
use super::worker::Worker;
use crate::error::Error;
use crate::lock::Guard;

/// An entry of the guest's table: something native, and its share of the quota.
#[derive(Debug)]
pub struct Entry<N> {
    native: Arc<N>,
    _share: Share,
}

/// Where a new resource will go. It is made before the store is asked, so that no lock is taken that there is no room for.
#[derive(Debug)]
pub(super) struct Room(Share);

/// A call that was let in. While it lasts it counts as in flight, and the native side of its resource stays.
pub(super) struct Call<N> {
    pub(super) on: Arc<N>,
    share: CallShare,
    worker: Worker,
}

impl<N: Send + Sync + 'static> Call<N> {
    /// Lets a call in that has arguments of so many bytes.
    pub(super) fn begin<T: 'static>(
        accessor: &Accessor<T, HasBellwether>,
        this: &Resource<Entry<N>>,
        bytes: usize,
    ) -> Result<Self, Failure> {
        accessor.with(|mut access| {
            let view = access.get();
            let on = Arc::clone(&view.table.get(this).map_err(|why| Failure::Trap(why.into()))?.native);
            Ok(Self { on, share: view.ctx.quota.call(bytes)?, worker: view.ctx.worker.clone() })
        })
    }

    /// Lets a call in that is the last on its resource, which is removed also where the call is not let in.
    pub(super) fn last<T: 'static>(
        accessor: &Accessor<T, HasBellwether>,
        this: Resource<Entry<N>>,
        bytes: usize,
    ) -> Result<Self, Failure> {
        accessor.with(|mut access| {
            let view = access.get();
            let entry = view.table.delete(this).map_err(|why| Failure::Trap(why.into()))?;
            Ok(Self { on: entry.native, share: view.ctx.quota.call(bytes)?, worker: view.ctx.worker.clone() })
        })
    }

    /// Performs the call, which goes on while the guest computes. What it does is put into a box at once: every async function on the way
    /// would copy it.
    pub(super) fn perform<A, F>(self, doing: impl FnOnce(Arc<N>) -> F) -> impl Future<Output = Result<A, Failure>> + Send
    where
        A: Send + 'static,
        F: Future<Output = Result<A, Error>> + Send + 'static,
    {
        let Self { on, share, worker } = self;
        // The share goes with the answer: as long as the guest has not taken it, both are held here.
        let doing = Box::pin(doing(on)).map(|answer| (answer, share));
        async move {
            let given_up = |why| Failure::Trap(wasmtime::Error::new(why).context("a call was given up by the host"));
            let (answer, _share) = under_way(&worker, doing).await.map_err(given_up)?;
            Ok(answer?)
        }
    }
}

/// Waits for a guard and keeps it, in room that was made before.
pub(super) async fn keep_guard<T: 'static, N: Send + Sync + 'static, F>(
    accessor: &Accessor<T, HasBellwether>,
    call: Call<N>,
    acquire: impl FnOnce(Arc<N>) -> F,
) -> Result<Option<Resource<GuardEntry>>, Failure>
where
    F: Future<Output = Result<Option<Guard>, Error>> + Send + 'static,
{
    let room = accessor.with(|mut access| access.get().room())?;
    match call.perform(acquire).await? {
        Some(guard) => accessor.with(|mut access| access.get().keep(guard, room)).map(Some),
        None => Ok(None),
    }
}

impl BellwetherCtxView<'_> {
    /// Makes room for a resource.
    pub(super) fn room(&self) -> Result<Room, Failure> {
        self.rooms(1)
    }

    /// Makes room for a resource that stands for so many, and at least one.
    pub(super) fn rooms(&self, count: usize) -> Result<Room, Failure> {
        Ok(Room(self.ctx.quota.resources(count.max(1))?))
    }

    /// Puts something into its room.
    pub(super) fn keep<N: Send + Sync + 'static>(&mut self, native: N, room: Room) -> Result<Resource<Entry<N>>, Failure> {
        let entry = Entry { native: Arc::new(native), _share: room.0 };
        self.table.push(entry).map_err(|why| Failure::Trap(why.into()))
    }

    /// What is in the table.
    pub(super) fn native<N: Send + Sync + 'static>(&self, this: &Resource<Entry<N>>) -> wasmtime::Result<&N> {
        Ok(&self.table.get(this)?.native)
    }

    /// Removes a resource that the guest dropped.
    pub(super) fn remove<N: Send + Sync + 'static>(&mut self, this: Resource<Entry<N>>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
