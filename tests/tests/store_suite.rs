//! What every store promises, asked of each kind of them: in memory, one server, behind Sentinel, and a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bellwether::Error;
use bellwether::clock::Span;
use bellwether::error::Invalid;
use bellwether::glob::Glob;
use bellwether::names::{LockKeys, Prefix};
use bellwether::store::{self, Attempt, Entry, Holding, Released, Renewal, Store, StoreOptions, Token, Ttl, Watch};
use bellwether_tests::{Cluster, Sentinel, Server};
use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start().unwrap());
static SENTINEL: LazyLock<Sentinel> = LazyLock::new(|| Sentinel::start().unwrap());
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start().unwrap());

type Shared = Arc<dyn Store>;

async fn opened(url: &str) -> Shared {
    // Time-outs are for the tests of faults; here, many tests share two processors.
    let options = StoreOptions { connect_timeout: Duration::from_secs(20), response_timeout: Duration::from_secs(20) };
    store::open(url, &options).await.unwrap()
}

macro_rules! every_store {
    ($($test:ident)*) => {
        every_store! { in memory "memory:".to_owned(), $($test)* }
        every_store! { in server SERVER.url(), $($test)* }
        every_store! { in sentinel SENTINEL.url(), $($test)* }
        every_store! { in cluster CLUSTER.url(), $($test)* }
    };
    (in $kind:ident $url:expr, $($test:ident)*) => {
        mod $kind {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    let store = opened(&$url).await;
                    super::$test(store, concat!(stringify!($kind), "-", stringify!($test))).await;
                }
            )*
        }
    };
}

every_store! {
    a_lock_excludes
    a_lock_without_lease_lasts
    only_one_of_many_acquires
    fences_rise
    the_same_token_acquires_again
    a_release_is_told_apart
    a_lease_ends
    a_lease_is_extended
    leases_are_renewed_together
    a_lock_is_adopted
    names_may_have_braces
    a_release_wakes_all_watches
    a_watch_hears_only_its_lock
    a_watch_hears_what_comes_before_it_listens
    entries_are_kept
    entries_expire
    any_bytes_are_kept
    many_entries_are_kept_in_order
    entries_are_deleted
    a_prefix_is_literal
    many_entries_are_deleted_by_pattern
    a_store_is_checked
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

const LONG: u64 = 60_000;

fn fence(attempt: Attempt) -> u64 {
    match attempt {
        Attempt::Acquired { fence } => fence,
        Attempt::Busy { .. } => panic!("the lock is busy"),
    }
}

fn left(holding: Holding) -> Duration {
    match holding {
        Holding::Left(left) => left,
        other => panic!("{other:?} where there should be time left"),
    }
}

fn entry(key: &str, bytes: impl Into<Bytes>) -> Entry {
    Entry { key: key.into(), bytes: bytes.into() }
}

async fn woken(watch: &mut Watch) -> bool {
    timeout(Duration::from_secs(10), watch.woken()).await.is_ok()
}

async fn quiet(watch: &mut Watch) -> bool {
    timeout(Duration::from_millis(50), watch.woken()).await.is_err()
}

async fn a_lock_excludes(store: Shared, name: &str) {
    let (lock, mine, theirs) = (lock(name), token(), token());
    assert!(!store.is_locked(&lock).await.unwrap());
    fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    assert!(store.is_locked(&lock).await.unwrap());
    match store.acquire(&lock, &theirs, Some(ms(LONG))).await.unwrap() {
        Attempt::Busy { lease_left: Some(left) } => assert!(left <= ms(LONG).duration() && left > ms(LONG / 2).duration()),
        other => panic!("{other:?}"),
    }
    assert!(left(store.holding(&lock, &mine).await.unwrap()) <= ms(LONG).duration());
    assert_eq!(store.holding(&lock, &theirs).await.unwrap(), Holding::No);
    assert_eq!(store.release(&lock, &mine).await.unwrap(), Released::Now);
    fence(store.acquire(&lock, &theirs, Some(ms(LONG))).await.unwrap());
}

async fn a_lock_without_lease_lasts(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, None).await.unwrap());
    assert_eq!(store.acquire(&lock, &token(), None).await.unwrap(), Attempt::Busy { lease_left: None });
    assert_eq!(store.holding(&lock, &mine).await.unwrap(), Holding::Unlimited);
    assert_eq!(store.extend(&lock, &mine, ms(1)).await.unwrap(), Holding::Unlimited);
    assert_eq!(store.adopt(&lock, &mine).await.unwrap().unwrap().lease_left, None);
    assert_eq!(store.release(&lock, &mine).await.unwrap(), Released::Now);
}

