//! Herd caches: one computes, the others get what there is.

use super::*;
use crate::store::faulty::{Fault, Faulty, Op};

const SECOND: Duration = Duration::from_secs(1);

/// Entries that are due after 10 s, kept for 5 s more, and are to be computed within 2 s.
fn herd(caches: &Caches) -> Cache {
    let herd = Some(Herd { herd_timeout: 5 * SECOND, extend_timeout: 2 * SECOND });
    caches.open("pages", Some(CacheOptions { herd, expire: Some(10 * SECOND), ..CacheOptions::default() })).unwrap()
}

async fn pass(time: Duration) {
    tokio::time::advance(time).await;
}

#[tokio::test(start_paused = true)]
async fn one_reader_is_to_compute_and_the_others_get_the_old_value() {
    let caches = caches();
    let [one, other] = [herd(&caches), herd(&caches)];
    one.set("a", &1, None).await.unwrap();
    assert_eq!(one.ttl("a").await.unwrap(), Ttl::Remaining(15 * SECOND));
    pass(9 * SECOND).await;
    assert_eq!(one.get::<u8>("a").await.unwrap(), Some(1));
    pass(SECOND).await;
    assert_eq!(one.get::<u8>("a").await.unwrap(), None);
    for cache in [&one, &other] {
        assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(1));
        assert_eq!(cache.get_many::<u8, _>(["a", "b"]).await.unwrap(), [Some(1), None]);
        assert_eq!(cache.get_cbor("a", None).await.unwrap().unwrap(), &b"\x01"[..]);
        assert!(cache.exists("a").await.unwrap());
        assert_eq!(cache.ttl("a").await.unwrap(), Ttl::Remaining(5 * SECOND), "a claim makes nothing live longer");
    }
    pass(SECOND).await;
    one.set("a", &2, None).await.unwrap();
    assert_eq!(other.get::<u8>("a").await.unwrap(), Some(2));
    assert_eq!(one.ttl("a").await.unwrap(), Ttl::Remaining(15 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn another_is_asked_when_the_first_does_not_answer() {
    let caches = caches();
    let [one, other] = [herd(&caches), herd(&caches)];
    one.set_many([("a", 1), ("b", 1)], None).await.unwrap();
    pass(10 * SECOND).await;
    assert_eq!(one.get_many::<u8, _>(["a", "b"]).await.unwrap(), [None, None]);
    assert_eq!(other.get_many::<u8, _>(["a", "b"]).await.unwrap(), [Some(1), Some(1)]);
    pass(2 * SECOND).await;
    assert_eq!(other.get_many::<u8, _>(["b", "a"]).await.unwrap(), [None, None]);
    assert_eq!(one.get_many::<u8, _>(["a", "b"]).await.unwrap(), [Some(1), Some(1)]);
    // The second is done before the first, whose answer nobody needs any more.
    other.set_many([("a", 2), ("b", 2)], None).await.unwrap();
    one.set_many([("a", 0), ("b", 0)], None).await.unwrap();
    assert_eq!(one.get_many::<u8, _>(["a", "b"]).await.unwrap(), [Some(2), Some(2)]);
    // A set that answers no claim is as any other.
    one.set("a", &3, None).await.unwrap();
    assert_eq!(other.get::<u8>("a").await.unwrap(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_while_it_is_computed_stays_deleted() {
    let caches = caches();
    let [one, other] = [herd(&caches), herd(&caches)];
    one.set("a", &1, None).await.unwrap();
    pass(10 * SECOND).await;
    assert_eq!(one.get::<u8>("a").await.unwrap(), None);
    assert!(other.delete("a").await.unwrap());
    one.set("a", &2, None).await.unwrap();
    assert_eq!(one.get::<u8>("a").await.unwrap(), None);
    // That was no claim: there is nothing to protect.
    one.set("a", &3, None).await.unwrap();
    assert_eq!(other.get::<u8>("a").await.unwrap(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_late_replaces_nothing_and_fills_what_is_gone() {
    let caches = caches();
    let [one, other] = [herd(&caches), herd(&caches)];
    one.set_many([("a", 1), ("b", 1), ("c", 1), ("d", 1)], None).await.unwrap();
    pass(10 * SECOND).await;
    assert_eq!(one.get_many::<u8, _>(["a", "b", "c", "d"]).await.unwrap(), [None; 4]);
    // Longer than there can be the old value, or the claim.
    pass(100 * SECOND).await;
    other.set_many([("a", 2), ("b", 2)], None).await.unwrap();
    one.set("a", &0, None).await.unwrap();
    one.set_many([("b", 0), ("c", 3)], None).await.unwrap();
    one.set("d", &4, None).await.unwrap();
    assert_eq!(other.get_many::<u8, _>(["a", "b", "c", "d"]).await.unwrap(), [2, 2, 3, 4].map(Some));
    assert_eq!(one.ttl("d").await.unwrap(), Ttl::Remaining(15 * SECOND));
    // Those were the answers.
    one.set_many([("a", 5), ("d", 5)], None).await.unwrap();
    assert_eq!(other.get_many::<u8, _>(["a", "d"]).await.unwrap(), [Some(5); 2]);
}

#[tokio::test(start_paused = true)]
async fn what_others_compute_is_theirs_however_late_an_answer_is() {
    let caches = caches();
    let [one, other] = [herd(&caches), herd(&caches)];
    one.set("a", &1, None).await.unwrap();
    pass(10 * SECOND).await;
    assert_eq!(one.get::<u8>("a").await.unwrap(), None);
    pass(100 * SECOND).await;
    let Found::Vacant(vacancy) = other.lookup::<u8>("a", Duration::ZERO).await.unwrap() else { panic!("there is nothing") };
    one.set("a", &0, None).await.unwrap();
    assert!(vacancy.fill(&2, None).await.unwrap());
    assert_eq!(one.get::<u8>("a").await.unwrap(), Some(2));
}

#[tokio::test(start_paused = true)]
async fn the_first_set_of_a_handle_is_the_answer_also_after_its_own_delete() {
    let cache = herd(&caches());
    cache.set("a", &1, None).await.unwrap();
    pass(10 * SECOND).await;
    assert_eq!(cache.get::<u8>("a").await.unwrap(), None);
    assert!(cache.delete("a").await.unwrap());
    cache.set("a", &2, None).await.unwrap();
    assert!(!cache.exists("a").await.unwrap(), "the claim that it answers was deleted");
    cache.set("a", &3, None).await.unwrap();
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn clones_are_one_handle_and_vacancies_are_not() {
    let one = herd(&caches());
    let clone = one.clone();
    one.set("a", &1, None).await.unwrap();
    pass(10 * SECOND).await;
    assert_eq!(one.get::<u8>("a").await.unwrap(), None);
    clone.set("a", &3, None).await.unwrap();
    one.set("a", &2, None).await.unwrap();
    assert_eq!(clone.get::<u8>("a").await.unwrap(), Some(2), "the answer was the clone's, so this is as any other");
    pass(10 * SECOND).await;
    let Found::Vacant(vacancy) = one.lookup::<u8>("a", Duration::ZERO).await.unwrap() else { panic!("it is due") };
    clone.set("a", &4, None).await.unwrap();
    assert!(!vacancy.fill(&2, None).await.unwrap());
    assert_eq!(one.get::<u8>("a").await.unwrap(), Some(4));
}

#[tokio::test(start_paused = true)]
async fn an_entry_without_expiry_stays_and_is_never_claimed() {
    let caches = caches();
    let herd = Some(Herd { herd_timeout: SECOND, extend_timeout: SECOND });
    let cache = caches.open("pages", Some(CacheOptions { herd, ..CacheOptions::default() })).unwrap();
    cache.set("a", &1, None).await.unwrap();
    cache.set("b", &1, Some(SECOND)).await.unwrap();
    assert_eq!(cache.ttl("a").await.unwrap(), Ttl::Persistent);
    assert_eq!(cache.ttl("b").await.unwrap(), Ttl::Remaining(2 * SECOND));
    pass(Duration::from_hours(10_000)).await;
    for _ in 0..3 {
        assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_value_is_gone_after_the_herd_timeout() {
    let cache = herd(&caches());
    cache.set("a", &1, None).await.unwrap();
    pass(14 * SECOND).await;
    assert_eq!(cache.get::<u8>("a").await.unwrap(), None);
    assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(1));
    pass(SECOND).await;
    assert_eq!(cache.get::<u8>("a").await.unwrap(), None);
    assert_eq!(cache.ttl("a").await.unwrap(), Ttl::Absent);
}

#[tokio::test(start_paused = true)]
async fn a_cache_without_herd_reads_the_same_entries() {
    let caches = caches();
    let (with, without) = (herd(&caches), caches.open("pages", None).unwrap());
    with.set("a", &1, None).await.unwrap();
    without.set("b", &2, None).await.unwrap();
    pass(12 * SECOND).await;
    assert_eq!(without.get::<u8>("a").await.unwrap(), Some(1), "it takes what is there, and claims nothing");
    assert_eq!(with.get_many::<u8, _>(["a", "b"]).await.unwrap(), [None, Some(2)]);
    without.set("a", &3, None).await.unwrap();
    with.set("a", &2, None).await.unwrap();
    assert_eq!(with.get::<u8>("a").await.unwrap(), Some(3), "what was set meanwhile stays");
}

#[tokio::test(start_paused = true)]
async fn a_read_of_many_that_fails_leaves_all_to_the_next_who_reads() {
    let store = Arc::new(MemoryStore::new());
    let limits = CacheLimits { batch_bytes: 100, ..CacheLimits::default() };
    let caches = Caches::new(store.clone()).with_policy(CachePolicy { limits, ..CachePolicy::default() });
    let [one, other] = [herd(&caches), herd(&caches)];
    let damaged = one.entry_key("damaged").await.unwrap();
    for failing in ["damaged", "large", "text"] {
        one.set("a", &1, None).await.unwrap();
        pass(10 * SECOND).await;
        store.set(&Entry { key: damaged.clone(), bytes: "?".into() }, None).await.unwrap();
        one.set("large", &vec![7; 99], None).await.unwrap();
        one.set("text", "no number", None).await.unwrap();
        let error = one.get_many::<u8, _>(["a", failing]).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt(_) | Error::Limit(_) | Error::Invalid(Invalid::Type { .. })), "{error}");
        caches.settled().await;
        assert_eq!(
            other.get::<u8>("a").await.unwrap(),
            None,
            "with {failing:?}, it is still to be computed by who does not know"
        );
        one.set("a", &2, None).await.unwrap();
        assert_eq!(other.get::<u8>("a").await.unwrap(), Some(2), "nothing was promised, so the set is as any other");
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_one_call_reads_can_be_answered() {
    let caches = caches();
    let [one, other] = [herd(&caches), herd(&caches)];
    let keys: Vec<_> = (0..CacheLimits::default().batch_entries).map(|n| n.to_string()).collect();
    one.set_many(keys.iter().map(|key| (key, 1)), None).await.unwrap();
    pass(10 * SECOND).await;
    assert!(one.get_many::<u8, _>(&keys).await.unwrap().iter().all(Option::is_none));
    pass(2 * SECOND).await;
    // Whatever was set meanwhile is fresher than what is computed since.
    other.set_many(keys.iter().map(|key| (key, 2)), None).await.unwrap();
    one.set_many(keys.iter().map(|key| (key, 3)), None).await.unwrap();
    let kept = other.get_many::<u8, _>(&keys).await.unwrap();
    assert_eq!(kept.iter().position(|kept| *kept != Some(2)), None);
}

#[tokio::test(start_paused = true)]
async fn a_read_of_many_that_is_dropped_leaves_all_to_the_next_who_reads() {
    let caches = caches();
    let [one, other] = [herd(&caches), herd(&caches)];
    one.set("a", &1, None).await.unwrap();
    pass(10 * SECOND).await;
    let keys: Vec<_> = std::iter::once("a".to_owned()).chain((0..200).map(|n| n.to_string())).collect();
    one.set_many(keys.iter().skip(1).map(|key| (key.as_str(), 1)), None).await.unwrap();
    // Others get their turn while so many values are opened.
    tokio::task::yield_now().await;
    let mut reading = Box::pin(one.get_many::<u8, _>(&keys));
    assert!(futures_util::poll!(&mut reading).is_pending());
    assert_eq!(other.get::<u8>("a").await.unwrap(), Some(1), "it is claimed");
    drop(reading);
    caches.settled().await;
    assert_eq!(other.get::<u8>("a").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_dropped_before_it_knows_of_its_claim_leaves_that_to_the_next_who_reads() {
    let store = Arc::new(Faulty::default());
    let caches = Caches::new(store.clone());
    let [one, other] = [herd(&caches), herd(&caches)];
    one.set("a", &1, None).await.unwrap();
    pass(10 * SECOND).await;
    store.fail(Op::Claim, Fault::Late(SECOND), 1);
    let mut reading = Box::pin(one.get::<u8>("a"));
    assert!(futures_util::poll!(&mut reading).is_pending());
    assert_eq!(other.get::<u8>("a").await.unwrap(), Some(1), "it is claimed");
    drop(reading);
    caches.settled().await;
    assert_eq!(other.ttl("a").await.unwrap(), Ttl::Remaining(5 * SECOND), "it lives as long as it would have");
    assert_eq!(other.get::<u8>("a").await.unwrap(), None);
    one.set("a", &2, None).await.unwrap();
    assert_eq!(other.get::<u8>("a").await.unwrap(), Some(2), "nothing was promised, so the set is as any other");
    // The one that was told to compute is late.
    other.set("a", &3, None).await.unwrap();
    assert_eq!(one.get::<u8>("a").await.unwrap(), Some(2));
}

#[cfg(feature = "component")]
#[tokio::test(start_paused = true)]
async fn what_was_read_and_not_taken_is_left_to_the_next_who_reads() {
    let caches = caches();
    let [one, other] = [herd(&caches), herd(&caches)];
    one.set_many([("a", 1), ("b", 1)], None).await.unwrap();
    pass(10 * SECOND).await;
    let keys = ["a", "b"].map(str::to_owned);
    let untaken = (one.untaken("a", None).await.unwrap(), one.untaken_many(&keys[1..], None).await.unwrap());
    assert_eq!(other.get_many::<u8, _>(&keys).await.unwrap(), [Some(1); 2], "they are claimed");
    drop(untaken);
    caches.settled().await;
    assert_eq!(other.untaken("a", None).await.unwrap().take(), None);
    assert_eq!(other.untaken_many(&keys[1..], None).await.unwrap().take(), [None]);
    one.set_many([("a", 2), ("b", 2)], None).await.unwrap();
    assert_eq!(one.get_many::<u8, _>(&keys).await.unwrap(), [Some(2); 2], "nothing was promised, so the set is as any other");
    // What was taken is an answer, and a late one.
    other.set_many([("a", 3), ("b", 3)], None).await.unwrap();
    assert_eq!(one.get_many::<u8, _>(&keys).await.unwrap(), [Some(2); 2]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_stored_also_where_the_old_value_had_its_time_before_the_claim_ends() {
    let caches = caches();
    let herd = Some(Herd { herd_timeout: 5 * SECOND, extend_timeout: 60 * SECOND });
    let options = Some(CacheOptions { herd, expire: Some(10 * SECOND), ..CacheOptions::default() });
    let [one, other] = [0; 2].map(|_| caches.open("pages", options.clone()).unwrap());
    for late in [false, true] {
        one.set_many([("a", 1), ("b", 1), ("c", 1)], None).await.unwrap();
        pass(14 * SECOND).await;
        assert_eq!(one.get_many::<u8, _>(["a", "b", "c"]).await.unwrap(), [None; 3]);
        assert!(other.delete("c").await.unwrap());
        if late {
            pass(SECOND).await;
            assert_eq!(other.ttl("a").await.unwrap(), Ttl::Absent);
        }
        one.set("a", &2, None).await.unwrap();
        one.set_many([("b", 2), ("c", 2)], None).await.unwrap();
        // From when on it would have been gone, what was deleted cannot be told from what expired.
        let found = [Some(2), Some(2), Some(2).filter(|_| late)];
        assert_eq!(other.get_many::<u8, _>(["a", "b", "c"]).await.unwrap(), found);
        one.delete_many(&["a".into(), "b".into(), "c".into()], None).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_store_serves_the_old_value_as_long_as_it_has_it() {
    let store = Arc::new(Faulty::default());
    let cache = herd(&Caches::new(store.clone()));
    let full = |error: Error| assert!(matches!(error, Error::Limit(Limit::StoreFull { .. })), "{error}");
    for wait in [Duration::ZERO, SECOND] {
        cache.set("a", &1, None).await.unwrap();
        pass(10 * SECOND).await;
        store.fail(Op::Claim, Fault::Full, usize::MAX);
        assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(1));
        assert_eq!(cache.get_many::<u8, _>(["a", "b"]).await.unwrap(), [Some(1), None]);
        assert!(matches!(cache.lookup::<u8>("a", wait).await.unwrap(), Found::Hit(1)));
        let computed = cache.get_or_try_insert_with("a", || async { Err::<u8, _>("nobody was asked to") }).await;
        assert_eq!(computed, Ok(1));
        pass(5 * SECOND).await;
        assert_eq!(cache.get::<u8>("a").await.unwrap(), None);
        full(cache.lookup::<u8>("a", wait).await.unwrap_err());
        // Not a moment later it can.
        store.fail(Op::Claim, Fault::Full, 0);
        let computed = cache.get_or_try_insert_with("a", || async { Ok::<u8, &str>(2) }).await;
        assert_eq!(computed, Ok(2));
        assert_eq!(cache.get::<u8>("a").await.unwrap(), Some(2));
    }
    // One that finds it full only when the value is there.
    cache.delete("a").await.unwrap();
    store.fail(Op::Fill, Fault::Full, usize::MAX);
    assert_eq!(cache.get_or_try_insert_with("a", || async { Ok::<u8, &str>(3) }).await, Ok(3));
    let Found::Vacant(vacancy) = cache.lookup::<u8>("a", SECOND).await.unwrap() else { panic!("it was not stored") };
    full(vacancy.fill(&4, None).await.unwrap_err());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_store_that_is_full_when_it_comes_back_gets_the_old_value() {
    let store = Arc::new(Faulty::default());
    let cache = herd(&Caches::new(store.clone()));
    cache.set("a", &1, None).await.unwrap();
    pass(10 * SECOND).await;
    // At the first look, and at the first question after it, before there is a pause.
    store.fail(Op::Claim, Fault::RequestLost, 2);
    let looking = cache.lookup::<u8>("a", SECOND);
    let filling = async {
        tokio::task::yield_now().await;
        store.fail(Op::Claim, Fault::Full, usize::MAX);
    };
    assert!(matches!(tokio::join!(looking, filling).0.unwrap(), Found::Hit(1)));
}
