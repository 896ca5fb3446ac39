//! What `bindgen!` makes of `wit/`, the only copy of the contract.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "imports",
    imports: { default: trappable },
    with: {
        "bellwether:core/lock.lock": crate::guest::lock::LockEntry,
        "bellwether:core/lock.guard": crate::guest::lock::GuardEntry,
        "bellwether:core/read-write-lock.read-write-lock": crate::guest::read_write_lock::RwLockEntry,
        "bellwether:core/semaphore.semaphore": crate::guest::semaphore::SemaphoreEntry,
        "bellwether:core/multi-lock.multi-lock": crate::guest::multi_lock::MultiLockEntry,
        "bellwether:core/multi-lock.multi-guard": crate::guest::multi_lock::MultiGuardEntry,
        "bellwether:core/cache.cache": crate::guest::cache::CacheEntry,
        "bellwether:core/cache.vacancy": crate::guest::cache::VacancyEntry,
    },
    trappable_error_type: {
        "bellwether:core/types.error" => crate::guest::convert::Failure,
    },
});
