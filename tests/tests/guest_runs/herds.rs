//! Who computes an entry, where guests do.

use bellwether::cache::{CacheOptions, CachePolicy, Found, Herd, Tuning};
use bellwether::guest::Quotas;
use bellwether::store::StoreOptions;
use bellwether_tests::Server;

use super::*;

/// A runtime in memory, and one on a server.
async fn both() -> (Server, [(Runtime, Guest); 2]) {
    let server = Server::start().unwrap();
    let options = StoreOptions { response_timeout: Duration::from_secs(10), ..StoreOptions::default() };
    let on_server = load(builder().store(server.url()).store_options(options)).await;
    (server, [probe().await, on_server])
}

#[tokio::test]
async fn of_many_guests_one_computes() {
    let (_server, runtimes) = both().await;
    for (_, guest) in &runtimes {
        let runs = (0..4).map(|_| run(guest, "herd once a 16"));
        let ran = futures_util::future::join_all(runs).await;
        let computed: Vec<_> = ran.iter().map(|ran| ran.lines()[0]).filter(|line| *line == "1 computed, 16 have it").collect();
        assert_eq!(computed.len(), 1, "{ran:?}");
        assert!(ran.iter().filter(|ran| ran.lines() == ["0 computed, 16 have it"]).count() == 3, "{ran:?}");
    }
}

#[tokio::test]
async fn a_guest_that_ends_in_any_way_lets_the_next_compute_at_once() {
    let (_server, runtimes) = both().await;
    for (runtime, guest) in &runtimes {
        let ran = run(guest, "herd hold-and trap a").await;
        assert!(matches!(ran.end, Err(GuestError::Trapped { .. })), "{ran:?}");
        let deadline = GuestLimits { deadline: Some(Duration::from_millis(300)), ..GuestLimits::default() };
        let ran = run_with(guest, "herd hold-and loop b", GuestRun::default().limits(deadline)).await;
        assert!(matches!(ran.end, Err(GuestError::Deadline { .. })), "{ran:?}");
        run(guest, "herd drop c").await.lines();
        runtime.shutdown().await;
        for name in ["a", "b", "c"] {
            assert_eq!(run(guest, &format!("herd look {name} 0")).await.lines(), ["fill Ok(true)"]);
            assert_eq!(run(guest, &format!("herd look {name} 0")).await.lines(), ["hit [1]"]);
        }
    }
}

#[tokio::test]
async fn a_vacancy_of_another_runtime_is_waited_for() {
    let server = Server::start().unwrap();
    let [(_one, here), (two, _there)] = [load(builder().store(server.url())).await, load(builder().store(server.url())).await];
    let cache = two.caches().open("a", None).unwrap();
    let Ok(Found::Vacant(vacancy)) = cache.lookup::<u8>("key", Duration::ZERO).await else { panic!() };
    assert_eq!(run(&here, "herd look a 0").await.lines(), ["busy"]);
    assert_eq!(run(&here, "herd look a 50").await.lines(), ["busy"]);
    let waiting = run(&here, "herd look a 60000");
    let filling = async {
        until("the wait", async || server.command::<Vec<String>>(&["PUBSUB", "CHANNELS"]).unwrap() == ["cache:a:key"]).await;
        assert!(vacancy.fill(&9, None).await.unwrap());
    };
    let (waited, ()) = tokio::join!(waiting, filling);
    assert_eq!(waited.lines(), ["hit [9]"]);
}

#[tokio::test]
async fn a_delete_voids_the_computation() {
    let (_server, runtimes) = both().await;
    for (_, guest) in &runtimes {
        assert_eq!(
            run(guest, "herd void a").await.lines(),
            [
                "delete Ok(false)",
                "fill Ok(false)",
                "get Ok(None)",
                "exists Ok(false)",
                "fill true",
                "fill Ok(true)",
                "fill Ok(false)",
                "get Ok(Some([2]))"
            ]
        );
    }
}

#[tokio::test]
async fn a_failure_is_told_for_a_while() {
    let (_server, runtimes) = both().await;
    for (runtime, guest) in &runtimes {
        assert_eq!(run(guest, "herd fail a").await.lines(), ["fail Ok(true)", "fail Ok(false)", "failed no luck"]);
        let ran = run(guest, "herd look a 60000").await;
        assert!(ran.lines()[0].starts_with("Error::Unavailable("), "{ran:?}");
        assert!(ran.lines()[0].contains("computation failed lately: no luck"), "{ran:?}");
        let cache = runtime.caches().open("a", None).unwrap();
        assert!(matches!(cache.lookup::<u8>("key", Duration::ZERO).await, Ok(Found::Failed(why)) if why == "no luck"));
    }
}