async fn only_one_of_many_acquires(store: Shared, name: &str) {
    let (lock, tokens) = (lock(name), (0..50).map(|_| token()).collect::<Vec<_>>());
    let attempts = join_all(tokens.iter().map(|token| store.acquire(&lock, token, Some(ms(LONG))))).await;
    let won = attempts.into_iter().filter(|attempt| matches!(attempt.as_ref().unwrap(), Attempt::Acquired { .. }));
    assert_eq!(won.count(), 1);
}

async fn fences_rise(store: Shared, name: &str) {
    let (lock, mut last) = (lock(name), 0);
    for _ in 0..20 {
        let token = token();
        let acquired = fence(store.acquire(&lock, &token, Some(ms(LONG))).await.unwrap());
        let adopted = store.adopt(&lock, &token).await.unwrap().unwrap().fence;
        assert!(last < acquired && acquired < adopted, "{last} {acquired} {adopted}");
        assert_eq!(store.release(&lock, &token).await.unwrap(), Released::Now);
        last = adopted;
    }
}

async fn the_same_token_acquires_again(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    let first = fence(store.acquire(&lock, &mine, Some(ms(1000))).await.unwrap());
    // The fence may be the same, as it can only be that the reply with the first was lost.
    let second = fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    assert!(second >= first);
    assert!(left(store.holding(&lock, &mine).await.unwrap()) > Duration::from_secs(2), "the lease has not begun anew");
    assert!(fence(store.acquire(&lock, &mine, None).await.unwrap()) >= second);
    assert_eq!(store.holding(&lock, &mine).await.unwrap(), Holding::Unlimited);
}

