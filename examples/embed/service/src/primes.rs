//! `GET /primes/{below}`: something worth caching, computed by one at a time.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bellwether::clock::Wait;
use bellwether::lock::LockOptions;
use serde::{Deserialize, Serialize};

use crate::answers::Failure;
use crate::service::Service;

/// The largest bound a request may ask for: a few seconds of work and 100 MB of memory.
const MAX: u32 = 100_000_000;
/// How long a request waits for another that computes the same.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an answer is kept.
const EXPIRE: Duration = Duration::from_hours(1);

/// How many prime numbers there are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Primes {
    below: u32,
    count: usize,
    /// What the cache saves the next one who asks.
    computed_in_ms: u64,
}

/// Answers from the cache, or computes. The header `x-cache` says which.
pub(crate) async fn count(State(service): State<Service>, Path(below): Path<u32>) -> Result<Response, Failure> {
    if below > MAX {
        return Err(Failure::new(StatusCode::BAD_REQUEST, format!("{below} is too much: ask for at most {MAX}")));
    }
    let key = below.to_string();
    if let Some(known) = service.primes.get::<Primes>(key.as_str()).await? {
        return Ok(answer("hit", known));
    }

    let lock = service.locks.open(&format!("primes:{key}"), LockOptions::default())?;
    let Some(guard) = lock.acquire(Wait::UpTo(PATIENCE)).await? else {
        return Err(Failure::busy("another request is still computing this"));
    };
    // Whoever held the lock before has probably stored the answer.
    if let Some(known) = service.primes.get::<Primes>(key.as_str()).await? {
        guard.release().await?;
        return Ok(answer("hit", known));
    }
    let computed = tokio::task::spawn_blocking(move || compute(below)).await.map_err(Failure::internal)?;
    service.primes.set(key.as_str(), &computed, Some(EXPIRE)).await?;
    // Every other way out of here drops the guard, which releases the lock in the background.
    guard.release().await?;
    Ok(answer("miss", computed))
}

fn answer(cache: &'static str, primes: Primes) -> Response {
    ([("x-cache", cache)], Json(primes)).into_response()
}

/// The sieve of Eratosthenes.
fn compute(below: u32) -> Primes {
    let began = Instant::now();
    let mut prime = vec![true; below as usize];
    prime.iter_mut().take(2).for_each(|small| *small = false);
    for number in 2..=prime.len().isqrt() {
        if prime.get(number) == Some(&true) {
            prime.iter_mut().skip(number * number).step_by(number).for_each(|multiple| *multiple = false);
        }
    }
    let count = prime.iter().filter(|prime| **prime).count();
    Primes { below, count, computed_in_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::compute;

    #[test]
    fn primes_are_counted() {
        for (below, count) in [(0, 0), (2, 0), (3, 1), (10, 4), (26, 9), (1_000_000, 78_498)] {
            assert_eq!(compute(below).count, count, "below {below}");
        }
    }
}
