//! A host with a linker and store data of its own, as an embedder has them.

use bellwether::guest::{BellwetherCtx, BellwetherCtxView, BellwetherView, Quotas, add_to_linker};
use bellwether::store::memory::MemoryStore;
use bellwether::{Caches, Locks};
use std::sync::Arc;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Config, Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::*;

struct State {
    table: ResourceTable,
    wasi: WasiCtx,
    bellwether: BellwetherCtx,
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

#[tokio::test]
async fn the_interfaces_can_be_added_to_any_linker() {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    let engine = Engine::new(&config).unwrap();
    let mut linker = Linker::<State>::new(&engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
    wasmtime_wasi::p3::add_to_linker(&mut linker).unwrap();
    add_to_linker(&mut linker).unwrap();

    let memory = Arc::new(MemoryStore::new());
    let (locks, caches) = (Locks::new(memory.clone()), Caches::new(memory));
    let bellwether = BellwetherCtx::new(locks, caches.clone(), Grant::all(), Quotas::default());
    let wasi = WasiCtx::builder().args(&["probe", "cache", "set", "mine", "key", "value"]).build();
    let mut store = Store::new(&engine, State { table: ResourceTable::new(), wasi, bellwether });
    let component = Component::from_file(&engine, &*PROBE).unwrap();
    let command = wasmtime_wasi::p3::bindings::Command::instantiate_async(&mut store, &component, &linker).await.unwrap();
    let end = store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await).await;
    assert_eq!(end.unwrap().unwrap(), Ok(()));
    assert_eq!(caches.open("mine", None).unwrap().get::<String>("key").await.unwrap().as_deref(), Some("value"));
}
