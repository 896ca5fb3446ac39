//! Tags and entries whose primaries change: what was invalidated is never read again, and what is lost is a miss.

use bellwether::Error;
use bellwether::cache::Vacancy;
use bellwether::names::{Prefix, entry_prefix, tag_key};
use bellwether_tests::{Sentinel, until};
use bytes::Bytes;

use super::*;

/// For a store to answer again.
const RECOVERY: Duration = Duration::from_secs(20);

/// A cache over connections of its own, whose claims outlast the test.
async fn opened(url: &str, name: &str) -> Cache {
    let options = StoreOptions { connect_timeout: RECOVERY, response_timeout: Duration::from_secs(1) };
    let caches = Caches::new(store::open(url, &options).await.unwrap());
    let herd = Some(Herd { herd_timeout: LONG, extend_timeout: LONG });
    caches.open(name, Some(CacheOptions { herd, ..CacheOptions::default() })).unwrap()
}

/// The answer, once there is one.
async fn answered<T>(mut ask: impl AsyncFnMut() -> Result<T, Error>) -> T {
    let end = Instant::now() + RECOVERY;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(matches!(error, Error::Unavailable(_)) && Instant::now() < end, "{error}"),
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn read(cache: &Cache, key: &str) -> Option<u8> {
    answered(async || cache.get(key).await).await
}

async fn vacancy(cache: &Cache, key: &str, tag: Option<&str>) -> Vacancy {
    match cache.with_tags(tag).unwrap().lookup::<u8>(key, Duration::ZERO).await.unwrap() {
        Found::Vacant(vacancy) => vacancy,
        other => panic!("{other:?} where there should be nothing"),
    }
}

async fn filled(vacancy: &Vacancy, tag: Option<&str>) -> bool {
    answered(async || vacancy.fill_tagged_cbor(Bytes::from_static(&[7]), Some(LONG), tag).await).await
}

fn key_of_tag(cache: &Cache, tag: &str) -> String {
    tag_key(&entry_prefix(&Prefix::default(), cache.name()).unwrap(), tag)
}

/// What a server has under a key, be it a replica.
fn held(server: &Server, key: &str) -> Option<Vec<u8>> {
    let mut connection = server.connection().unwrap();
    // Refused by servers that are no nodes of a cluster, which need none of it.
    let _ = redis::cmd("READONLY").query::<()>(&mut connection);
    redis::cmd("GET").arg(key).query(&mut connection).unwrap()
}

/// Waits until replicas have what their primary has.
fn copied(key: &str, primary: &Server, replicas: &[&Server]) {
    until("the replicas to follow", || {
        let own = held(primary, key);
        Ok(replicas.iter().all(|replica| held(replica, key) == own).then_some(()))
    })
    .unwrap();
}

/// Invalidates tags before and after a primary is replaced.
async fn what_was_invalidated_stays_so(
    url: &str,
    here: &Cache,
    [before, after, never]: &[String; 3],
    copied: impl Fn(&str),
    replace: impl FnOnce(),
) {
    here.with_tags([before]).unwrap().set("a", &1, Some(LONG)).await.unwrap();
    here.with_tags([after]).unwrap().set("b", &1, Some(LONG)).await.unwrap();
    let (named, found) = (vacancy(here, "c", Some(before)).await, vacancy(here, "d", None).await);
    let (named_never, found_never) = (vacancy(here, "e", Some(never)).await, vacancy(here, "f", None).await);
    assert!(here.invalidate_tag(before).await.unwrap());
    for tag in [before, after, never] {
        copied(&key_of_tag(here, tag));
    }
    for key in ["a", "b", "c", "d", "e", "f"] {
        copied(&here.entry_key(key).await.unwrap());
    }
    replace();

    let there = opened(url, here.name()).await;
    for cache in [here, &there] {
        assert!(!answered(async || cache.exists("a").await).await);
        let both = answered(async || cache.get_many::<u8, _>(["a", "b"]).await).await;
        assert_eq!(both, [None, Some(1)]);
        assert_eq!(read(cache, "a").await, None);
    }
    assert!(!filled(&named, None).await && !filled(&found, Some(before)).await, "they were computed from what there was before");
    assert!(filled(&named_never, None).await && filled(&found_never, Some(never)).await, "these have nothing to do with it");
    assert!(answered(async || there.invalidate_tag(after).await).await);
    for cache in [here, &there] {
        let all = answered(async || cache.get_many::<u8, _>(["a", "b", "c", "d", "e", "f"]).await).await;
        assert_eq!(all, [None, None, None, None, Some(7), Some(7)]);
    }
    here.with_tags([before, after]).unwrap().set("a", &2, Some(LONG)).await.unwrap();
    assert_eq!(read(&there, "a").await, Some(2), "the tags are of new generations");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_invalidated_stays_so_behind_sentinels() {
    let mut set = Sentinel::start().unwrap();
    let url = set.url();
    let tags = ["x", "y", "z"].map(str::to_owned);
    let failover: fn(&mut Sentinel) = |set| set.failover().unwrap();
    let death: fn(&mut Sentinel) = |set| set.kill_primary().unwrap();
    for (name, replace) in [("failover", failover), ("death", death)] {
        let here = opened(&url, name).await;
        let watched = std::cell::RefCell::new(&mut set);
        let copied = |key: &str| copied(key, watched.borrow().primary().unwrap(), &watched.borrow().replicas().unwrap());
        let replace = || replace(&mut watched.borrow_mut());
        what_was_invalidated_stays_so(&url, &here, &tags, copied, replace).await;
    }
}

/// Tags of a cache that are all on one primary, which the entry `a` is not on.
async fn tags_elsewhere(cluster: &Cluster, cache: &Cache) -> [String; 3] {
    let shard = |key: &str| cluster.shard_of(key).unwrap()[0];
    let own = shard(&cache.entry_key("a").await.unwrap());
    let mut other = None;
    let tags = (0..1_000).map(|n| format!("tag-{n}"));
    let elsewhere = tags.filter(|tag| {
        let shard = shard(&key_of_tag(cache, tag));
        shard != own && *other.get_or_insert(shard) == shard
    });
    elsewhere.take(3).collect::<Vec<_>>().try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_invalidated_stays_so_in_a_cluster() {
    let mut cluster = Cluster::start().unwrap();
    let url = cluster.url();
    let failover: fn(&mut Cluster, &str) = |cluster, key| cluster.failover(key).unwrap();
    let death: fn(&mut Cluster, &str) = |cluster, key| cluster.kill_primary_of(key).unwrap();
    for (name, replace) in [("failover", failover), ("death", death)] {
        for of_tags in [true, false] {
            let here = opened(&url, &format!("{name} {of_tags}")).await;
            let tags = tags_elsewhere(&cluster, &here).await;
            let gone = if of_tags { key_of_tag(&here, &tags[0]) } else { here.entry_key("a").await.unwrap() };
            let watched = std::cell::RefCell::new(&mut cluster);
            let copied = |key: &str| {
                let cluster = watched.borrow();
                copied(key, cluster.primary_of(key).unwrap(), &cluster.replicas_of(key).unwrap());
            };
            let replace = || replace(&mut watched.borrow_mut(), &gone);
            what_was_invalidated_stays_so(&url, &here, &tags, copied, replace).await;
            cluster.revive().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tag_that_a_failover_loses_ends_the_entries_that_have_it() {
    let cluster = Cluster::start().unwrap();
    let here = opened(&cluster.url(), "lost").await;
    let [lost, kept, _] = tags_elsewhere(&cluster, &here).await;
    here.with_tags([&kept]).unwrap().set("b", &1, Some(LONG)).await.unwrap();
    let (of_lost, of_kept) = (key_of_tag(&here, &lost), key_of_tag(&here, &kept));
    let (primary, replicas) = (cluster.primary_of(&of_lost).unwrap(), cluster.replicas_of(&of_lost).unwrap());
    copied(&of_kept, primary, &replicas);

    replicas[0].cut_off().unwrap();
    here.with_tags([&lost]).unwrap().set("a", &1, Some(LONG)).await.unwrap();
    let named = vacancy(&here, "c", Some(&lost)).await;
    // Of one that it has, it misses that there was an end to it and a new beginning.
    assert!(here.invalidate_tag(&kept).await.unwrap());
    here.with_tags([&kept]).unwrap().set("d", &1, Some(LONG)).await.unwrap();
    assert_eq!(here.get_many::<u8, _>(["a", "d"]).await.unwrap(), [Some(1); 2]);
    cluster.take_over(&of_lost, replicas[0]).unwrap();
    assert_eq!(held(replicas[0], &of_lost), None, "it is lost");

    let there = opened(&cluster.url(), "lost").await;
    for cache in [&here, &there] {
        assert_eq!(read(cache, "a").await, None);
        assert_eq!(read(cache, "d").await, None);
    }
    assert!(!filled(&named, None).await, "nobody knows what was invalidated meanwhile");
    for (key, tag) in [("a", &lost), ("d", &kept)] {
        here.with_tags([tag]).unwrap().set(key, &2, Some(LONG)).await.unwrap();
        assert_eq!(read(&there, key).await, Some(2));
    }
}
