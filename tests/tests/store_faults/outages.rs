//! Servers that die, stop, forget, or are asked by many.

use super::toil::toil_through;
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_is_not_waited_for_and_works_when_resumed() {
    let server = Server::start().unwrap();
    let store = open(&server.url()).await;
    let (lock, first, token, keys) = (lock("paused"), token(), token(), ["key".to_owned()]);
    // Once before, so that the scripts are there.
    assert!(acquired(&store.acquire(&lock, &first, None).await.unwrap()));
    assert_eq!(store.release(&lock, Release::of(&first)).await.unwrap(), Released::Now);
    let mut watch = store.watch(&lock).await.unwrap();
    server.pause().unwrap();
    let begin = Instant::now();
    let (got, attempt, deleted) = tokio::join!(store.get("key"), store.acquire(&lock, &token, None), store.delete(&keys));
    assert_eq!(outage(got), Outage::TimedOut(LIMIT));
    assert_eq!(outage(attempt), Outage::TimedOut(LIMIT));
    assert_eq!(outage(deleted), Outage::TimedOut(LIMIT));
    // A connection is accepted by the kernel, and leads nowhere.
    outage(store.get("key").await);
    assert!(begin.elapsed() < 2 * (LIMIT + SLACK), "{:?}", begin.elapsed());
    server.resume().unwrap();
    store.get("key").await.unwrap();
    // What became of the attempt is settled by a release with its token.
    store.release(&lock, Release::of(&token)).await.unwrap();
    assert!(!store.is_locked(&lock).await.unwrap());
    assert!(store.is_granted(&lock, &mut watch, RECOVERY).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_dies_again_and_again_fails_no_call_for_long() {
    let mut server = Server::start().unwrap();
    let store = open(&server.url()).await;
    toil_through(&store, move || {
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(150));
            server.kill();
            std::thread::sleep(Duration::from_millis(50));
            server.restart().unwrap();
        }
        // It has to outlive the trouble.
        std::mem::forget(server);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_in_idle_times_goes_unnoticed() {
    let mut server = Server::start().unwrap();
    let store = open(&server.url()).await;
    for _ in 0..3 {
        server.restart().unwrap();
        let (lock, token) = (lock("idle"), token());
        assert!(acquired(&store.acquire(&lock, &token, Some(ms(60_000))).await.unwrap()));
        server.restart().unwrap();
        assert_eq!(store.extend(&lock, &token, ms(1)).await.unwrap(), Holding::No);
        server.restart().unwrap();
        assert_eq!(store.delete(&["key".into()]).await.unwrap(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_outlives_its_connection() {
    let mut server = Server::start().unwrap();
    let store = open(&server.url()).await;
    let lock = lock("watched");
    let mut watch = store.watch(&lock).await.unwrap();
    server.restart().unwrap();
    let word = timeout(RECOVERY, watch.heard()).await.expect("a grant may have been missed, and nobody was told");
    assert_eq!(word, Word::Doubt);
    assert!(store.is_granted(&lock, &mut watch, RECOVERY).await, "not subscribed anew");
    server.kill();
    // The first watch goes on trying, and the second does not wait for it.
    let begin = Instant::now();
    let error = loop {
        if let Err(error) = store.watch(&lock).await {
            break error;
        }
        assert!(begin.elapsed() < RECOVERY, "nobody notices that the server is gone");
    };
    assert!(matches!(&error, Error::Unavailable(Unavailable { why: Outage::Unreachable(_), .. })), "{error}");
    server.restart().unwrap();
    let begin = Instant::now();
    while store.watch(&lock).await.is_err() {
        assert!(begin.elapsed() < RECOVERY);
    }
    assert_eq!(timeout(RECOVERY, watch.heard()).await.unwrap(), Word::Doubt);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_value_takes_the_place_of_an_error_also_where_the_store_is_not_told() {
    let server = Server::start().unwrap();
    let herd = Some(Herd { herd_timeout: RECOVERY, extend_timeout: RECOVERY });
    let tuning = Some(Tuning { stale_if_error: Some(Duration::from_hours(1)), ..Tuning::default() });
    let options = CacheOptions { herd, tuning, expire: Some(Duration::from_millis(1)), ..CacheOptions::default() };
    let cache = Caches::new(open(&server.url()).await).open("pages", Some(options)).unwrap();
    cache.set("a", &1, None).await.unwrap();
    let vacancy = loop {
        if let Found::Vacant(vacancy) = cache.lookup::<u8>("a", Duration::ZERO).await.unwrap() {
            break vacancy;
        }
    };
    server.pause().unwrap();
    assert_eq!(vacancy.computation_failed::<u8>("no luck").await, Ok(Some(1)));
    server.resume().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_were_flushed_are_loaded_again() {
    let server = Server::start().unwrap();
    let store = open(&server.url()).await;
    let flush = || server.command::<()>(&["SCRIPT", "FLUSH"]).unwrap();
    let (lock, token) = (lock("flushed"), token());
    flush();
    assert!(acquired(&store.acquire(&lock, &token, Some(ms(60_000))).await.unwrap()));
    flush();
    let (old, token) = (token, self::token());
    assert!(store.adopt(&lock, &old, &token).await.unwrap().is_some());
    flush();
    assert!(matches!(store.extend(&lock, &token, ms(1)).await.unwrap(), Holding::Left(_)));
    flush();
    let renewals = vec![Renewal { lock: lock.clone(), token: token.clone(), lease: Some(ms(60_000)) }; 10];
    assert!(store.renew(&renewals).await.into_iter().all(|outcome| matches!(outcome, Ok(Holding::Left(_)))));
    flush();
    assert!(matches!(store.holding(&lock, &token).await.unwrap(), Holding::Left(_)));
    flush();
    assert_eq!(store.release(&lock, Release::of(&token)).await.unwrap(), Released::Now);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_few_however_many_call() {
    let server = Server::start().unwrap();
    let store = store::open(&server.url(), &StoreOptions { response_timeout: RECOVERY, ..options() }).await.unwrap();
    let locks: Vec<_> = (0..100).map(|number| lock(&format!("many-{number}"))).collect();
    let watches = join_all(locks.iter().map(|lock| store.watch(lock))).await;
    let calls = (0..1000).map(|number| {
        let (store, lock) = (store.clone(), locks[number % locks.len()].clone());
        tokio::spawn(async move {
            let token = token();
            store.acquire(&lock, &token, Some(ms(60_000))).await.unwrap();
            store.get("key").await.unwrap();
            store.release(&lock, Release::of(&token)).await.unwrap();
        })
    });
    // Kept, so that it is always counted once.
    let mut eye = server.connection().unwrap();
    let mut count = |name: &str| {
        let info: String = redis::cmd("INFO").query(&mut eye).unwrap();
        let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        value.trim().parse::<u64>().unwrap()
    };
    let made = count("total_connections_received");
    let calls: Vec<_> = calls.collect();
    while calls.iter().any(|call| !call.is_finished()) {
        assert_eq!(count("connected_clients"), 3, "one for requests, one for subscriptions, and the one that asks");
        sleep(Duration::from_millis(5)).await;
    }
    for call in calls {
        call.await.unwrap();
    }
    assert_eq!(count("total_connections_received"), made, "connections were made and closed");
    drop(watches);
}