#[tokio::test]
async fn what_becomes_of_a_failure_is_up_to_the_platform() {
    let (_server, runtimes) = both().await;
    for (_, guest) in &runtimes {
        let ran = run(guest, "herd failed a 2000").await;
        assert_eq!(ran.lines(), ["failed Ok(None)", "fill Ok(true)", "failed Ok(None)", "get Ok(Some([1]))"]);
        // Nothing is left of a vacancy that failed: there is room for the next.
        let quotas = Quotas { resources: 2, ..Quotas::default() };
        let given = GuestRun::default().limits(GuestLimits { quotas, ..GuestLimits::default() });
        assert_eq!(run_with(guest, "herd failed-often b 10", given).await.lines(), ["failed 10 times"]);
    }
    let (_runtime, guest) = load(builder().cache_policy(noting())).await;
    assert_eq!(run(&guest, "herd failed a 2000").await.lines(), ["failed Ok(None)", "told 1024 of 2000"]);
}

/// A failure is told for an hour, and so long can who computes be silent.
fn noting() -> CachePolicy {
    let hour = Duration::from_hours(1);
    let tuning = Some(Tuning { failures: Some(hour), ..Tuning::default() });
    let herd = Some(Herd { herd_timeout: hour, extend_timeout: hour });
    CachePolicy { defaults: CacheOptions { herd, tuning, ..CacheOptions::default() }, ..CachePolicy::default() }
}

#[tokio::test]
async fn a_vacancy_whose_failure_could_not_be_told_is_given_up() {
    let (_runtime, guest) = load(builder().cache_policy(noting())).await;
    let quotas = Quotas { bytes: 1_000, ..Quotas::default() };
    let given = GuestRun::default().limits(GuestLimits { quotas, ..GuestLimits::default() });
    let ran = run_with(&guest, "herd failed a 2000", given).await;
    let refused = "failed Err(Error::Limit(\"bytes of arguments in flight: at most 1000 are allowed at once\"))";
    assert_eq!(ran.lines(), [refused, "fill Ok(true)", "failed Ok(None)", "get Ok(Some([1]))"]);

    let server = Server::start().unwrap();
    let (_runtime, guest) = load(builder().store(server.url()).cache_policy(noting())).await;
    for n in 0..10 {
        let ran = run(&guest, &format!("herd failed-cancelled {n}")).await;
        assert!(["noted", "given up"].contains(&ran.lines()[0]), "{ran:?}");
    }
}

#[tokio::test]
async fn one_reader_of_a_herd_cache_is_to_compute() {
    let (_server, runtimes) = both().await;
    for (_, guest) in &runtimes {
        assert_eq!(
            run(guest, "herd stale a").await.lines(),
            ["the value, then none", "others Some([1])", "many Ok([Some([1]), None])", "set Ok(())", "get Some([2])"]
        );
        let ran = run(guest, "herd options 0 1").await;
        assert_eq!(ran.lines(), ["Err(Error::Invalid(\"the herd-timeout is under 1 ms: give at least 1 ms\"))"]);
        let ran = run(guest, "herd options 1 0").await;
        assert_eq!(ran.lines(), ["Err(Error::Invalid(\"the extend-timeout is under 1 ms: give at least 1 ms\"))"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_guest_was_to_compute_and_did_not_hear_of_is_left_to_the_next_who_reads() {
    let server = Server::start().unwrap();
    let (runtime, guest) = load(builder().store(server.url())).await;
    let left = run(&guest, "herd leave a").await;
    let key = left.lines()[0];
    let hour = Duration::from_hours(1);
    let herd = Some(Herd { herd_timeout: hour, extend_timeout: hour });
    let cache = runtime.caches().open("a", Some(CacheOptions { herd, ..CacheOptions::default() })).unwrap();
    assert!(cache.exists(key).await.unwrap());
    until("the duty to compute it", async || cache.get::<u8>(key).await.unwrap().is_none()).await;
    assert_eq!(cache.get::<u8>(key).await.unwrap(), Some(1), "it is claimed again");
}

#[tokio::test]
async fn vacancies_count_as_resources() {
    let (runtime, guest) = probe().await;
    let quotas = Quotas { resources: 4, ..Quotas::default() };
    let given = GuestRun::default().limits(GuestLimits { quotas, ..GuestLimits::default() });
    let ran = run_with(&guest, "herd many a 10", given).await;
    let refused = "3 taken, then Error::Limit(\"open locks, guards, caches and vacancies: at most 4 are allowed at once\")";
    assert_eq!(ran.lines(), [refused]);
    // What there was no room for was not claimed.
    runtime.shutdown().await;
    assert_eq!(run(&guest, "herd many a 10").await.lines(), ["10 taken"]);
}
