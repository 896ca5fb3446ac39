//! Single flight: exactly one computes, whatever becomes of the others.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_hours(1);

/// Two handles as two processes would have them.
fn both() -> [Cache; 2] {
    let store = Arc::new(MemoryStore::new());
    [Caches::new(store.clone()), Caches::new(store)].map(|caches| caches.open("pages", None).unwrap())
}

async fn vacancy(cache: &Cache, wait: Duration) -> Vacancy {
    match cache.lookup::<u8>("a", wait).await.unwrap() {
        Found::Vacant(vacancy) => vacancy,
        other => panic!("{other:?} where there should be a vacancy"),
    }
}

async fn hit(cache: &Cache, wait: Duration) -> u8 {
    match cache.lookup("a", wait).await.unwrap() {
        Found::Hit(value) => value,
        other => panic!("{other:?} where there should be a value"),
    }
}

async fn busy(cache: &Cache, wait: Duration) -> bool {
    matches!(cache.lookup::<u8>("a", wait).await.unwrap(), Found::Busy)
}

#[tokio::test(start_paused = true)]
async fn one_computes_and_all_others_wait_for_it() {
    let caches = both();
    let computed = AtomicUsize::new(0);
    let compute = |cache: Cache| {
        let computed = &computed;
        async move {
            let compute = || async {
                computed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(30 * SECOND).await;
                Ok::<u8, std::convert::Infallible>(7)
            };
            cache.get_or_try_insert_with("a", compute).await.unwrap()
        }
    };
    let values = join_all((0..128).map(|n| compute(caches[n % 2].clone()))).await;
    assert_eq!(values, [7; 128]);
    assert_eq!(computed.load(Ordering::Relaxed), 1);
    for cache in &caches {
        assert_eq!(cache.0.flights.len(), 0);
        assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(7));
        assert_eq!(cache.ttl("a").await.unwrap(), Ttl::Persistent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_vacancy_lasts_as_long_as_it_is_kept() {
    let [here, there] = both();
    let kept = vacancy(&here, Duration::ZERO).await;
    assert!(busy(&there, Duration::ZERO).await);
    assert!(busy(&here, 100 * SECOND).await && busy(&there, 100 * SECOND).await, "far longer than its lease");
    for cache in [&here, &there] {
        assert_eq!(cache.get::<u8>("a").await.unwrap(), None);
        assert_eq!(cache.get_many::<u8, _>(["a"]).await.unwrap(), [None]);
        assert!(!cache.exists("a").await.unwrap());
        assert_eq!(cache.ttl("a").await.unwrap(), Ttl::Absent);
    }
    assert!(kept.fill(&1, Some(SECOND)).await.unwrap());
    assert_eq!(hit(&there, Duration::ZERO).await, 1);
    assert_eq!(here.ttl("a").await.unwrap(), Ttl::Remaining(SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_vacancy_that_is_dropped_goes_to_the_next_at_once() {
    let [here, there] = both();
    let first = vacancy(&here, Duration::ZERO).await;
    let waiter = tokio::spawn(async move { vacancy(&there, LONG).await });
    tokio::time::sleep(SECOND).await;
    let began = tokio::time::Instant::now();
    drop(first);
    let second = waiter.await.unwrap();
    assert!(began.elapsed() < SECOND / 10, "{:?}", began.elapsed());
    here.0.flights.settled().await;
    assert!(second.fill(&2, None).await.unwrap());
    assert_eq!(hit(&here, Duration::ZERO).await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_delete_or_a_set_voids_the_computation() {
    let [here, there] = both();
    let first = vacancy(&here, Duration::ZERO).await;
    assert!(!there.delete("a").await.unwrap(), "there is no entry yet");
    let second = vacancy(&there, Duration::ZERO).await;
    assert!(!first.fill(&1, None).await.unwrap());
    assert!(busy(&here, Duration::ZERO).await, "the second computes");
    here.set("a", &3, None).await.unwrap();
    assert!(!second.fill(&2, None).await.unwrap());
    assert_eq!(hit(&there, Duration::ZERO).await, 3);
    // One that is dropped takes nothing with it either.
    assert!(here.delete("a").await.unwrap());
    let third = vacancy(&here, Duration::ZERO).await;
    there.set("a", &4, None).await.unwrap();
    drop(third);
    here.0.flights.settled().await;
    assert_eq!(hit(&here, Duration::ZERO).await, 4);
}

#[tokio::test(start_paused = true)]
async fn who_waits_finds_a_plain_set_too() {
    let [here, there] = both();
    let _kept = vacancy(&here, Duration::ZERO).await;
    let waiter = tokio::spawn(async move { hit(&there, LONG).await });
    tokio::time::sleep(SECOND).await;
    here.set("a", &5, None).await.unwrap();
    assert_eq!(timeout(2 * SECOND, waiter).await.unwrap().unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn who_is_not_polled_keeps_others_from_nothing_for_long() {
    let [here, there] = both();
    let kept = vacancy(&there, Duration::ZERO).await;
    // It asks for all of this process, until it is not driven any more.
    let mut left = Box::pin(here.lookup::<u8>("a", LONG));
    assert!(futures_util::poll!(&mut left).is_pending());
    let waits = |cache: &Cache| {
        let cache = cache.clone();
        tokio::spawn(async move { hit(&cache, LONG).await })
    };
    let waiting = [waits(&here), waits(&here)];
    tokio::time::sleep(SECOND).await;
    assert!(kept.fill(&1, None).await.unwrap());
    for waiter in waiting {
        assert_eq!(timeout(10 * SECOND, waiter).await.unwrap().unwrap(), 1);
    }
    assert!(matches!(timeout(SECOND, left).await.unwrap().unwrap(), Found::Hit(1)));
    // The duty to compute goes to one of them likewise.
    assert!(here.delete("a").await.unwrap());
    let kept = vacancy(&there, Duration::ZERO).await;
    let mut left = Box::pin(here.lookup::<u8>("a", LONG));
    assert!(futures_util::poll!(&mut left).is_pending());
    let cache = here.clone();
    let next = tokio::spawn(async move { vacancy(&cache, LONG).await });
    tokio::time::sleep(SECOND).await;
    drop(kept);
    let next = timeout(10 * SECOND, next).await.unwrap().unwrap();
    assert!(next.fill(&2, None).await.unwrap());
    drop(left);
    assert_eq!(here.0.flights.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn lookups_that_are_given_up_leave_nothing() {
    let [here, there] = both();
    for _ in 0..10 {
        // Each is dropped at another await.
        let mut lookup = Box::pin(here.lookup::<u8>("a", LONG));
        assert!(matches!((&mut lookup).now_or_never(), Some(Ok(Found::Vacant(_)))), "the embedded store answers at once");
        here.0.flights.settled().await;
    }
    let kept = vacancy(&there, Duration::ZERO).await;
    let waits: Vec<_> = (0..10).map(|_| Box::pin(timeout(SECOND, here.lookup::<u8>("a", LONG)))).collect();
    assert!(join_all(waits).await.iter().all(Result::is_err));
    assert_eq!(here.0.flights.len(), 0);
    drop(kept);
    there.0.flights.settled().await;
    vacancy(&here, Duration::ZERO).await;
}

#[tokio::test(start_paused = true)]
async fn a_computation_that_fails_lets_the_next_try() {
    let [here, there] = both();
    let failing = here.get_or_try_insert_with("a", || async {
        tokio::time::sleep(SECOND).await;
        Err::<u8, _>("no luck")
    });
    let trying = there.get_or_try_insert_with("a", || async { Ok::<u8, &str>(1) });
    let (failed, tried) = tokio::join!(failing, trying);
    assert_eq!(failed, Err(ComputeError::Compute("no luck")));
    assert_eq!(tried, Ok(1));
    let known = here.get_or_try_insert_with("a", || async { Err::<u8, _>("never asked") });
    assert_eq!(known.await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_stored_can_be_tried_again_or_left_to_others() {
    let [here, there] = both();
    let mut kept = vacancy(&here, Duration::ZERO).await;
    let refused = kept.fill_cbor(Bytes::from_static(b"\xff"), None).await;
    assert!(matches!(refused, Err(Error::Invalid(Invalid::Cbor { .. }))));
    assert!(busy(&there, Duration::ZERO).await);
    assert!(kept.fill_cbor(Bytes::from_static(b"\x01"), None).await.unwrap());
    assert!(!kept.fill_cbor(Bytes::from_static(b"\x02"), None).await.unwrap(), "the duty is done");
    assert_eq!(hit(&there, Duration::ZERO).await, 1);
    assert!(here.delete("a").await.unwrap());
    kept = vacancy(&here, Duration::ZERO).await;
    assert!(kept.fill(&"x".repeat(17 << 20), None).await.is_err());
    here.0.flights.settled().await;
    vacancy(&there, Duration::ZERO).await;
}

/// Entries that are due after 10 s, kept for 5 s more, and are to be computed within 2 s.
fn herds() -> [Cache; 2] {
    let store = Arc::new(MemoryStore::new());
    let herd = Some(Herd { herd_timeout: 5 * SECOND, extend_timeout: 2 * SECOND });
    let options = CacheOptions { herd, expire: Some(10 * SECOND), ..CacheOptions::default() };
    [Caches::new(store.clone()), Caches::new(store)].map(|caches| caches.open("pages", Some(options.clone())).unwrap())
}

#[tokio::test(start_paused = true)]
async fn with_herd_the_others_get_the_old_value_while_it_may_be_served() {
    let [here, there] = herds();
    vacancy(&here, Duration::ZERO).await.fill(&1, None).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    let kept = vacancy(&here, Duration::ZERO).await;
    for _ in 0..4 {
        for cache in [&here, &there] {
            assert_eq!(hit(cache, LONG).await, 1);
            assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(1));
        }
        tokio::time::sleep(SECOND).await;
    }
    tokio::time::sleep(SECOND + SECOND / 100).await;
    assert_eq!(there.get::<u8>("a").await.unwrap(), None, "the herd-timeout is over");
    assert!(busy(&there, 60 * SECOND).await, "and it is still computed");
    assert!(kept.fill(&2, None).await.unwrap());
    assert_eq!(hit(&there, Duration::ZERO).await, 2);
    assert_eq!(there.ttl("a").await.unwrap(), Ttl::Remaining(15 * SECOND));
    // One that is given up is due at once.
    tokio::time::sleep(10 * SECOND).await;
    drop(vacancy(&here, Duration::ZERO).await);
    here.0.flights.settled().await;
    drop(vacancy(&there, Duration::ZERO).await);
}
