//! What a second client of the same servers sees and does.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_lock_excludes_ours_and_the_other_way_round() {
    let store = opened(&SERVER.url()).await;
    let (held, ours) = (lock("outside-held"), token());
    SERVER.command::<()>(&["SET", held.key(), "a foreign token", "NX", "PX", "60000"]).unwrap();
    assert!(matches!(store.acquire(&held, &ours, None).await.unwrap(), Attempt::Busy { lease_left: Some(_), .. }));
    assert_eq!(store.release(&held, Release::of(&ours)).await.unwrap(), Released::NotHeld);
    assert_eq!(SERVER.command::<String>(&["GET", held.key()]).unwrap(), "a foreign token");
    let free = lock("outside-free");
    fence(store.acquire(&free, &ours, Some(ms(LONG))).await.unwrap());
    assert_eq!(SERVER.command::<String>(&["GET", free.key()]).unwrap(), ours.as_str());
    assert_eq!(SERVER.command::<Option<String>>(&["SET", free.key(), "another", "NX"]).unwrap(), None);
    assert!(SERVER.command::<i64>(&["PTTL", free.key()]).unwrap() > 0);
    assert!(SERVER.command::<i64>(&["PTTL", free.fence()]).unwrap() > 80_000_000, "the fence does not last a day");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fences_rise_above_a_clock_that_was_set_back_and_after_a_loss() {
    let store = opened(&SERVER.url()).await;
    let (lock, token, next) = (lock("outside-fence"), token(), token());
    let future = 4_000_000_000_000_000u64;
    SERVER.command::<()>(&["SET", lock.fence(), &future.to_string()]).unwrap();
    assert_eq!(fence(store.acquire(&lock, &token, Some(ms(LONG))).await.unwrap()), future + 1);
    assert_eq!(store.adopt(&lock, &token, &next).await.unwrap().unwrap().fence, future + 2);
    let kept = SERVER.command::<String>(&["GET", lock.fence()]).unwrap();
    assert_eq!(kept, format!("{} !{}", future + 2, &token.as_str()[..16]));
    // With the fence lost, the clock alone has to do.
    SERVER.command::<()>(&["DEL", lock.fence()]).unwrap();
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    let again = u128::from(fence(store.acquire(&lock, &next, Some(ms(LONG))).await.unwrap()));
    assert!(again.abs_diff(clock) < 60_000_000, "{again} is not the time {clock}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_with_one_note_is_read() {
    let store = opened(&SERVER.url()).await;
    let (released, refused, future) = (token(), token(), 4_000_000_000_000_000u64);
    let (digits, refused_digits) = (&released.as_str()[..16], &refused.as_str()[..16]);
    for (lock, note) in [
        (lock("outside-note"), format!("-{digits}")),
        (lock("outside-refused"), format!("!{refused_digits}")),
        // As they were before 0.2.0.
        (lock("outside-note-whole"), released.as_str().to_owned()),
        (lock("outside-refused-whole"), format!("!{}", refused.as_str())),
    ] {
        SERVER.command::<()>(&["SET", lock.fence(), &format!("{future} {note}")]).unwrap();
        let token = token();
        assert_eq!(fence(store.acquire(&lock, &token, Some(ms(LONG))).await.unwrap()), future + 1);
        assert_eq!(store.release(&lock, Release::of(&token)).await.unwrap(), Released::Now);
        let (was_released, was_refused) =
            (store.release(&lock, Release::of(&released)).await, store.acquire(&lock, &refused, None).await);
        assert_eq!(was_released.unwrap() == Released::Before, was_refused.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_kind_is_named() {
    let store = opened(&SERVER.url()).await;
    let lock = lock("outside-list");
    SERVER.command::<()>(&["RPUSH", lock.key(), "x"]).unwrap();
    let foreign = |error: Error| matches!(error, Error::Invalid(Invalid::ForeignKey { key, .. }) if key == "outside-list");
    assert!(foreign(store.acquire(&lock, &token(), None).await.unwrap_err()));
    assert!(foreign(store.release(&lock, Release::of(&token())).await.unwrap_err()));
    assert!(foreign(store.get(lock.key()).await.unwrap_err()));
    assert!(foreign(store.get_many(&["other".into(), lock.key().into()]).await.unwrap_err()));
    assert_eq!(SERVER.command::<u64>(&["LLEN", lock.key()]).unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fence_that_is_none_is_named() {
    let store = opened(&SERVER.url()).await;
    let lock = lock("outside-bad-fence");
    let acquire = async || store.acquire(&lock, &token(), None).await;
    for plant in
        [&["SET", lock.fence(), "9007199254740992"][..], &["SET", lock.fence(), &"9".repeat(400)], &["RPUSH", lock.fence(), "1"]]
    {
        SERVER.command::<()>(&["DEL", lock.fence()]).unwrap();
        SERVER.command::<()>(plant).unwrap();
        match acquire().await.unwrap_err() {
            Error::Invalid(Invalid::ForeignKey { key, why }) => {
                assert_eq!(key, lock.fence());
                assert!(!why.contains("script"), "{why}");
            }
            other => panic!("{other}"),
        }
        assert!(!store.is_locked(&lock).await.unwrap(), "an error leaves nothing behind");
    }
    // One that is no number is as good as lost.
    SERVER.command::<()>(&["SET", lock.fence(), "junk"]).unwrap();
    SERVER.command::<()>(&["DEL", "outside-bad-fence"]).unwrap();
    assert!(fence(acquire().await.unwrap()) > 1_000_000_000_000_000);
}

/// How often the channels of a pattern are subscribed.
fn subscribed(server: &Server, [list, count]: [&str; 2], pattern: &str) -> u64 {
    let channels = server.command::<Vec<String>>(&["PUBSUB", list, pattern]).unwrap();
    let count = |channel: &String| server.command::<(String, u64)>(&["PUBSUB", count, channel]).unwrap().1;
    channels.iter().map(count).sum()
}

async fn subscribers_become(count: u64, ask: impl Fn() -> u64) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while ask() != count {
        if Instant::now() > end {
            return false;
        }
        sleep(Duration::from_millis(20)).await;
    }
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_share_one_subscription() {
    let store = opened(&SERVER.url()).await;
    let lock = lock("outside-watched");
    let pattern = format!("{}*", lock.channel());
    let subscribers = || subscribed(&SERVER, ["CHANNELS", "NUMSUB"], &pattern);
    let watches = join_all((0..20).map(|_| store.watch(&lock))).await;
    assert_eq!(subscribers(), 1);
    let kept = watches.into_iter().next().unwrap().unwrap();
    sleep(Duration::from_millis(1200)).await;
    assert_eq!(subscribers(), 1, "one watch is left");
    drop(kept);
    assert!(subscribers_become(0, subscribers).await, "nobody watches, and the subscription stays");
    let _again = store.watch(&lock).await.unwrap();
    assert_eq!(subscribers(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_in_a_cluster_share_one_sharded_subscription() {
    let store = opened(&CLUSTER.url()).await;
    let lock = lock("outside-watched");
    let node = CLUSTER.primary_of(lock.key()).unwrap();
    let pattern = format!("{}*", lock.channel());
    let subscribers = || subscribed(node, ["SHARDCHANNELS", "SHARDNUMSUB"], &pattern);
    let watches = join_all((0..20).map(|_| store.watch(&lock))).await;
    assert_eq!(subscribers(), 1);
    drop(watches);
    assert!(subscribers_become(0, subscribers).await, "nobody watches, and the subscription stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_round_trip() {
    // Its own server: what others do is counted too.
    let server = Server::start().unwrap();
    let store = opened(&server.url()).await;
    let entries: Vec<_> = (0..200).map(|number| entry(&format!("k{number}"), "x")).collect();
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
    let renewals: Vec<_> =
        (0..40).map(|number| Renewal { lock: lock(&format!("l{number}")), token: token(), lease: Some(ms(LONG)) }).collect();
    // The first time, the scripts are not there.
    store.renew(&renewals).await;
    store.delete(&keys).await.unwrap();
    // Kept, as the end of a connection is read too.
    let mut eye = server.connection().unwrap();
    let mut reads = || {
        let info: String = redis::cmd("INFO").arg("stats").query(&mut eye).unwrap();
        let value = info.lines().find_map(|line| line.strip_prefix("total_reads_processed:")).unwrap();
        value.trim().parse::<u64>().unwrap()
    };
    for batch in ["set", "get", "renew", "delete"] {
        let before = reads();
        match batch {
            "set" => store.set_many(&entries, None).await.unwrap(),
            "get" => assert!(store.get_many(&keys).await.unwrap().iter().all(Option::is_some)),
            "renew" => assert!(store.renew(&renewals).await.into_iter().all(|outcome| outcome == Ok(Holding::No))),
            _ => assert_eq!(store.delete(&keys).await.unwrap(), 200),
        }
        // The question itself is one, and what is sent at once may arrive in two pieces.
        let batch_reads = reads() - before - 1;
        assert!((1..=3).contains(&batch_reads), "{batch}: {batch_reads}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_in_a_cluster_is_one_round_trip_a_node() {
    let cluster = Cluster::start().unwrap();
    let store = opened(&cluster.url()).await;
    let entries: Vec<_> = (0..600).map(|number| entry(&format!("k{number}"), "x")).collect();
    let keys: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
    let primaries = cluster.primaries().unwrap();
    let counts = |name| -> HashMap<u16, u64> { primaries.iter().map(|node| (node.port(), node.info(name).unwrap())).collect() };
    store.set_many(&entries, None).await.unwrap();
    let (reads, commands) = (counts("total_reads_processed"), counts("total_commands_processed"));
    assert!(store.get_many(&keys).await.unwrap().iter().all(Option::is_some));
    let (reads_after, commands_after) = (counts("total_reads_processed"), counts("total_commands_processed"));
    for node in &primaries {
        let port = node.port();
        assert!(commands_after[&port] - commands[&port] >= 150, "a node has hardly any of the keys");
        // Replicas tell how far they are, once a second, and are read from too.
        assert!(reads_after[&port] - reads[&port] < 20, "a node was asked key by key");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_apart() {
    let (first, third) = (opened(&SERVER.url()).await, opened(&format!("{}/3", SERVER.url())).await);
    first.set(&entry("outside-database", "0"), None).await.unwrap();
    assert_eq!(third.get("outside-database").await.unwrap(), None);
    third.set(&entry("outside-database", "3"), None).await.unwrap();
    assert_eq!(first.get("outside-database").await.unwrap().unwrap(), "0");
    assert_eq!(SERVER.command::<String>(&["GET", "outside-database"]).unwrap(), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_primaries_of_a_cluster_are_used() {
    let store = opened(&CLUSTER.url()).await;
    let used: HashSet<_> = (0..50).map(|number| CLUSTER.primary_of(&format!("outside-{number}")).unwrap().port()).collect();
    assert_eq!(used.len(), 3);
    for number in 0..50 {
        let key = format!("outside-{number}");
        store.set(&entry(&key, "x"), None).await.unwrap();
        assert_eq!(CLUSTER.primary_of(&key).unwrap().command::<String>(&["GET", &key]).unwrap(), "x");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_who_cannot_be_told_keeps_its_place_and_leaves_nothing_for_ever() {
    let store = opened(&SERVER.url()).await;
    let (lock, holder) = (lock("outside-deaf"), token());
    store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap();
    let deaf = Ticket { token: token(), lease: Some(ms(LONG)), kept: ms(LONG) };
    let joins = Queueing { joins: true, ..Queueing::NONE };
    assert!(matches!(store.attempt(&lock, &deaf, joins).await.unwrap(), Attempt::Busy { .. }));
    assert_eq!(store.release(&lock, Release::of(&holder)).await.unwrap(), Released::Now);
    for key in [lock.queue(), lock.alive()] {
        assert!(SERVER.command::<i64>(&["PTTL", key]).unwrap() > 0, "{key} has no end");
    }
    let fair = Queueing { fair: true, ..Queueing::NONE };
    let other = Ticket { token: token(), ..deaf.clone() };
    assert!(
        matches!(store.attempt(&lock, &other, fair).await.unwrap(), Attempt::Busy { lease_left: None, .. }),
        "it is not first"
    );
    assert!(matches!(store.attempt(&lock, &deaf, Queueing { joins: true, ..fair }).await.unwrap(), Attempt::Acquired { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_share_is_taken_of_which_the_fence_cannot_be_kept() {
    let store = opened(&SERVER.url()).await;
    for lock in [shared::rw("outside-fences").0, shared::permit("outside-fences", 2)] {
        SERVER.command::<()>(&["SET", lock.fences(), "a stranger's"]).unwrap();
        for lease in [Some(ms(LONG)), None] {
            let mine = token();
            assert!(matches!(store.acquire(&lock, &mine, lease).await.unwrap_err(), Error::Invalid(_)));
            assert!(!store.is_locked(&lock).await.unwrap(), "nobody knows that they hold it");
            assert_eq!(store.release(&lock, Release::of(&mine)).await.unwrap(), Released::NotHeld);
        }
        SERVER.command::<()>(&["DEL", lock.fences()]).unwrap();
        let holder = token();
        fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
        SERVER.command::<()>(&["DEL", lock.fences()]).unwrap();
        SERVER.command::<()>(&["SET", lock.fences(), "a stranger's"]).unwrap();
        assert_eq!(store.release(&lock, Release::of(&holder)).await.unwrap(), Released::Now);
        assert!(!store.is_locked(&lock).await.unwrap());
    }
}
