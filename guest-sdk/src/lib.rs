//! Locks and caches for WebAssembly guests of a bellwether host, and the stages that cached values pass through.
//!
//! A guest is a library crate of type `cdylib`, built for `wasm32-wasip2`. This is a complete one:
//!
//! ```
//! use std::error::Error;
//! use std::time::Duration;
//!
//! use bellwether_guest::{Cache, Lock, LockOptions};
//!
//! bellwether_guest::main!(app);
//!
//! async fn app() -> Result<(), Box<dyn Error>> {
//!     let city = std::env::args().nth(1).ok_or("say which city")?;
//!     let forecasts = Cache::open("forecasts")?;
//!
//!     if let Some(forecast) = forecasts.get::<String>(&city).await? {
//!         println!("{forecast} (from the cache)");
//!         return Ok(());
//!     }
//!
//!     // One guest computes the forecast of a city at a time, wherever the others run.
//!     let lock = Lock::open(&format!("forecast of {city}"), LockOptions::default())?;
//!     let guard = lock.acquire().await?;
//!     // Whoever held the lock before may have computed it meanwhile.
//!     let forecast = match forecasts.get(&city).await? {
//!         Some(forecast) => forecast,
//!         None => {
//!             let forecast = compute(&city);
//!             forecasts.set_for(&city, &forecast, Duration::from_secs(600)).await?;
//!             forecast
//!         }
//!     };
//!     guard.release().await?;
//!     println!("{forecast}");
//!     Ok(())
//! }
//!
//! fn compute(city: &str) -> String {
//!     format!("{city}: sunny")
//! }
//! # fn main() {}
//! ```
//!
//! Its `Cargo.toml` needs `crate-type = ["cdylib"]` under `[lib]` and this crate under `[dependencies]`;
//! `cargo build --target wasm32-wasip2` makes the component, and `bellwether run` runs it.
//!
//! # Locks
//! [`Lock::open`] names a lock; [`Lock::acquire`], [`Lock::try_acquire`] and [`Lock::acquire_within`] give a [`Guard`], whose
//! drop releases the lock. A lock excludes every other guest, process and program that uses the same name on the same store.
//!
//! [`RwLock`] has many readers or one writer, [`Semaphore`] so many holders at once, and [`MultiLock`] several names, all or none.
//! [`Lock::open_as`] opens a lock of a class, which does what the platform has registered by that name.
//!
//! # Caches
//! A [`Cache`] keeps any value that serde can serialize. [`Cache::with_content`] gives the same cache for entries that were
//! computed from something: the same key with other content is another entry. [`Cache::get_or_try_insert_with`] has one guest among
//! all compute what is not there; whether others are told of a failure, or an old value stands in for it, is up to the platform.
//!
//! # Many calls at once
//! Every call is an `async fn`, and a guest can have a thousand of them in flight. [`join_all`] runs futures at the same time,
//! [`join_at_most`] bounds how many. [`Guard::while_held`] stops what a lock protects as soon as the lock is lost.
//!
//! # Stages
//! A component can be a [`Serializer`], a [`Compressor`] or an [`Identity`] of the host's caches, or several of them: implement
//! the trait and export it with [`export_serializer!`], [`export_compressor!`] or [`export_identity!`].
//!
//! # On other targets
//! The crate compiles everywhere, so that a guest's own logic can be tested natively; calls on locks and caches panic there.

#[doc(hidden)]
pub mod bindings;
mod cache;
pub mod cbor;
mod error;
mod join;
mod lock;
mod run;
mod stage;
mod time;

pub use cache::{Cache, CacheOptions, ComputeError, Found, Herd, StageChoice, Ttl, Vacancy};
pub use error::{Error, Result};
pub use join::{join_all, join_at_most};
pub use lock::{Guard, Kind, Lock, LockOptions, MultiGuard, MultiLock, RwLock, Semaphore, Token};
pub use run::{Termination, report};
pub use stage::{Compressor, Identity, Serializer};

pub use ciborium;
pub use serde;
