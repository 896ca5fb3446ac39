use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;
use crate::clock::{Span, Wait};
use crate::error::{Invalid, Limit, LossReason};
use crate::lock::{Kind, MultiLock};
use crate::names::Prefix;
use crate::store::{Broken, Queueing, Ticket};

fn options() -> LockOptions {
    LockOptions { retry: 20 * SECOND, ..LockOptions::default() }
}

fn single(locks: &Locks, name: &str) -> Lock {
    locks.open(name, options()).unwrap()
}

fn many(locks: &Locks, names: &[&str]) -> MultiLock {
    locks.open_many(names, options()).unwrap()
}

async fn any_locked(locks: &Locks, names: &[&str]) -> bool {
    for name in names {
        if single(locks, name).is_locked().await.unwrap() {
            return true;
        }
    }
    false
}

const ABC: [&str; 3] = ["a", "b", "c"];

#[tokio::test(start_paused = true)]
async fn all_are_taken_in_one_step_with_one_fence() {
    let (store, locks) = setup();
    let before = single(&locks, "c").acquire(Wait::None).await.unwrap().unwrap();
    before.release().await.unwrap();
    let guard = many(&locks, &["c", "a", "b", "a"]).acquire(Wait::None).await.unwrap().unwrap();
    assert_eq!(guard.names().collect::<Vec<_>>(), ABC, "in order, and each once");
    assert_eq!(store.calls(Op::AttemptAll), 1);
    assert!(guard.fence() > before.fence());
    for name in ABC {
        assert!(single(&locks, name).acquire(Wait::None).await.unwrap().is_none());
    }
    assert!(guard.held().await.unwrap() && guard.remaining().await.unwrap().unwrap() > 29 * SECOND);
    guard.extend(30 * SECOND).await.unwrap();
    assert!(guard.remaining().await.unwrap().unwrap() > 59 * SECOND);
    guard.renew().await.unwrap();
    assert!(guard.remaining().await.unwrap().unwrap() <= 30 * SECOND);
    tokio::time::sleep(300 * SECOND).await;
    assert!(guard.held().await.unwrap(), "it is renewed");
    guard.release().await.unwrap();
    assert_eq!(guard.lost().await, LossReason::Released);
    assert!(!any_locked(&locks, &ABC).await);
    assert!(matches!(guard.release().await, Err(Error::NotHeld(_))));
}