async fn a_release_is_told_apart(store: Shared, name: &str) {
    let (lock, first, second) = (lock(name), token(), token());
    assert_eq!(store.release(&lock, &token()).await.unwrap(), Released::NotHeld);
    fence(store.acquire(&lock, &first, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.release(&lock, &first).await.unwrap(), Released::Now);
    assert_eq!(store.release(&lock, &first).await.unwrap(), Released::Before);
    // That somebody else has it now changes nothing about that.
    fence(store.acquire(&lock, &second, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.release(&lock, &first).await.unwrap(), Released::Before);
    assert!(left(store.holding(&lock, &second).await.unwrap()) > ms(LONG / 2).duration());
    assert_eq!(store.release(&lock, &second).await.unwrap(), Released::Now);
    assert_eq!(store.release(&lock, &second).await.unwrap(), Released::Before);
}

async fn a_lease_ends(store: Shared, name: &str) {
    let (lock, mine, theirs) = (lock(name), token(), token());
    let first = fence(store.acquire(&lock, &mine, Some(ms(30))).await.unwrap());
    let end = Instant::now() + Duration::from_secs(10);
    while store.is_locked(&lock).await.unwrap() {
        assert!(Instant::now() < end, "a lease of 30 ms still runs");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.holding(&lock, &mine).await.unwrap(), Holding::No);
    assert_eq!(store.extend(&lock, &mine, ms(LONG)).await.unwrap(), Holding::No);
    assert_eq!(store.adopt(&lock, &mine).await.unwrap(), None);
    let second = fence(store.acquire(&lock, &theirs, Some(ms(LONG))).await.unwrap());
    assert!(second > first);
    assert_eq!(store.release(&lock, &mine).await.unwrap(), Released::NotHeld);
    assert!(store.is_locked(&lock).await.unwrap());
}

async fn a_lease_is_extended(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let longer = left(store.extend(&lock, &mine, ms(LONG)).await.unwrap());
    assert!(longer > ms(LONG).duration() && longer <= ms(2 * LONG).duration(), "{longer:?}");
    assert!(left(store.holding(&lock, &mine).await.unwrap()) > ms(LONG).duration());
    assert_eq!(store.extend(&lock, &token(), ms(LONG)).await.unwrap(), Holding::No);
    // A hundred years on top of what is left is no number that a script writes with an exponent.
    let ages = Span::new("time", bellwether::clock::MAX_TIME).unwrap();
    assert!(left(store.extend(&lock, &mine, ages).await.unwrap()) > ages.duration());
}

async fn leases_are_renewed_together(store: Shared, name: &str) {
    assert!(store.renew(&[]).await.is_empty());
    let mut renewals = Vec::new();
    for number in 0..30 {
        let (lock, token) = (lock(&format!("{name}-{number}")), token());
        // Every third is not ours.
        if number % 3 > 0 {
            fence(store.acquire(&lock, &token, Some(ms(5000))).await.unwrap());
        }
        renewals.push(Renewal { lock, token, lease: ms(LONG + number) });
    }
    for (number, outcome) in store.renew(&renewals).await.into_iter().enumerate() {
        match outcome.unwrap() {
            Holding::No => assert_eq!(number % 3, 0),
            holding => {
                assert!(number % 3 > 0);
                let given = renewals[number].lease.duration();
                assert!(left(holding) <= given && left(holding) > given / 2, "{number}: {holding:?}");
            }
        }
    }
    let last = renewals.last().unwrap();
    assert!(left(store.holding(&last.lock, &last.token).await.unwrap()) > ms(LONG / 2).duration());
}

async fn a_lock_is_adopted(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    assert_eq!(store.adopt(&lock, &mine).await.unwrap(), None);
    let before = fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    assert_eq!(store.adopt(&lock, &token()).await.unwrap(), None);
    let adopted = store.adopt(&lock, &mine).await.unwrap().unwrap();
    assert!(adopted.fence > before);
    assert!(adopted.lease_left.unwrap() <= ms(LONG).duration());
    // The fence of whoever handed it over does not come back.
    assert!(fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap()) >= adopted.fence);
}

async fn names_may_have_braces(store: Shared, name: &str) {
    for name in [format!("{name}{{tag}}"), format!("{{{name}}}"), format!("{name}{{"), format!("{name} é*?[x]\\")] {
        let (lock, mine) = (lock(&name), token());
        let mut watch = store.watch(&lock).await.unwrap();
        fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
        assert_eq!(store.release(&lock, &mine).await.unwrap(), Released::Now);
        assert!(woken(&mut watch).await, "{name}");
    }
}

async fn a_release_wakes_all_watches(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let mut watches: Vec<_> = join_all((0..5).map(|_| store.watch(&lock))).await.into_iter().map(Result::unwrap).collect();
    for watch in &mut watches {
        assert!(quiet(watch).await);
    }
    assert_eq!(store.release(&lock, &mine).await.unwrap(), Released::Now);
    for watch in &mut watches {
        assert!(woken(watch).await);
        assert!(quiet(watch).await, "one release woke twice");
    }
    // Neither a second release nor one of nothing wakes anybody.
    store.release(&lock, &mine).await.unwrap();
    store.release(&lock, &token()).await.unwrap();
    assert!(quiet(&mut watches[0]).await);
    // Nor does that others stop watching.
    watches.truncate(1);
    let next = token();
    fence(store.acquire(&lock, &next, Some(ms(LONG))).await.unwrap());
    store.release(&lock, &next).await.unwrap();
    assert!(woken(&mut watches[0]).await);
}

async fn a_watch_hears_only_its_lock(store: Shared, name: &str) {
    let (mine, other, token) = (lock(name), lock(&format!("{name}-other")), token());
    let mut watch = store.watch(&mine).await.unwrap();
    fence(store.acquire(&other, &token, Some(ms(LONG))).await.unwrap());
    store.release(&other, &token).await.unwrap();
    assert!(quiet(&mut watch).await);
}

async fn a_watch_hears_what_comes_before_it_listens(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    store.release(&lock, &mine).await.unwrap();
    assert!(woken(&mut watch).await);
    // Dropped and watched again at once, as who takes turns does.
    drop(watch);
    for _ in 0..3 {
        let (mut watch, next) = (store.watch(&lock).await.unwrap(), token());
        fence(store.acquire(&lock, &next, Some(ms(LONG))).await.unwrap());
        store.release(&lock, &next).await.unwrap();
        assert!(woken(&mut watch).await);
    }
}

async fn entries_are_kept(store: Shared, name: &str) {
    let first = entry(name, "first");
    assert_eq!(store.get(name).await.unwrap(), None);
    assert!(!store.exists(name).await.unwrap());
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Absent);
    store.set(&first, None).await.unwrap();
    assert_eq!(store.get(name).await.unwrap().unwrap(), "first");
    assert!(store.exists(name).await.unwrap());
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Persistent);
    store.set(&entry(name, "second"), Some(ms(LONG))).await.unwrap();
    assert_eq!(store.get(name).await.unwrap().unwrap(), "second");
    match store.ttl(name).await.unwrap() {
        Ttl::Remaining(left) => assert!(left <= ms(LONG).duration() && left > ms(LONG / 2).duration()),
        other => panic!("{other:?}"),
    }
    store.set(&first, None).await.unwrap();
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Persistent);
}

