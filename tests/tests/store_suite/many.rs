//! What stores promise of many locks that are taken in one step.

use bellwether::clock::Wait;
use bellwether::lock::{LockOptions, Locks};
use bellwether::store::AttemptAll;

use super::*;

/// Three locks in one slot.
fn three(name: &str) -> [LockKeys; 3] {
    ["a", "b", "c"].map(|part| lock(&format!("{{{name}}}-{part}")))
}

async fn all(store: &Shared, locks: &[LockKeys], token: &Token, fair: bool) -> AttemptAll {
    store.attempt_all(locks, &ticket(token, Some(ms(LONG))), fair).await.unwrap()
}

pub(crate) async fn many_locks_are_taken_or_none(store: Shared, name: &str) {
    let (locks, [mine, theirs]) = (three(name), [token(), token()]);
    let single = fence(store.acquire(&locks[1], &theirs, Some(ms(LONG))).await.unwrap());
    match all(&store, &locks, &mine, false).await {
        AttemptAll::Busy { first: 1, lease_left: Some(left) } => assert!(left <= ms(LONG).duration()),
        other => panic!("{other:?}"),
    }
    for free in [&locks[0], &locks[2]] {
        assert!(!store.is_locked(free).await.unwrap(), "none is taken");
    }
    assert_eq!(store.release(&locks[1], Release::of(&theirs)).await.unwrap(), Released::Now);
    // One of them it has already.
    let own = fence(store.acquire(&locks[2], &mine, Some(ms(50))).await.unwrap());
    let AttemptAll::Acquired { fence } = all(&store, &locks, &mine, false).await else { panic!("all are free or its own") };
    assert!(fence > single && fence > own);
    assert_eq!(all(&store, &locks, &mine, false).await, AttemptAll::Acquired { fence }, "repeated, it is the same");
    for lock in &locks {
        assert!(left(store.holding(lock, &mine).await.unwrap()) > ms(LONG / 2).duration(), "the lease began anew");
        assert!(matches!(store.acquire(lock, &token(), None).await.unwrap(), Attempt::Busy { fence: last, .. } if last == fence));
        assert_eq!(store.release(lock, Release::of(&mine)).await.unwrap(), Released::Now);
    }
    assert!(store.attempt_all(&locks, &ticket(&mine, None), false).await.is_err(), "it was released");
}

pub(crate) async fn many_locks_without_lease_last(store: Shared, name: &str) {
    let (locks, mine) = (three(name), token());
    assert!(matches!(store.attempt_all(&locks, &ticket(&mine, None), false).await.unwrap(), AttemptAll::Acquired { .. }));
    assert_eq!(store.holding(&locks[2], &mine).await.unwrap(), Holding::Unlimited);
    assert!(matches!(all(&store, &locks, &token(), false).await, AttemptAll::Busy { first: 0, lease_left: None }));
    assert!(matches!(all(&store, &locks, &mine, false).await, AttemptAll::Acquired { .. }), "a late attempt shortens nothing");
    assert_eq!(store.holding(&locks[2], &mine).await.unwrap(), Holding::Unlimited);
}

pub(crate) async fn many_locks_are_taken_past_others_unless_fair(store: Shared, name: &str) {
    let (locks, mine, holder) = (three(name), token(), token());
    fence(store.acquire(&locks[1], &holder, Some(ms(50))).await.unwrap());
    let waiter = store.queue(&locks[1]).await;
    let end = Instant::now() + Duration::from_secs(10);
    while store.is_locked(&locks[1]).await.unwrap() {
        assert!(Instant::now() < end);
        sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(all(&store, &locks, &mine, true).await, AttemptAll::Busy { first: 1, .. }));
    assert!(matches!(all(&store, &locks, &mine, false).await, AttemptAll::Acquired { .. }));
    assert!(matches!(all(&store, &locks, &mine, true).await, AttemptAll::Acquired { .. }), "what it has, it need not wait for");
    let withdraws = ticket(&waiter, None);
    store.release(&locks[1], Release { withdraws: Some(&withdraws), ..Release::of(&waiter) }).await.unwrap();
}

/// The whole of it, through the locks of two processes that take turns with the same names in other orders.
pub(crate) async fn many_locks_go_from_hand_to_hand(store: Shared, name: &str) {
    let (locks, others) = (Locks::new(Arc::clone(&store)), Locks::new(store));
    let names: Vec<_> = three(name).iter().map(|lock| lock.name().to_owned()).collect();
    let inside = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let turns = (0..8).map(|n: usize| {
        let mut names = names.clone();
        names.rotate_left(n % 3);
        // Every second one takes only two, which always have one in common.
        names.truncate(3 - n % 2);
        let locks = if n < 4 { &locks } else { &others };
        let lock = locks.open_many(&names, LockOptions { fair: n.is_multiple_of(3), ..LockOptions::default() }).unwrap();
        let inside = Arc::clone(&inside);
        tokio::spawn(async move {
            for _ in 0..8 {
                let guard = lock.acquire(Wait::Forever).await.unwrap().unwrap();
                assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                guard.release().await.unwrap();
            }
        })
    });
    let turns: Vec<_> = turns.collect();
    for turn in turns {
        timeout(Duration::from_mins(1), turn).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_in_different_slots_are_refused() {
    let locks = Locks::new(opened(&CLUSTER.url()).await);
    let apart = locks.open_many(["many-a", "many-b"], LockOptions::default());
    assert!(matches!(&apart, Err(Error::Invalid(Invalid::Apart { .. }))), "{apart:?}");
    assert!(apart.unwrap_err().to_string().contains("{hash tag}"));
    let together = locks.open_many(["{many}a", "{many}b"], LockOptions::default()).unwrap();
    assert!(together.acquire(Wait::None).await.unwrap().is_some());
    let anywhere = Locks::new(opened(&SERVER.url()).await);
    let anywhere = anywhere.open_many(["many-a", "many-b"], LockOptions::default()).unwrap();
    assert!(anywhere.acquire(Wait::None).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_no_lock_is_named() {
    let store = opened(&SERVER.url()).await;
    let (locks, mine) = (three("many-foreign"), token());
    SERVER.command::<i64>(&["LPUSH", locks[1].key(), "a list"]).unwrap();
    let error = store.attempt_all(&locks, &ticket(&mine, None), false).await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(Invalid::ForeignKey { key, .. }) if key == locks[1].key()), "{error}");
    SERVER.command::<i64>(&["DEL", locks[1].key()]).unwrap();
    SERVER.command::<i64>(&["LPUSH", locks[2].fence(), "a list"]).unwrap();
    let error = store.attempt_all(&locks, &ticket(&mine, None), false).await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(Invalid::ForeignKey { key, .. }) if key == locks[2].fence()), "{error}");
    assert!(!store.is_locked(&locks[0]).await.unwrap());
}
