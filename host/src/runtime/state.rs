//! What belongs to one run of a guest.

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

use super::error::GuestError;
use super::limits::{GuestLimits, Meter};
use super::output::Output;
use super::run::{GuestRun, Input};
use crate::cache::Caches;
use crate::guest::{BellwetherCtx, BellwetherCtxView, BellwetherView, Directory, Grant};
use crate::lock::Locks;

/// The data of a guest's store. Dropping it releases what the guest still holds.
pub(super) struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    bellwether: BellwetherCtx,
    pub(super) meter: Meter,
}

impl State {
    pub(super) fn new(locks: Locks, caches: Caches, name: &str, run: GuestRun, grant: Grant, limits: &GuestLimits) -> Result<Self, GuestError> {
        let wasi = wasi(name, run, &grant)?;
        let mut table = ResourceTable::new();
        // Ours are counted by their quota; this bounds what WASI adds to them.
        let max = limits.quotas.resources.saturating_add(WASI_RESOURCES);
        table.set_max_capacity(usize::try_from(max).unwrap_or(usize::MAX));
        let bellwether = BellwetherCtx::new(locks, caches, grant, limits.quotas);
        Ok(Self { table, wasi, bellwether, meter: Meter::new(limits) })
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl BellwetherView for State {
    fn bellwether(&mut self) -> BellwetherCtxView<'_> {
        BellwetherCtxView { ctx: &mut self.bellwether, table: &mut self.table }
    }
}

/// How many files, sockets, streams and the like a guest may have open.
const WASI_RESOURCES: u64 = 10_000;

fn wasi(name: &str, run: GuestRun, grant: &Grant) -> Result<WasiCtx, GuestError> {
    let mut wasi = WasiCtx::builder();
    wasi.arg(name).args(&run.args).envs(&run.env);
    match run.stdin {
        Input::Empty => {}
        Input::Inherit => {
            wasi.inherit_stdin();
        }
        Input::Bytes(bytes) => {
            wasi.stdin(wasmtime_wasi::p2::pipe::MemoryInputPipe::new(bytes));
        }
    }
    match run.stdout {
        Output::Null => {}
        Output::Inherit => {
            wasi.inherit_stdout();
        }
        Output::Capture(capture) => {
            wasi.stdout(capture);
        }
    }
    match run.stderr {
        Output::Null => {}
        Output::Inherit => {
            wasi.inherit_stderr();
        }
        Output::Capture(capture) => {
            wasi.stderr(capture);
        }
    }
    for Directory { host, guest, write } in &grant.directories {
        let perms = if *write { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        wasi.preopened_dir(host, guest, perms)
            .map_err(|why| GuestError::Directory { path: host.clone(), why: format!("{why:#}") })?;
    }
    if grant.network {
        wasi.inherit_network().allow_ip_name_lookup(true);
    }
    Ok(wasi.build())
}
