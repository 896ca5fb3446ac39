//! What a store on Redis does when its servers do not do theirs: each call ends in time with an answer or a typed error, and the next
//! one works as soon as it can.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bellwether::Error;
use bellwether::clock::Span;
use bellwether::error::{Invalid, Limit, Outage, Unavailable};
use bellwether::glob::Glob;
use bellwether::names::{LockKeys, Prefix};
use bellwether::store::{self, Attempt, Entry, Holding, Released, Renewal, Store, StoreOptions, Token};
use bellwether_tests::{Cluster, Sentinel, Server, ServerOptions};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

const LIMIT: Duration = Duration::from_secs(1);

/// What a call may take beyond its limit, on a machine that has other things to do.
const SLACK: Duration = Duration::from_millis(1500);

const RECOVERY: Duration = Duration::from_secs(20);

fn options() -> StoreOptions {
    StoreOptions { connect_timeout: LIMIT, response_timeout: LIMIT }
}

async fn open(url: &str) -> Arc<dyn Store> {
    store::open(url, &options()).await.unwrap()
}

async fn refused(url: &str) -> Unavailable {
    let begin = Instant::now();
    let error = store::open(url, &options()).await.unwrap_err();
    assert!(begin.elapsed() < LIMIT + SLACK, "opening took {:?}", begin.elapsed());
    match error {
        Error::Unavailable(why) => why,
        other => panic!("{other}"),
    }
}

fn lock(name: &str) -> LockKeys {
    LockKeys::new(&Prefix::default(), name).unwrap()
}

fn token() -> Token {
    Token::random().unwrap()
}

fn ms(millis: u64) -> Span {
    Span::new("time", Duration::from_millis(millis)).unwrap()
}

fn entry(key: &str, size: usize) -> Entry {
    Entry { key: key.into(), bytes: vec![b'x'; size].into() }
}

fn acquired(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Acquired { .. })
}

fn outage<T: std::fmt::Debug>(outcome: Result<T, Error>) -> Outage {
    match outcome {
        Err(Error::Unavailable(Unavailable { why, .. })) => why,
        other => panic!("{other:?} where the store should be unavailable"),
    }
}

