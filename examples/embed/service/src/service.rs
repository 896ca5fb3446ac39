//! The routes and what they share.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use bellwether::cache::Cache;
use bellwether::lock::Locks;
use bellwether::{Error, Guest, Runtime};

use crate::{guest, primes};

/// What all requests share. Handles into the runtime are cheap to clone and use its one connection.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) locks: Locks,
    pub(crate) primes: Cache,
    pub(crate) guest: Option<Arc<Guest>>,
}

/// The service on a runtime.
///
/// # Errors
/// When the platform does not allow the cache.
pub(crate) fn router(runtime: &Runtime, guest: Option<Guest>) -> Result<Router, Error> {
    let service = Service { locks: runtime.locks(), primes: runtime.caches().open("primes", None)?, guest: guest.map(Arc::new) };
    Ok(Router::new().route("/primes/{below}", get(primes::count)).route("/run", post(guest::run)).with_state(service))
}