async fn entries_expire(store: Shared, name: &str) {
    store.set(&entry(name, "brief"), Some(ms(20))).await.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while store.exists(name).await.unwrap() {
        assert!(Instant::now() < end, "20 ms do not end");
        sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.get(name).await.unwrap(), None);
    assert_eq!(store.ttl(name).await.unwrap(), Ttl::Absent);
    assert_eq!(store.delete(&[name.to_owned()]).await.unwrap(), 0);
}

async fn any_bytes_are_kept(store: Shared, name: &str) {
    let all: Vec<u8> = (0..=255).collect();
    let large = all.repeat(8192);
    for bytes in [Vec::new(), all, large] {
        store.set(&entry(name, bytes.clone()), None).await.unwrap();
        assert!(store.get(name).await.unwrap().unwrap() == bytes, "{} bytes came back as others", bytes.len());
    }
}

async fn many_entries_are_kept_in_order(store: Shared, name: &str) {
    assert!(store.get_many(&[]).await.unwrap().is_empty());
    store.set_many(&[], None).await.unwrap();
    let entries: Vec<_> = (0..200).map(|number| entry(&format!("{name}-{number}"), number.to_string())).collect();
    store.set_many(&entries, Some(ms(LONG))).await.unwrap();
    assert!(matches!(store.ttl(&entries[7].key).await.unwrap(), Ttl::Remaining(_)));
    // Every second is there, and one twice.
    let mut keys: Vec<_> = (0..200).map(|number| format!("{name}-{}", number * 2)).collect();
    keys.push(keys[3].clone());
    let values = store.get_many(&keys).await.unwrap();
    assert_eq!(values.len(), keys.len());
    for (number, value) in values.iter().take(200).enumerate() {
        let stored = (number < 100).then(|| Bytes::from((number * 2).to_string()));
        assert_eq!(*value, stored, "{number}");
    }
    assert_eq!(values[200], values[3]);
}

async fn entries_are_deleted(store: Shared, name: &str) {
    assert_eq!(store.delete(&[]).await.unwrap(), 0);
    let entries: Vec<_> = (0..50).map(|number| entry(&format!("{name}-{number}"), "x")).collect();
    store.set_many(&entries, None).await.unwrap();
    let mut keys: Vec<_> = (25..75).map(|number| format!("{name}-{number}")).collect();
    keys.push(format!("{name}-30"));
    assert_eq!(store.delete(&keys).await.unwrap(), 25);
    assert_eq!(store.delete(&keys).await.unwrap(), 0);
    assert!(store.exists(&format!("{name}-24")).await.unwrap());
}

async fn a_prefix_is_literal(store: Shared, name: &str) {
    for prefix in
        [format!("{name}*:"), format!("{name}?[a-z]:"), format!("{name}{{tag}}:"), format!("{name}\\:"), format!("{name}^é")]
    {
        let inside: Vec<_> = ["a", "b*", "[c]", "é"].iter().map(|rest| entry(&format!("{prefix}{rest}"), "x")).collect();
        let outside = entry(&format!("{name}xb:{}", prefix.len()), "x");
        store.set_many(&inside, None).await.unwrap();
        store.set(&outside, None).await.unwrap();
        let but_one = store.delete_matching(&prefix, &Glob::any(), &|rest| rest != "b*").await.unwrap();
        assert_eq!(but_one, 3, "{prefix}");
        assert!(store.exists(&inside[1].key).await.unwrap());
        assert_eq!(store.delete_matching(&prefix, &Glob::new("b\\*").unwrap(), &|_| true).await.unwrap(), 1, "{prefix}");
        assert!(store.exists(&outside.key).await.unwrap(), "{prefix} reached beyond itself");
    }
}

async fn many_entries_are_deleted_by_pattern(store: Shared, name: &str) {
    let entries: Vec<_> = (0..3000).map(|number| entry(&format!("{name}:{number}"), "x")).collect();
    store.set_many(&entries, None).await.unwrap();
    let prefix = format!("{name}:");
    let pattern = Glob::new("1*").unwrap();
    // 1, 10 to 19, 100 to 199, 1000 to 1999
    assert_eq!(store.delete_matching(&prefix, &pattern, &|rest| pattern.matches(rest)).await.unwrap(), 1111);
    assert_eq!(store.delete_matching(&prefix, &Glob::any(), &|_| true).await.unwrap(), 3000 - 1111);
    assert_eq!(store.delete_matching(&prefix, &Glob::any(), &|_| true).await.unwrap(), 0);
}

async fn a_store_is_checked(store: Shared, _: &str) {
    store.check().await.unwrap();
    assert!(!store.address().is_empty());
}

