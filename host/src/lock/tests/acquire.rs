use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;
use crate::clock::Wait;

#[tokio::test(start_paused = true)]
async fn one_holds_it_at_a_time_and_fences_rise() {
    let (_, locks) = setup();
    let lock = lock(&locks);
    let first = lock.acquire(Wait::None).await.unwrap().unwrap();
    assert!(lock.is_locked().await.unwrap());
    assert!(lock.acquire(Wait::None).await.unwrap().is_none());
    let other = locks.with_prefix(crate::names::Prefix::new("p:").unwrap());
    assert!(super::lock(&other).acquire(Wait::None).await.unwrap().is_some(), "another prefix is another lock");
    first.release().await.unwrap();
    assert!(!lock.is_locked().await.unwrap());
    let second = lock.acquire(Wait::None).await.unwrap().unwrap();
    assert!(second.fence() > first.fence());
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_its_time_is_up() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    let _guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let began = Instant::now();
    assert!(lock.acquire(Wait::UpTo(5 * SECOND)).await.unwrap().is_none());
    assert!((5 * SECOND..5 * SECOND + Duration::from_millis(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    // The holder's; once subscribed, one that takes a place; and one for each pause of at most 2 s, of which half may be cut off.
    assert!((2..=2 + 5).contains(&store.calls(Op::Attempt)), "{} attempts", store.calls(Op::Attempt));
}

#[tokio::test(start_paused = true)]
async fn a_release_wakes_the_waiter_at_once() {
    let (_, locks) = setup();
    let lock = lock(&locks);
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let waiter = tokio::spawn({
        let lock = lock.clone();
        async move { lock.acquire(Wait::Forever).await.unwrap().map(|guard| (guard.fence(), Instant::now())) }
    });
    tokio::time::sleep(SECOND).await;
    let released = Instant::now();
    guard.release().await.unwrap();
    let (fence, acquired) = waiter.await.unwrap().unwrap();
    assert!(fence > guard.fence());
    assert_eq!(acquired, released, "no timer had to end");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_dead_holders_lease_wakes_the_waiter() {
    let (_, locks) = setup();
    let began = Instant::now();
    std::mem::forget(passing(&locks).acquire(Wait::None).await.unwrap());
    let guard = lock(&locks).acquire(Wait::Forever).await.unwrap().unwrap();
    assert!((3 * SECOND..3 * SECOND + Duration::from_millis(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    guard.release().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_subscription_the_lock_is_polled() {
    let (store, locks) = setup();
    store.fail(Op::Watch, Fault::RequestLost, usize::MAX);
    let lock = passing(&locks);
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let mut waiter = Box::pin(lock.acquire(Wait::Forever));
    assert!((&mut waiter).now_or_never().is_none());
    guard.release().await.unwrap();
    let began = Instant::now();
    let _guard = waiter.await.unwrap().unwrap();
    assert!(began.elapsed() <= 2 * SECOND);
    store.fail(Op::Watch, Fault::Hangs, 1);
    let began = Instant::now();
    assert!(lock.acquire(Wait::UpTo(SECOND)).await.unwrap().is_none());
    assert!(began.elapsed() < SECOND + Duration::from_millis(5), "a subscription that hangs does not outlast the wait");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiters_take_turns_with_few_attempts() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let waiters = (0..1_000).map(|_| {
        let lock = lock.clone();
        tokio::spawn(async move {
            let guard = lock.acquire(Wait::Forever).await.unwrap().unwrap();
            guard.release().await.unwrap();
        })
    });
    let waiters: Vec<_> = waiters.collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    guard.release().await.unwrap();
    let began = Instant::now();
    for waiter in waiters {
        waiter.await.unwrap();
    }
    assert!(began.elapsed() < SECOND, "nobody had to wait for a timer: {:?}", began.elapsed());
    let attempts = store.calls(Op::Attempt);
    assert!(attempts <= 10, "{attempts} attempts, though the lock went from hand to hand");
    // The line is served for a moment longer, should somebody come back.
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(locks.shared.lines.len(), 0, "a line without waiters is still there");
}

#[tokio::test(start_paused = true)]
async fn many_waiters_try_in_vain_no_more_often_than_one() {
    let (store, locks) = setup();
    let lock = locks.open("lock", LockOptions::default()).unwrap();
    let _guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let waiters = join_all((0..500).map(|_| lock.acquire(Wait::UpTo(20 * SECOND))));
    assert!(waiters.await.iter().all(|answer| matches!(answer, Ok(None))));
    let attempts = store.calls(Op::Attempt);
    // The holder's, one that takes a place, and one for each pause of at most 200 ms, of which half may be cut off.
    assert!(attempts <= 2 + 20_000 / 100, "{attempts} attempts");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_not_polled_does_not_block_the_others() {
    let (_, locks) = setup();
    let lock = lock(&locks);
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let mut next = Box::pin(lock.acquire(Wait::Forever));
    assert!((&mut next).now_or_never().is_none(), "it is next from here on, and is not polled again");
    let mut behind = Box::pin(lock.acquire(Wait::UpTo(45 * SECOND)));
    assert!((&mut behind).now_or_never().is_none());
    guard.release().await.unwrap();
    assert!(behind.await.unwrap().is_some(), "its pause of at most 20 s, twice as long for two, ended");
    assert!(next.await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_settled_in_the_background() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    store.fail(Op::Attempt, Fault::ReplyLost, 1);
    assert!(matches!(lock.acquire(Wait::None).await, Err(Error::Unavailable(_))));
    assert!(lock.is_locked().await.unwrap(), "the request was done");
    locks.settled().await;
    assert!(!lock.is_locked().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_asked_for_again_while_there_is_time() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    store.fail(Op::Attempt, Fault::ReplyLost, 3);
    let guard = lock.acquire(Wait::UpTo(10 * SECOND)).await.unwrap().unwrap();
    assert!(guard.held().await.unwrap());
    guard.release().await.unwrap();
    locks.settled().await;
    assert_eq!(store.calls(Op::Release), 1, "nothing was left to settle");
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_with_the_wait_and_leaves_nothing_behind() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    store.fail(Op::Attempt, Fault::RequestLost, usize::MAX);
    let began = Instant::now();
    assert!(matches!(lock.acquire(Wait::UpTo(5 * SECOND)).await, Err(Error::Unavailable(_))));
    assert!((5 * SECOND..5 * SECOND + Duration::from_millis(5)).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert!((5..=12).contains(&store.calls(Op::Attempt)), "{} attempts", store.calls(Op::Attempt));
    locks.settled().await;
    assert_eq!(store.calls(Op::Release), 2, "one that may overtake a straggler, and one that cannot");
}

#[tokio::test(start_paused = true)]
async fn a_final_error_ends_it_at_once() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    store.fail(Op::Attempt, Fault::Refused, usize::MAX);
    let began = Instant::now();
    assert!(matches!(lock.acquire(Wait::Forever).await, Err(Error::Unavailable(_))));
    locks.settled().await;
    assert_eq!((store.calls(Op::Attempt), store.calls(Op::Release)), (1, 0), "nothing was taken, so nothing is settled");
    store.fail(Op::Attempt, Fault::ReplyLost, 1);
    store.fail(Op::Release, Fault::Refused, usize::MAX);
    assert!(lock.acquire(Wait::None).await.is_err());
    locks.settled().await;
    assert_eq!(store.calls(Op::Release), 1);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_does_not_keep_a_straggler() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    store.fail(Op::Attempt, Fault::ReplyLost, 1);
    store.fail(Op::Release, Fault::Full, 1);
    assert!(lock.acquire(Wait::None).await.is_err());
    locks.settled().await;
    assert!(!lock.is_locked().await.unwrap());
    assert_eq!(store.calls(Op::Release), 2);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_ended_on_the_way_is_not_returned() {
    let (store, locks) = setup();
    let lock = passing(&locks);
    store.fail(Op::Attempt, Fault::Late(4 * SECOND), 1);
    assert!(lock.acquire(Wait::None).await.unwrap().is_none());
    store.fail(Op::Attempt, Fault::Late(4 * SECOND), 1);
    let guard = lock.acquire(Wait::UpTo(9 * SECOND)).await.unwrap().unwrap();
    assert!(guard.held().await.unwrap());
    locks.settled().await;
}

#[tokio::test(start_paused = true)]
async fn mutual_exclusion_holds_among_many() {
    let (_, locks) = setup();
    let inside = std::sync::atomic::AtomicUsize::new(0);
    let turns = join_all((0..50).map(|n| {
        let (lock, inside) = (lock(&locks), &inside);
        async move {
            for _ in 0..5 {
                let guard = lock.acquire(Wait::Forever).await.unwrap().unwrap();
                assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                tokio::time::sleep(Duration::from_millis(n % 7)).await;
                inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                if n % 2 == 0 {
                    guard.release().await.unwrap();
                }
            }
        }
    }));
    tokio::time::timeout(600 * SECOND, turns).await.unwrap();
}

#[test]
fn outside_a_runtime_it_says_so() {
    let (_, locks) = setup();
    let answer = lock(&locks).acquire(Wait::None).now_or_never().unwrap();
    assert!(matches!(&answer, Err(Error::Unavailable(_))), "{answer:?}");
    assert!(answer.unwrap_err().to_string().contains("tokio runtime"));
}