/// Asks until the store answers again.
async fn recovers(store: &dyn Store, key: &str) {
    let begin = Instant::now();
    while let Err(error) = store.get(key).await {
        assert!(matches!(error, Error::Unavailable(_)), "{error}");
        assert!(begin.elapsed() < RECOVERY, "after {RECOVERY:?} still: {error}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Does every operation again and again, each on names of its own, and counts those that worked. Each has to end in time, with an
/// answer or the error that the store is unavailable.
async fn toil(store: Arc<dyn Store>, operation: usize, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) {
    let name = format!("toil-{operation}");
    let (lock, held, keys) = (lock(&name), token(), vec![format!("{name}-a"), format!("{name}-b")]);
    let entries: Vec<_> = keys.iter().map(|key| entry(key, 100)).collect();
    let renewals = [Renewal { lock: lock.clone(), token: held.clone(), lease: ms(500) }];
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let outcome = match operation {
            0 => {
                let token = token();
                match store.acquire(&lock, &token, Some(ms(50))).await {
                    Ok(_) => store.release(&lock, &token).await.map(drop),
                    Err(error) => Err(error),
                }
            }
            1 => store.adopt(&lock, &held).await.map(drop),
            2 => store.extend(&lock, &held, ms(10)).await.map(drop),
            3 => store.renew(&renewals).await.into_iter().try_for_each(|outcome| outcome.map(drop)),
            4 => store.holding(&lock, &held).await.map(drop),
            5 => store.is_locked(&lock).await.map(drop),
            6 => store.watch(&lock).await.map(drop),
            7 => store.get(&keys[0]).await.map(drop),
            8 => store.get_many(&keys).await.map(drop),
            9 => store.set(&entries[0], Some(ms(1000))).await,
            10 => store.set_many(&entries, None).await,
            11 => store.exists(&keys[0]).await.map(drop),
            12 => store.ttl(&keys[0]).await.map(drop),
            13 => store.delete(&keys).await.map(drop),
            14 => store.delete_matching(&name, &Glob::any(), &|_| true).await.map(drop),
            _ => store.check().await,
        };
        // Two calls in the first case.
        assert!(begin.elapsed() < 2 * LIMIT + SLACK, "operation {operation} took {:?}", begin.elapsed());
        match outcome {
            Ok(()) => {
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(Error::Unavailable(_)) => sleep(Duration::from_millis(2)).await,
            Err(other) => panic!("operation {operation}: {other}"),
        }
        tokio::task::yield_now().await;
    }
}

const OPERATIONS: usize = 16;

/// Toils at everything while `trouble` goes on, and until everything has worked again afterwards.
async fn toil_through(store: &Arc<dyn Store>, trouble: impl FnOnce() + Send + 'static) {
    let stop = Arc::new(AtomicBool::new(false));
    let counts: Vec<_> = (0..OPERATIONS).map(|_| Arc::new(AtomicU64::new(0))).collect();
    let tasks: Vec<_> = counts
        .iter()
        .enumerate()
        .map(|(operation, done)| tokio::spawn(toil(store.clone(), operation, stop.clone(), done.clone())))
        .collect();
    tokio::task::spawn_blocking(trouble).await.unwrap();
    let before: Vec<_> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let begin = Instant::now();
    while let Some(stuck) = counts.iter().zip(&before).position(|(count, before)| count.load(Ordering::Relaxed) <= before + 1) {
        assert!(begin.elapsed() < RECOVERY, "operation {stuck} does not work again");
        assert!(tasks.iter().all(|task| !task.is_finished()), "a task has panicked");
        sleep(Duration::from_millis(10)).await;
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_not_there_is_named() {
    // A port that was free a moment ago, and one where somebody listens and never speaks.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let quiet = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for address in [gone, silent, quiet.local_addr().unwrap()] {
        for url in [
            format!("redis://user:secret@{address}"),
            format!("redis+sentinel://user:secret@{address}/main"),
            format!("redis+cluster://user:secret@{address}"),
        ] {
            let error = refused(&url).await;
            assert!(matches!(error.why, Outage::Unreachable(_)), "{error}");
            let text = error.to_string();
            assert!(text.contains(&address.to_string()) && !text.contains("secret"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_refused() {
    let server = Server::start_with(ServerOptions { password: Some("right".into()), ..ServerOptions::default() }).unwrap();
    let port = server.port();
    for login in ["", ":wrong@", "somebody:right@"] {
        for kind in ["redis", "redis+cluster"] {
            let error = refused(&format!("{kind}://{login}127.0.0.1:{port}")).await;
            assert!(matches!(error.why, Outage::Refused(_)), "{login}: {error}");
            assert!(!error.to_string().contains("wrong@"), "{error}");
        }
    }
    open(&server.url()).await.check().await.unwrap();
    // One who may read some keys and nothing else.
    server.command::<()>(&["ACL", "SETUSER", "reader", "on", ">r%2F:", "~open*", "+get", "+hello"]).unwrap();
    let store = open(&format!("redis://reader:r%252F%3A@127.0.0.1:{port}")).await;
    assert_eq!(store.get("open").await.unwrap(), None);
    assert!(matches!(outage(store.get("closed").await), Outage::Refused(_)));
    assert!(matches!(outage(store.set(&entry("open", 1), None).await), Outage::Refused(_)));
    assert!(matches!(outage(store.acquire(&lock("open"), &token(), None).await), Outage::Refused(_)));
    assert!(matches!(outage(store.watch(&lock("open")).await), Outage::Refused(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_publish_can_release() {
    let server = Server::start().unwrap();
    server.command::<()>(&["ACL", "SETUSER", "mute", "on", ">m", "~*", "resetchannels", "+@all"]).unwrap();
    let store = open(&format!("redis://mute:m@127.0.0.1:{}", server.port())).await;
    let (lock, token) = (lock("mute"), token());
    assert!(acquired(&store.acquire(&lock, &token, None).await.unwrap()));
    assert_eq!(store.release(&lock, &token).await.unwrap(), Released::Now);
    assert!(!store.is_locked(&lock).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_encrypted() {
    let server = Server::start_with(ServerOptions { tls: true, ..ServerOptions::default() }).unwrap();
    let store = open(&server.url()).await;
    let (lock, token) = (lock("encrypted"), token());
    let mut watch = store.watch(&lock).await.unwrap();
    assert!(acquired(&store.acquire(&lock, &token, None).await.unwrap()));
    assert_eq!(store.release(&lock, &token).await.unwrap(), Released::Now);
    timeout(RECOVERY, watch.woken()).await.unwrap();
    // Neither side trusts the other for nothing.
    let host = format!("rediss://127.0.0.1:{}", server.port());
    let error = refused(&host).await;
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error}");
    refused(&format!("{host}?ca={}", server.file("ca.pem"))).await;
    refused(&format!("redis://127.0.0.1:{}", server.port())).await;
    let missing = store::open(&format!("{host}?ca=/nowhere/ca.pem"), &options()).await.unwrap_err();
    assert!(matches!(&missing, Error::Invalid(Invalid::StoreUrl { why, .. }) if why.contains("/nowhere/ca.pem")), "{missing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_is_read_only() {
    let primary = Server::start().unwrap();
    let replica = Server::start_with(ServerOptions { replica_of: Some(primary.port()), ..ServerOptions::default() }).unwrap();
    let store = open(&replica.url()).await;
    assert_eq!(outage(store.check().await), Outage::ReadOnly);
    assert_eq!(outage(store.set(&entry("key", 1), None).await), Outage::ReadOnly);
    assert_eq!(outage(store.acquire(&lock("lock"), &token(), None).await), Outage::ReadOnly);
    assert_eq!(outage(store.release(&lock("lock"), &token()).await), Outage::ReadOnly);
    assert_eq!(store.get("key").await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_says_so_and_lets_go_of_locks() {
    let server = Server::start_with(ServerOptions { maxmemory: Some("4mb".into()), ..ServerOptions::default() }).unwrap();
    let store = open(&server.url()).await;
    let (held, holder) = (lock("held"), token());
    assert!(acquired(&store.acquire(&held, &holder, Some(ms(60_000))).await.unwrap()));
    let mut number = 0;
    let full = loop {
        number += 1;
        assert!(number < 100, "4 MB hold over 6 MB");
        if let Err(error) = store.set(&entry(&format!("key-{number}"), 65_536), None).await {
            break error;
        }
    };
    let is_full = |error: &Error| matches!(error, Error::Limit(Limit::StoreFull { .. }));
    assert!(is_full(&full), "{full}");
    // Now not even the smallest write fits.
    server.command::<()>(&["CONFIG", "SET", "maxmemory", "1mb"]).unwrap();
    assert!(is_full(&store.acquire(&lock("free"), &token(), None).await.unwrap_err()));
    assert!(!store.is_locked(&lock("free")).await.unwrap());
    assert!(is_full(&store.check().await.unwrap_err()));
    let renewal = Renewal { lock: held.clone(), token: holder.clone(), lease: ms(60_000) };
    assert!(matches!(store.renew(&[renewal]).await[..], [Ok(Holding::Left(_))]));
    assert_eq!(store.release(&held, &holder).await.unwrap(), Released::Now);
    assert_eq!(store.release(&held, &holder).await.unwrap(), Released::Before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_server_is_not_waited_for_and_works_when_resumed() {
    let server = Server::start().unwrap();
    let store = open(&server.url()).await;
    let (lock, first, token, keys) = (lock("paused"), token(), token(), ["key".to_owned()]);
    // Once before, so that the scripts are there.
    assert!(acquired(&store.acquire(&lock, &first, None).await.unwrap()));
    assert_eq!(store.release(&lock, &first).await.unwrap(), Released::Now);
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
    store.release(&lock, &token).await.unwrap();
    assert!(!store.is_locked(&lock).await.unwrap());
    timeout(RECOVERY, watch.woken()).await.expect("a release was missed");
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
    timeout(RECOVERY, watch.woken()).await.expect("a release may have been missed, and nobody was woken");
    let token = token();
    assert!(acquired(&store.acquire(&lock, &token, None).await.unwrap()));
    store.release(&lock, &token).await.unwrap();
    timeout(RECOVERY, watch.woken()).await.expect("not subscribed anew");
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
    timeout(RECOVERY, watch.woken()).await.unwrap();
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
    assert!(store.adopt(&lock, &token).await.unwrap().is_some());
    flush();
    assert!(matches!(store.extend(&lock, &token, ms(1)).await.unwrap(), Holding::Left(_)));
    flush();
    let renewals = vec![Renewal { lock: lock.clone(), token: token.clone(), lease: ms(60_000) }; 10];
    assert!(store.renew(&renewals).await.into_iter().all(|outcome| matches!(outcome, Ok(Holding::Left(_)))));
    flush();
    assert!(matches!(store.holding(&lock, &token).await.unwrap(), Holding::Left(_)));
    flush();
    assert_eq!(store.release(&lock, &token).await.unwrap(), Released::Now);
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
            store.release(&lock, &token).await.unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_primary_behind_sentinels_may_change() {
    let mut set = Sentinel::start().unwrap();
    let store = open(&set.url()).await;
    let lock = lock("sentinel");
    let mut watch = store.watch(&lock).await.unwrap();
    set.failover().unwrap();
    recovers(&*store, "key").await;
    let first = token();
    assert!(acquired(&store.acquire(&lock, &first, Some(ms(60_000))).await.unwrap()));
    assert_eq!(set.primary().unwrap().command::<String>(&["GET", lock.key()]).unwrap(), first.as_str());
    timeout(RECOVERY, watch.woken()).await.expect("the watch did not move");
    store.release(&lock, &first).await.unwrap();

    let set = Arc::new(std::sync::Mutex::new(set));
    let theirs = set.clone();
    toil_through(&store, move || theirs.lock().unwrap().kill_primary().unwrap()).await;
    let mut set = Arc::into_inner(set).unwrap().into_inner().unwrap();
    // Sentinels that are down or do not answer keep nobody from finding the primary.
    let url = set.url();
    let [first, second, third] = set.sentinels() else { panic!("there are three Sentinels") };
    first.kill();
    second.pause().unwrap();
    open(&url).await.check().await.unwrap();
    let unknown = refused(&format!("redis+sentinel://127.0.0.1:{}/nobody", third.port())).await;
    assert!(unknown.to_string().contains("nobody"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_a_cluster_may_change() {
    let cluster = Cluster::start().unwrap();
    let store = open(&cluster.url()).await;
    let lock = lock("cluster");
    let mut watch = store.watch(&lock).await.unwrap();

    // A slot on its way: some keys here, some there.
    let keys: Vec<_> = (0..20).map(|number| format!("{{{}}}-{number}", lock.key())).collect();
    let entries: Vec<_> = keys.iter().map(|key| entry(key, 10)).collect();
    store.set_many(&entries[..10], None).await.unwrap();
    let moving = cluster.begin_move(lock.key()).unwrap();
    store.set_many(&entries[10..], None).await.unwrap();
    assert!(store.get_many(&keys).await.unwrap().iter().all(Option::is_some));
    // Redis runs no script on several keys as long as one of them might be at either place, so this waits for the end.
    let mover = token();
    let attempt = tokio::spawn({
        let (store, lock, mover) = (store.clone(), lock.clone(), mover.clone());
        async move { store.acquire(&lock, &mover, Some(ms(60_000))).await }
    });
    moving.finish().unwrap();
    assert!(acquired(&attempt.await.unwrap().unwrap()));
    assert!(store.get_many(&keys).await.unwrap().iter().all(Option::is_some));
    timeout(RECOVERY, watch.woken()).await.expect("the watch did not move with the slot");
    assert_eq!(store.release(&lock, &mover).await.unwrap(), Released::Now);
    timeout(RECOVERY, watch.woken()).await.expect("a release at the slot's new place went unheard");
    assert_eq!(store.delete_matching(&format!("{{{}}}-", lock.key()), &Glob::any(), &|_| true).await.unwrap(), 20);

    // A primary steps down.
    cluster.failover(lock.key()).unwrap();
    let holder = token();
    assert!(acquired(&store.acquire(&lock, &holder, Some(ms(60_000))).await.unwrap()));
    while timeout(Duration::from_millis(100), watch.woken()).await.is_ok() {}
    assert_eq!(store.release(&lock, &holder).await.unwrap(), Released::Now);
    timeout(RECOVERY, watch.woken()).await.expect("the watch is lost");

    // A primary dies.
    let cluster = {
        let cluster = Arc::new(std::sync::Mutex::new(cluster));
        let theirs = cluster.clone();
        toil_through(&store, move || theirs.lock().unwrap().kill_primary_of("cluster").unwrap()).await;
        cluster
    };
    recovers(&*store, lock.key()).await;
    let holder = token();
    assert!(acquired(&store.acquire(&lock, &holder, Some(ms(60_000))).await.unwrap()));
    let mut another = store.watch(&lock).await.unwrap();
    assert_eq!(store.release(&lock, &holder).await.unwrap(), Released::Now);
    timeout(RECOVERY, another.woken()).await.unwrap();
    cluster.lock().unwrap().revive().unwrap();
    store.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_server_is_no_cluster() {
    let server = Server::start().unwrap();
    let error = refused(&format!("redis+cluster://127.0.0.1:{}", server.port())).await;
    assert!(error.to_string().contains("cluster support disabled"), "{error}");
}