#[tokio::test(start_paused = true)]
async fn one_that_is_held_keeps_all_from_being_taken() {
    let (_, locks) = setup();
    let guard = single(&locks, "b").acquire(Wait::None).await.unwrap().unwrap();
    assert!(many(&locks, &ABC).acquire(Wait::None).await.unwrap().is_none());
    assert!(!any_locked(&locks, &["a", "c"]).await);
    let began = Instant::now();
    assert!(many(&locks, &ABC).acquire(Wait::UpTo(5 * SECOND)).await.unwrap().is_none());
    assert!((5 * SECOND..6 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
    locks.settled().await;
    assert!(!any_locked(&locks, &["a", "c"]).await);
    guard.release().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_it_has_is_kept_while_it_waits_for_the_others() {
    let (_, locks) = setup();
    let guard = single(&locks, "b").acquire(Wait::None).await.unwrap().unwrap();
    // A lease that is not renewed once all are held, and far shorter than the wait.
    let brief = LockOptions { lease: Some(3 * SECOND), renew: false, retry: 2 * SECOND, ..LockOptions::default() };
    let lock = locks.open_many(ABC, brief).unwrap();
    let waiter = tokio::spawn(async move { lock.acquire(Wait::Forever).await.unwrap().unwrap() });
    tokio::time::sleep(60 * SECOND).await;
    assert!(any_locked(&locks, &["a"]).await && !any_locked(&locks, &["c"]).await);
    assert!(single(&locks, "a").acquire(Wait::None).await.unwrap().is_none());
    guard.release().await.unwrap();
    let guard = waiter.await.unwrap();
    assert!(guard.remaining().await.unwrap().unwrap() > 2 * SECOND, "the lease begins when it has all");
    tokio::time::sleep(4 * SECOND).await;
    assert!(!guard.held().await.unwrap());
    assert_eq!(guard.lost().await, LossReason::Expired);
}

#[tokio::test(start_paused = true)]
async fn names_in_any_order_take_turns_without_deadlock() {
    let (_, locks) = setup();
    let inside = std::sync::atomic::AtomicUsize::new(0);
    let orders: [&[&str]; 5] = [&["a", "b", "c"], &["c", "b"], &["b", "a"], &["c", "a", "b"], &["b"]];
    let turns = join_all((0..20).map(|n| {
        let (locks, inside) = (&locks, &inside);
        let fair = LockOptions { fair: n % 2 == 0, ..options() };
        let lock = locks.open_many(orders[n % orders.len()], fair).unwrap();
        async move {
            for _ in 0..5 {
                // All have the name b in common.
                let guard = lock.acquire(Wait::Forever).await.unwrap().unwrap();
                assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                tokio::time::sleep(Duration::from_millis(n as u64 % 7)).await;
                inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                if n % 3 == 0 {
                    guard.release().await.unwrap();
                }
            }
        }
    }));
    tokio::time::timeout(600 * SECOND, turns).await.unwrap();
    locks.settled().await;
    assert!(!any_locked(&locks, &ABC).await);
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_one_is_the_loss_of_all() {
    let (store, locks) = setup();
    let guard = many(&locks, &ABC).acquire(Wait::None).await.unwrap().unwrap();
    store.inner.forget(&LockKeys::new(&Prefix::default(), "b").unwrap());
    assert_eq!(guard.lost().await, LossReason::Gone, "a renewal finds out");
    tokio::time::sleep(Duration::from_millis(1)).await;
    locks.settled().await;
    assert!(!any_locked(&locks, &ABC).await, "the others are let go of");
    assert!(!guard.held().await.unwrap());
    assert!(matches!(guard.release().await, Err(Error::NotHeld(_))));
}

#[tokio::test(start_paused = true)]
async fn one_that_was_lost_while_waiting_is_taken_again() {
    let (store, locks) = setup();
    let last = single(&locks, "c").acquire(Wait::None).await.unwrap().unwrap();
    let lock = many(&locks, &ABC);
    let waiter = tokio::spawn(async move { lock.acquire(Wait::Forever).await.unwrap().unwrap() });
    tokio::time::sleep(SECOND).await;
    // The store forgets the lock that it has already, and somebody takes it.
    let taken = LockKeys::new(&Prefix::default(), "a").unwrap();
    store.inner.forget(&taken);
    let thief = Token::random().unwrap();
    let ticket = Ticket { token: thief.clone(), lease: None, kept: Span::new("kept", SECOND).unwrap() };
    assert!(matches!(store.inner.attempt(&taken, &ticket, Queueing::NONE).await.unwrap(), Attempt::Acquired { .. }));
    last.release().await.unwrap();
    tokio::time::sleep(SECOND).await;
    assert!(!waiter.is_finished());
    store.inner.release(&taken, Release::of(&thief)).await.unwrap();
    let guard = waiter.await.unwrap();
    assert!(guard.held().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn one_that_was_broken_while_waiting_is_taken_again() {
    let (store, locks) = setup();
    let last = single(&locks, "c").acquire(Wait::None).await.unwrap().unwrap();
    let lock = many(&locks, &ABC);
    let waiter = tokio::spawn(async move { lock.acquire(Wait::Forever).await });
    tokio::time::sleep(SECOND).await;
    let taken = LockKeys::new(&Prefix::default(), "a").unwrap();
    let seen = store.inner.sight(&taken).await.unwrap().unwrap();
    let broken = store.inner.break_lock(&taken, &seen.holders[0].fingerprint).await.unwrap();
    assert!(matches!(broken, Broken::Yes { .. }));
    last.release().await.unwrap();
    let guard = waiter.await.unwrap().unwrap().unwrap();
    assert!(guard.held().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_acquire_of_many_leaves_none() {
    for polls in 0..30 {
        let store = Arc::new(Faulty { slow: true, ..Faulty::default() });
        let locks = Locks::new(store);
        let guard = (polls % 2 == 0).then_some(single(&locks, "b").acquire(Wait::None).await.unwrap().unwrap());
        let lock = many(&locks, &ABC);
        let mut waiter = Box::pin(lock.acquire(Wait::Forever));
        for poll in 0..polls {
            if poll == 20 {
                drop(guard.as_ref().map(|guard| guard.release().now_or_never()));
            }
            if (&mut waiter).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(waiter);
        drop(guard);
        locks.settled().await;
        assert!(!any_locked(&locks, &ABC).await, "cancelled after {polls} polls");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_many_is_settled_or_asked_for_again() {
    let (store, locks) = setup();
    store.fail(Op::AttemptAll, Fault::ReplyLost, 1);
    assert!(matches!(many(&locks, &ABC).acquire(Wait::None).await, Err(Error::Unavailable(_))));
    locks.settled().await;
    assert!(!any_locked(&locks, &ABC).await);
    store.fail(Op::AttemptAll, Fault::ReplyLost, 4);
    let guard = many(&locks, &ABC).acquire(Wait::UpTo(10 * SECOND)).await.unwrap().unwrap();
    assert!(guard.held().await.unwrap());
    guard.release().await.unwrap();
    locks.settled().await;
    assert!(!any_locked(&locks, &ABC).await);
    store.fail(Op::AttemptAll, Fault::Refused, usize::MAX);
    assert!(many(&locks, &ABC).acquire(Wait::Forever).await.is_err(), "a final error ends it at once");
    assert!(!any_locked(&locks, &ABC).await);
}

#[tokio::test(start_paused = true)]
async fn what_many_names_cannot_be_is_said() {
    let (_, locks) = setup();
    let refused = |names: &[&str], options| locks.open_many(names, options).unwrap_err();
    assert_eq!(refused(&[], options()), Invalid::NoNames.into());
    assert!(matches!(refused(&["a", ""], options()), Error::Invalid(Invalid::Empty { .. })));
    assert!(matches!(refused(&["a"], LockOptions { kind: Kind::Quorum, ..options() }), Error::Invalid(_)));
    let names: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    assert!(matches!(locks.open_many(&names, options()), Err(Error::Limit(Limit::Count { max: 100, .. }))));
    let most = locks.open_many(names[..100].iter().cycle().take(250), options()).unwrap();
    assert_eq!(most.names().count(), 100, "each counts once, however often it is given");
    assert!(most.acquire(Wait::None).await.unwrap().is_some());
    let apart = Locks::new(Arc::new(Faulty { apart: true, ..Faulty::default() }));
    let error = apart.open_many(["a", "b"], options()).unwrap_err();
    assert!(matches!(&error, Error::Invalid(Invalid::Apart { .. })) && error.to_string().contains("{hash tag}"), "{error}");
    assert!(apart.open_many(["a"], options()).is_ok());
}