/// What a second client of the same servers sees and does.
mod seen_from_outside {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_foreign_lock_excludes_ours_and_the_other_way_round() {
        let store = opened(&SERVER.url()).await;
        let (held, ours) = (lock("outside-held"), token());
        SERVER.command::<()>(&["SET", held.key(), "a foreign token", "NX", "PX", "60000"]).unwrap();
        assert!(matches!(store.acquire(&held, &ours, None).await.unwrap(), Attempt::Busy { lease_left: Some(_) }));
        assert_eq!(store.release(&held, &ours).await.unwrap(), Released::NotHeld);
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
        let (lock, token) = (lock("outside-fence"), token());
        let future = 4_000_000_000_000_000u64;
        SERVER.command::<()>(&["SET", lock.fence(), &future.to_string()]).unwrap();
        assert_eq!(fence(store.acquire(&lock, &token, Some(ms(LONG))).await.unwrap()), future + 1);
        assert_eq!(store.adopt(&lock, &token).await.unwrap().unwrap().fence, future + 2);
        assert_eq!(SERVER.command::<String>(&["GET", lock.fence()]).unwrap(), (future + 2).to_string());
        // With the fence lost, the clock alone has to do.
        SERVER.command::<()>(&["DEL", lock.fence()]).unwrap();
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
        let again = u128::from(fence(store.acquire(&lock, &token, Some(ms(LONG))).await.unwrap()));
        assert!(again.abs_diff(clock) < 60_000_000, "{again} is not the time {clock}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_attempt_that_comes_after_its_release_is_refused() {
        let store = opened(&SERVER.url()).await;
        let (lock, late) = (lock("outside-late"), token());
        // Settled before it arrives: first as never held, then as held and released.
        assert_eq!(store.release(&lock, &late).await.unwrap(), Released::NotHeld);
        assert!(matches!(store.acquire(&lock, &late, None).await, Err(Error::Unavailable(_))));
        let late = token();
        fence(store.acquire(&lock, &late, None).await.unwrap());
        assert_eq!(store.release(&lock, &late).await.unwrap(), Released::Now);
        assert!(matches!(store.acquire(&lock, &late, None).await, Err(Error::Unavailable(_))));
        assert!(!store.is_locked(&lock).await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_key_of_another_kind_is_named() {
        let store = opened(&SERVER.url()).await;
        let lock = lock("outside-list");
        SERVER.command::<()>(&["RPUSH", lock.key(), "x"]).unwrap();
        let foreign = |error: Error| matches!(error, Error::Invalid(Invalid::ForeignKey { key, .. }) if key == "outside-list");
        assert!(foreign(store.acquire(&lock, &token(), None).await.unwrap_err()));
        assert!(foreign(store.release(&lock, &token()).await.unwrap_err()));
        assert!(foreign(store.get(lock.key()).await.unwrap_err()));
        assert!(foreign(store.get_many(&["other".into(), lock.key().into()]).await.unwrap_err()));
        assert_eq!(SERVER.command::<u64>(&["LLEN", lock.key()]).unwrap(), 1);
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
        let subscribers = || SERVER.command::<(String, u64)>(&["PUBSUB", "NUMSUB", lock.channel()]).unwrap().1;
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
        let subscribers = || node.command::<(String, u64)>(&["PUBSUB", "SHARDNUMSUB", lock.channel()]).unwrap().1;
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
            (0..40).map(|number| Renewal { lock: lock(&format!("l{number}")), token: token(), lease: ms(LONG) }).collect();
        // The first time, the script is not there.
        store.renew(&renewals).await;
        let reads = || server.info("total_reads_processed").unwrap();
        let counting = reads();
        let overhead = reads() - counting;
        for batch in ["set", "get", "renew", "delete"] {
            let before = reads();
            match batch {
                "set" => store.set_many(&entries, None).await.unwrap(),
                "get" => assert!(store.get_many(&keys).await.unwrap().iter().all(Option::is_some)),
                "renew" => assert!(store.renew(&renewals).await.into_iter().all(|outcome| outcome == Ok(Holding::No))),
                _ => assert_eq!(store.delete(&keys).await.unwrap(), 200),
            }
            assert_eq!(reads() - before - overhead, 1, "{batch}");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_batch_in_a_cluster_is_one_round_trip_a_node() {
        let cluster = Cluster::start().unwrap();
        let store = opened(&cluster.url()).await;
        let entries: Vec<_> = (0..600).map(|number| entry(&format!("k{number}"), "x")).collect();
        let keys: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
        let primaries = cluster.primaries().unwrap();
        let counts =
            |name| -> HashMap<u16, u64> { primaries.iter().map(|node| (node.port(), node.info(name).unwrap())).collect() };
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
}
