//! A user who may do what docs/operating.md says, and nothing else, can use all of locks and caches.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use bellwether::cache::{Cache, CacheOptions, Caches, Found, Herd};
use bellwether::clock::Wait;
use bellwether::error::Error;
use bellwether::lock::{Lock, LockOptions, Locks};
use bellwether::names::Prefix;
use bellwether::store::{self, Store, StoreOptions};
use bellwether_tests::commands::Counting;
use bellwether_tests::{Cluster, Server};
use tokio::time::{Instant, sleep};

const DOCUMENT: &str = include_str!("../../docs/operating.md");
const SECOND: Duration = Duration::from_secs(1);

/// The words of the rule, with a password.
fn rule() -> Vec<String> {
    let (_, rest) = DOCUMENT.split_once("ACL SETUSER").unwrap();
    let (rule, _) = rest.split_once("```").unwrap();
    ["ACL", "SETUSER"].into_iter().chain(rule.split_whitespace()).map(|word| word.replace("PASSWORD", "secret")).collect()
}

fn allow(server: &Server) {
    let rule = rule();
    server.command::<()>(&rule.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
}

async fn store(url: &str) -> Arc<dyn Store> {
    let url = url.replace("://", "://bellwether:secret@");
    store::open(&url, &StoreOptions::default()).await.unwrap()
}

fn prefix() -> Prefix {
    Prefix::new("shop:").unwrap()
}

async fn take_turns(lock: &Lock, other: &Lock) {
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    guard.extend(SECOND).await.unwrap();
    guard.renew().await.unwrap();
    assert!(guard.held().await.unwrap());
    let (waited, released) = tokio::join!(other.acquire(Wait::UpTo(10 * SECOND)), guard.release());
    released.unwrap();
    let guard = waited.unwrap().unwrap();
    let adopted = lock.adopt(&guard.hand_over().await.unwrap()).await.unwrap();
    adopted.release().await.unwrap();
}

async fn lock(one: &Locks, other: &Locks) {
    for fair in [false, true] {
        let options = LockOptions { fair, ..LockOptions::default() };
        take_turns(&one.open("a", options).unwrap(), &other.open("a", options).unwrap()).await;
    }
    let reading = one.open_rw("b", LockOptions::default()).unwrap().read(Wait::None).await.unwrap().unwrap();
    let writing = other.open_rw("b", LockOptions::default()).unwrap();
    assert!(writing.write(Wait::UpTo(Duration::from_millis(1))).await.unwrap().is_none());
    reading.release().await.unwrap();
    let permits = one.open_semaphore("c", 2, LockOptions::default()).unwrap();
    let permit = permits.acquire(Wait::None).await.unwrap().unwrap();
    assert_eq!(permits.available().await.unwrap(), 1);
    let several = other.open_many(["{d}1", "{d}2"], LockOptions::default()).unwrap();
    let several = several.acquire(Wait::None).await.unwrap().unwrap();
    let held = one.held_locks().await.unwrap();
    assert_eq!(held.len(), 3, "{held:?}");
    one.break_lock(&held[0], &held[0].holders()[0]).await.unwrap();
    drop((permit, several));
}

async fn cache(one: &Cache, other: &Cache) {
    one.set("a", &1, None).await.unwrap();
    assert_eq!(other.get::<u32>("a").await.unwrap(), Some(1));
    one.set_many([("b", &2), ("c", &3)], None).await.unwrap();
    assert_eq!(other.get_many::<u32, _>(["b", "c", "d"]).await.unwrap(), [Some(2), Some(3), None]);
    one.ttl("a").await.unwrap();
    let Found::Vacant(vacancy) = one.lookup::<u32>("e", SECOND).await.unwrap() else { unreachable!() };
    let (found, filled) = tokio::join!(other.lookup::<u32>("e", 10 * SECOND), vacancy.fill(&5, None));
    assert!(filled.unwrap());
    assert!(matches!(found.unwrap(), Found::Hit(5)));
    assert!(one.delete("a").await.unwrap());
    assert_eq!(one.delete_pattern("b*").await.unwrap(), 1);
    one.with_tags(["t"]).unwrap().set("f", &6, None).await.unwrap();
    assert_eq!(other.get::<u32>("f").await.unwrap(), Some(6));
    assert!(other.invalidate_tag("t").await.unwrap());
    assert_eq!(one.get_many::<u32, _>(["f"]).await.unwrap(), [None]);
    one.with_tags(["t"]).unwrap().set("c", &3, None).await.unwrap();
    assert_eq!(one.clear().await.unwrap(), 2);
}

async fn all(url: &str) {
    let (one, other) = (store(url).await, store(url).await);
    lock(&Locks::new(one.clone()).with_prefix(prefix()), &Locks::new(other.clone()).with_prefix(prefix())).await;
    let caches = |store| Caches::new(store).with_prefix(prefix());
    let herd = Some(Herd { herd_timeout: 10 * SECOND, extend_timeout: SECOND });
    for options in [
        CacheOptions::default(),
        CacheOptions { herd, expire: Some(10 * SECOND), ..CacheOptions::default() },
        CacheOptions { near: Some(true), ..CacheOptions::default() },
    ] {
        let open = |store| caches(store).open("pages", Some(options.clone())).unwrap();
        cache(&open(one.clone()), &open(other.clone())).await;
    }
}

#[tokio::test]
async fn on_a_server() {
    let server = Server::start().unwrap();
    allow(&server);
    all(&server.url()).await;
    let outside = Locks::new(store(&server.url()).await).open("elsewhere", LockOptions::default()).unwrap();
    assert!(matches!(outside.acquire(Wait::None).await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn on_a_cluster_with_a_quorum() {
    let cluster = Cluster::start().unwrap();
    cluster.nodes().iter().for_each(allow);
    all(&cluster.url()).await;
    let locks = Locks::new(store(&cluster.url()).await).with_prefix(prefix());
    let options = LockOptions { kind: bellwether::lock::Kind::Quorum, lease: Some(10 * SECOND), ..LockOptions::default() };
    let guard = locks.open("f", options).unwrap().acquire(Wait::UpTo(10 * SECOND)).await.unwrap().unwrap();
    guard.release().await.unwrap();
}

#[tokio::test]
async fn all_keys_are_walked_over_without_the_right_to_ask_which_are_on_their_way() {
    let cluster = Cluster::start().unwrap();
    let rule = rule();
    let words: Vec<_> = rule.iter().map(String::as_str).filter(|word| *word != "+cluster|nodes").collect();
    assert_eq!(words.len() + 1, rule.len());
    cluster.nodes().iter().for_each(|node| node.command(&words).unwrap());
    let cache = Caches::new(store(&cluster.url()).await).with_prefix(prefix()).open("pages", None).unwrap();
    cache.set_many((0..1_000).map(|n| (n.to_string(), n)), None).await.unwrap();
    assert_eq!(cache.stats(0).await.unwrap().entries, 1_000);
    assert_eq!(cache.clear().await.unwrap(), 1_000);
}

#[tokio::test]
async fn copies_are_kept_with_these_rights_and_need_not_have_all() {
    let server = Server::start().unwrap();
    allow(&server);
    let mut counting = Counting::on(&server).unwrap();
    for forbidden in ["-readonly", "-role", "-info"] {
        server.command::<()>(&["ACL", "SETUSER", "bellwether", forbidden]).unwrap();
        let caches = Caches::new(store(&server.url()).await).with_prefix(prefix());
        let cache = caches.open("pages", Some(CacheOptions { near: Some(true), ..CacheOptions::default() })).unwrap();
        cache.set("a", &1, None).await.unwrap();
        let end = Instant::now() + 10 * SECOND;
        loop {
            assert_eq!(cache.get::<u32>("a").await.unwrap(), Some(1));
            counting.restart().unwrap();
            assert_eq!(cache.get::<u32>("a").await.unwrap(), Some(1));
            if counting.so_far().unwrap().of("get") == 0 {
                break;
            }
            assert!(Instant::now() < end, "nothing is copied after {forbidden}");
            sleep(Duration::from_millis(5)).await;
        }
    }
}
