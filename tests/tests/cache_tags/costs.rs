//! How many requests tags cost.

use bellwether::cache::Ttl;
use bellwether_tests::commands::Commands;

use super::*;

/// What a call has the server do, once it knows all scripts.
pub(crate) async fn costs<T>(counting: &mut Counting, call: impl Future<Output = Result<T, bellwether::Error>>) -> Commands {
    counting.restart().unwrap();
    call.await.unwrap();
    counting.so_far().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_is_one_request_however_many_entries_have_the_tag() {
    let server = Server::start().unwrap();
    let cache = plain(&server.url()).await;
    let tagged = cache.with_tags(["x"]).unwrap();
    for count in [1, 1_000] {
        let keys = keys(count);
        // The first time, scripts are loaded.
        for _ in 0..2 {
            tagged.set_many(keys.iter().map(|key| (key, 1)), None).await.unwrap();
            assert_eq!(cache.get_many::<u8, _>(&keys).await.unwrap(), vec![Some(1); count]);
            cache.invalidate_tag("x").await.unwrap();
            assert_eq!(cache.get::<u8>(&keys[0]).await.unwrap(), None);
        }
        tagged.set_many(keys.iter().map(|key| (key, 1)), None).await.unwrap();
        let mut counting = Counting::on(&server).unwrap();
        let commands = costs(&mut counting, cache.invalidate_tag("x")).await;
        assert_eq!((commands.of("evalsha"), commands.sent()), (1, 1), "{commands}");
        // Within the script: what is there, the time, and the end of it.
        assert!(commands.all() <= 4, "{commands}");
        assert_eq!(cache.get_many::<u8, _>(&keys).await.unwrap(), vec![None; count]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_asks_once_more_where_there_are_tags_and_not_where_there_are_none() {
    let server = Server::start().unwrap();
    let cache = plain(&server.url()).await;
    let tagged = cache.with_tags(["x", "y"]).unwrap();
    tagged.set("tagged", &1, None).await.unwrap();
    cache.set("plain", &1, None).await.unwrap();
    cache.ttl("tagged").await.unwrap();
    let many = keys(100);
    tagged.set_many(many.iter().map(|key| (key, 1)), None).await.unwrap();
    let mut counting = Counting::on(&server).unwrap();
    let mut costs = async |what: &str, call: &mut (dyn Future<Output = ()> + Unpin), gets: u64, scripts: u64| {
        counting.restart().unwrap();
        call.await;
        let commands = counting.so_far().unwrap();
        assert_eq!((commands.of("get"), commands.of("evalsha")), (gets, scripts), "{what}: {commands}");
    };
    let of = &cache;
    let read = |key: &'static str| Box::pin(async move { assert_eq!(of.get::<u8>(key).await.unwrap(), Some(1)) });
    costs("a plain entry", &mut read("plain"), 1, 0).await;
    costs("one with two tags", &mut read("tagged"), 1 + 2, 0).await;
    let mut all = Box::pin(async {
        assert_eq!(cache.get_many::<u8, _>(&many).await.unwrap(), vec![Some(1); 100]);
    });
    costs("many with the same tags", &mut all, 100 + 2, 0).await;
    let mut ttl = Box::pin(async { assert_ne!(cache.ttl("plain").await.unwrap(), Ttl::Absent) });
    costs("a time to live", &mut ttl, 0, 1).await;
    let mut set = Box::pin(async { cache.set("plain", &1, None).await.unwrap() });
    costs("a plain set", &mut set, 0, 0).await;
    // Each tag is asked for once, and looks at itself.
    let mut set = Box::pin(async { tagged.set_many(many.iter().map(|key| (key, 1)), None).await.unwrap() });
    costs("a set with two tags", &mut set, 2, 2).await;
}

/// What a `set_many` of these keys costs a herd cache, all of which it was told to compute, once the server knows all scripts: scripts
/// that clients call, and questions about tags.
async fn cost_of_answers(server: &Server, tags: &[&str], old_tags: &[&str]) -> (u64, u64) {
    let herd = Some(Herd { herd_timeout: LONG, extend_timeout: LONG });
    let cache = cache(&server.url(), CacheOptions { herd, ..CacheOptions::default() }).await;
    let keys = keys(ANSWERS);
    let (tagged, old) = (cache.with_tags(tags).unwrap(), cache.with_tags(old_tags).unwrap());
    let mut counting = Counting::on(server).unwrap();
    let mut commands = Commands::default();
    for _ in 0..2 {
        old.set_many(keys.iter().map(|key| (key, 1)), Some(Duration::from_millis(1))).await.unwrap();
        for key in &keys {
            // The first time that it is due, which is then to be answered.
            while cache.get::<u8>(key).await.unwrap().is_some() {}
        }
        commands = costs(&mut counting, tagged.set_many(keys.iter().map(|key| (key, 2)), Some(LONG))).await;
        assert_eq!(cache.get_many::<u8, _>(&keys).await.unwrap(), vec![Some(2); ANSWERS]);
        assert_eq!(cache.clear().await.unwrap(), ANSWERS as u64);
    }
    (commands.of("evalsha"), commands.of("get"))
}

const ANSWERS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sets_what_it_was_told_to_compute_asks_for_each_tag_once() {
    let server = Server::start().unwrap();
    // One script for each value, and one for each tag, which looks at itself.
    let values = ANSWERS as u64;
    assert_eq!(cost_of_answers(&server, &[], &[]).await, (values, 0));
    assert_eq!(cost_of_answers(&server, &["x", "y"], &[]).await, (values + 2, 2));
    assert_eq!(cost_of_answers(&server, &["x", "y"], &["x", "y"]).await, (values + 2, 2));
    // What only the old value has is asked for besides.
    assert_eq!(cost_of_answers(&server, &["x", "y"], &["y", "z"]).await, (values + 2, 2 + 1));
    assert_eq!(cost_of_answers(&server, &[], &["y", "z"]).await, (values, 2));
}
