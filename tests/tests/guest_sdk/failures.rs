//! What becomes of computations that fail is up to the platform.

use std::time::Duration;

use bellwether::cache::{CacheOptions, CachePolicy, ComputeError, Herd, Tuning};

use super::*;

const HOUR: Duration = Duration::from_hours(1);

/// A platform that deals so with failures, and a guest on it.
async fn tuned(tuning: Tuning) -> (Runtime, Guest) {
    let herd = Some(Herd { herd_timeout: HOUR, extend_timeout: HOUR });
    let defaults = CacheOptions { herd, tuning: Some(tuning), ..CacheOptions::default() };
    let runtime = builder().cache_policy(CachePolicy { defaults, ..CachePolicy::default() }).build().await.unwrap();
    let guest = runtime.load(bellwether_tests::component("test-sdk").unwrap()).unwrap();
    (runtime, guest)
}

async fn works(guest: &Guest, subject: &str) {
    let quotas = Quotas { bytes: 64 << 10, ..Quotas::default() };
    let given = GuestRun::default().limits(GuestLimits { quotas, ..GuestLimits::default() });
    let ran = run(guest, [subject], given).await;
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{subject}");
}

#[tokio::test]
async fn a_failure_is_told_to_others_for_a_while() {
    let (runtime, guest) = tuned(Tuning { failures: Some(HOUR), ..Tuning::default() }).await;
    works(&guest, "failing for a while").await;
    // To other guests, and to the platform itself.
    works(&guest, "failing again").await;
    let cache = runtime.caches().open("failures", None).unwrap();
    let computed = cache.get_or_try_insert_with("key", || async { Ok::<u8, String>(1) }).await;
    assert_eq!(computed, Err(ComputeError::Failed("no luck".into())));
}

#[tokio::test]
async fn a_guest_asks_for_how_long_a_failure_is_told() {
    let (_runtime, guest) = tuned(Tuning::default()).await;
    works(&guest, "failing as asked").await;
}

#[tokio::test]
async fn an_old_value_is_given_in_place_of_an_error() {
    let (_runtime, guest) = tuned(Tuning { stale_if_error: Some(HOUR), ..Tuning::default() }).await;
    works(&guest, "failing with an old value").await;
}

#[tokio::test]
async fn where_nothing_is_said_of_failures_the_next_computes_at_once() {
    let (_runtime, guest) = tuned(Tuning::default()).await;
    works(&guest, "failing at once").await;
}
