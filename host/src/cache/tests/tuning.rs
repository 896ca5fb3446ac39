//! Failures, old values in place of them, refreshing ahead, and jitter.

use tokio::time::Instant;

use super::*;
use crate::store::faulty::{Fault, Faulty, Op};

const SECOND: Duration = Duration::from_secs(1);

type Computed = Result<u8, ComputeError<&'static str>>;

/// Entries that are due after 10 s and kept for 5 s more, computed within 2 s.
fn tuned(tuning: Tuning) -> Cache {
    tuned_in(&caches(), tuning)
}

fn tuned_in(caches: &Caches, tuning: Tuning) -> Cache {
    let herd = Some(Herd { herd_timeout: 5 * SECOND, extend_timeout: 2 * SECOND });
    let options = CacheOptions { herd, expire: Some(10 * SECOND), tuning: Some(tuning), ..CacheOptions::default() };
    caches.open("pages", Some(options)).unwrap()
}

async fn computes(cache: &Cache, value: u8) -> Computed {
    cache.get_or_try_insert_with("a", || async { Ok(value) }).await
}

async fn fails(cache: &Cache) -> Computed {
    cache.get_or_try_insert_with("a", || async { Err("no luck") }).await
}

/// The value, if there is one. What is vacant is given up.
fn hit(found: &Found<u8>) -> Option<u8> {
    if let Found::Hit(value) = found { Some(*value) } else { None }
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_for_a_while() {
    let cache = tuned(Tuning { failures: Some(3 * SECOND), ..Tuning::default() });
    assert_eq!(fails(&cache).await, Err(ComputeError::Compute("no luck")));
    assert_eq!(computes(&cache, 1).await, Err(ComputeError::Failed("no luck".into())));
    assert!(matches!(cache.lookup::<u8>("a", SECOND).await, Ok(Found::Failed(why)) if why == "no luck"));
    assert_eq!(cache.get::<u8>("a").await.unwrap(), None);
    assert_eq!(cache.get_many::<u8, _>(["a"]).await.unwrap(), [None]);
    assert!(!cache.exists("a").await.unwrap());
    assert_eq!(cache.ttl("a").await.unwrap(), Ttl::Absent);
    pass(3 * SECOND).await;
    assert_eq!(computes(&cache, 1).await, Ok(1));
    // A set or a delete is not kept waiting.
    assert!(cache.delete("a").await.unwrap());
    assert!(fails(&cache).await.is_err());
    assert!(!cache.delete("a").await.unwrap());
    assert!(fails(&cache).await.is_err());
    cache.set("a", &2, None).await.unwrap();
    assert_eq!(fails(&cache).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn a_failure_leaves_an_old_value_to_the_others() {
    let cache = tuned(Tuning { failures: Some(3 * SECOND), ..Tuning::default() });
    assert_eq!(computes(&cache, 1).await, Ok(1));
    pass(10 * SECOND).await;
    assert_eq!(fails(&cache).await, Err(ComputeError::Compute("no luck")));
    assert_eq!(fails(&cache).await, Ok(1));
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(1));
    pass(3 * SECOND).await;
    assert_eq!(computes(&cache, 2).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn an_old_value_is_given_in_place_of_an_error_for_a_bounded_time() {
    let cache = tuned(Tuning { stale_if_error: Some(60 * SECOND), ..Tuning::default() });
    assert_eq!(fails(&cache).await, Err(ComputeError::Compute("no luck")));
    assert_eq!(computes(&cache, 1).await, Ok(1));
    assert_eq!(cache.ttl("a").await.unwrap(), Ttl::Remaining(70 * SECOND));
    pass(10 * SECOND).await;
    assert_eq!(fails(&cache).await, Ok(1));
    let asked = cache.get_or_try_insert_with("a", || async { panic!("it rests") as Result<u8, &str> });
    assert_eq!(asked.await, Ok(1));
    pass(2 * SECOND).await;
    assert_eq!(computes(&cache, 2).await, Ok(2));
    pass(70 * SECOND).await;
    assert_eq!(fails(&cache).await, Err(ComputeError::Compute("no luck")));
}

#[tokio::test(start_paused = true)]
async fn an_old_value_whose_tags_cannot_be_asked_is_left_to_whoever_reads_it() {
    let store = Arc::new(Faulty::default());
    let tuning = Tuning { stale_if_error: Some(60 * SECOND), ..Tuning::default() };
    let caches = Caches::new(store.clone());
    let cache = tuned_in(&caches, tuning).with_tags(["news"]).unwrap();
    assert_eq!(computes(&cache, 1).await, Ok(1));
    pass(10 * SECOND).await;
    let failed = cache.get_or_try_insert_with("a", || async {
        store.fail(Op::GetMany, Fault::Refused, 1);
        Err::<u8, _>("no luck")
    });
    assert_eq!(failed.await, Err(ComputeError::Compute("no luck")), "whether it is void is not known");
    caches.settled().await;
    assert_eq!(computes(&cache, 2).await, Ok(1), "nobody tries again before it had its rest");
    pass(2 * SECOND).await;
    cache.invalidate_tag("news").await.unwrap();
    assert_eq!(fails(&cache).await, Err(ComputeError::Compute("no luck")));
}

#[tokio::test(start_paused = true)]
async fn what_became_of_the_entry_meanwhile_counts_and_not_the_old_value() {
    let cache = tuned(Tuning { stale_if_error: Some(60 * SECOND), ..Tuning::default() });
    let vacancy = async || {
        cache.set("a", &1, None).await.unwrap();
        pass(10 * SECOND).await;
        match cache.lookup::<u8>("a", Duration::ZERO).await.unwrap() {
            Found::Vacant(vacancy) => vacancy,
            other => panic!("{other:?} where there should be a vacancy"),
        }
    };
    let deleted = vacancy().await;
    assert!(cache.delete("a").await.unwrap());
    assert_eq!(deleted.computation_failed::<u8>("no luck").await, Ok(None));
    assert_eq!(cache.get::<u8>("a").await.unwrap(), None);
    let refilled = vacancy().await;
    cache.set("a", &2, None).await.unwrap();
    assert_eq!(refilled.computation_failed::<u8>("no luck").await, Ok(Some(2)));
    let text = vacancy().await;
    cache.set("a", "text", None).await.unwrap();
    let unread = text.computation_failed::<u8>("no luck").await;
    assert!(matches!(unread, Err(Error::Invalid(Invalid::Type { .. }))), "{unread:?}");
    // Where errors are not forgiven, no value takes their place.
    let strict = tuned(Tuning { failures: Some(SECOND), ..Tuning::default() });
    let computing = strict.get_or_try_insert_with("a", || async {
        strict.set("a", &2, None).await.unwrap();
        Err::<u8, _>("no luck")
    });
    assert_eq!(computing.await, Err(ComputeError::Compute("no luck")));
}

#[tokio::test(start_paused = true)]
async fn a_vacancy_fails_once() {
    let cache = tuned(Tuning { failures: Some(SECOND), stale_if_error: Some(60 * SECOND), ..Tuning::default() });
    assert_eq!(computes(&cache, 1).await, Ok(1));
    pass(10 * SECOND).await;
    let Found::Vacant(vacancy) = cache.lookup::<u8>("a", Duration::ZERO).await.unwrap() else { panic!("it is due") };
    assert_eq!(vacancy.computation_failed_cbor("no luck").await.unwrap().as_deref(), Some(&b"\x01"[..]));
    assert_eq!(vacancy.computation_failed_cbor("no luck").await.unwrap(), None);
    assert!(!vacancy.fail("no luck", SECOND).await.unwrap() && !vacancy.fill(&2, None).await.unwrap());
}

/// Each claim would have its entry stay for as long as itself.
#[tokio::test(start_paused = true)]
async fn failures_do_not_have_an_old_value_served_for_longer() {
    let tuned = |failures, stale_if_error| {
        let tuning = Tuning { stale_if_error, failures, ..Tuning::default() };
        // A claim lasts for much longer than the value has left.
        let herd = Some(Herd { herd_timeout: SECOND, extend_timeout: 60 * SECOND });
        let options = CacheOptions { herd, expire: Some(10 * SECOND), tuning: Some(tuning), ..CacheOptions::default() };
        caches().open("pages", Some(options)).unwrap()
    };
    let short = Duration::from_millis(50);
    for (failures, stale_if_error, kept) in
        [(None, None, SECOND), (Some(short), None, SECOND), (Some(short), Some(3 * SECOND), 3 * SECOND)]
    {
        let cache = tuned(failures, stale_if_error);
        assert_eq!(computes(&cache, 1).await, Ok(1));
        let (set, mut served) = (Instant::now(), 0);
        pass(10 * SECOND).await;
        while set.elapsed() < 30 * SECOND {
            // One fails, and one gives up.
            for outcome in [fails(&cache).await.ok(), hit(&cache.lookup("a", Duration::ZERO).await.unwrap())] {
                if outcome == Some(1) {
                    served += 1;
                    let age = set.elapsed();
                    assert!(age <= 10 * SECOND + kept, "served after {age:?}, with {failures:?} and {stale_if_error:?}");
                }
            }
            pass(Duration::from_millis(20)).await;
        }
        assert!(served > 0 || failures.is_none(), "nobody was given it while it rested");
        pass(SECOND).await;
        assert_eq!(computes(&cache, 2).await, Ok(2));
    }
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_to_compute_is_computed_ahead() {
    let cache = tuned(Tuning { refresh_ahead: 100, ..Tuning::default() });
    let compute = || async {
        pass(SECOND).await;
        Ok::<u8, &str>(1)
    };
    assert_eq!(cache.get_or_try_insert_with("a", compute).await, Ok(1));
    // It is read every 10 ms. That nobody computes it anew in the last two seconds has a probability of e^-200.
    let mut read = 0;
    while computes(&cache, 2).await.unwrap() == 1 {
        read += 1;
        pass(SECOND / 100).await;
    }
    assert!((1..999).contains(&read), "computed anew with read {read}");
    assert_eq!(cache.ttl("a").await.unwrap(), Ttl::Remaining(15 * SECOND));
    // What takes no time can wait.
    pass(9 * SECOND).await;
    assert_eq!(fails(&cache).await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn what_is_set_at_one_time_does_not_expire_at_one_time() {
    let tuning = Tuning { jitter: 50, ..Tuning::default() };
    let plain = CacheOptions { expire: Some(10 * SECOND), tuning: Some(tuning), ..CacheOptions::default() };
    for cache in [caches().open("pages", Some(plain)).unwrap(), tuned(tuning)] {
        cache.set_many((0..50).map(|n| (n.to_string(), n)), None).await.unwrap();
        let mut lives = Vec::new();
        for n in 0..50 {
            let Ttl::Remaining(left) = cache.ttl(&n.to_string()).await.unwrap() else { panic!("{n} lives for ever") };
            assert!(left >= 5 * SECOND && left <= 15 * SECOND);
            lives.push(left);
        }
        lives.sort_unstable();
        lives.dedup();
        assert!(lives.len() > 40, "{lives:?}");
    }
}

#[tokio::test]
async fn the_platforms_tuning_is_that_of_a_cache_without_its_own() {
    let tuning = Some(Tuning { failures: Some(SECOND), refresh_ahead: 100, ..Tuning::default() });
    let policy = CachePolicy { defaults: CacheOptions { tuning, ..CacheOptions::default() }, ..CachePolicy::default() };
    let caches = caches().with_policy(policy);
    for (name, options) in [("pages", Some(CacheOptions::default())), ("others", None)] {
        let cache = caches.open(name, options).unwrap();
        assert!(fails(&cache).await.is_err());
        assert_eq!(computes(&cache, 1).await, Err(ComputeError::Failed("no luck".into())));
    }
    let own = caches.open("own", Some(CacheOptions { tuning: Some(Tuning::default()), ..CacheOptions::default() })).unwrap();
    assert!(fails(&own).await.is_err());
    assert_eq!(computes(&own, 1).await, Ok(1));
    let refused = caches.open("own", Some(CacheOptions { tuning, ..CacheOptions::default() }));
    assert!(matches!(refused, Err(Error::Invalid(Invalid::NeedsHerd { what: "refresh-ahead" }))));
}
