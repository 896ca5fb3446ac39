use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::*;
use crate::clock::Wait;
use crate::error::{Invalid, LossReason, NotHeld};
use crate::lock::Guard;

async fn hold(lock: &Lock) -> Guard {
    lock.acquire(Wait::None).await.unwrap().unwrap()
}

fn not_held(why: LossReason) -> Result<(), Error> {
    Err(NotHeld { lock: "lock".into(), why }.into())
}

#[tokio::test(start_paused = true)]
async fn what_was_released_is_not_held() {
    let (_, locks) = setup();
    let lock = lock(&locks);
    let guard = hold(&lock).await;
    assert!(guard.held().await.unwrap() && guard.lost().now_or_never().is_none());
    guard.release().await.unwrap();
    assert_eq!(guard.lost().await, LossReason::Released);
    assert!(!guard.held().await.unwrap());
    assert_eq!(guard.release().await, not_held(LossReason::Released));
    assert_eq!(guard.renew().await, not_held(LossReason::Released));
    assert_eq!(guard.extend(SECOND).await, not_held(LossReason::Released));
    assert_eq!(guard.remaining().await.map(|_| ()), not_held(LossReason::Released));
    assert_eq!(guard.hand_over().await.map(|_| ()), not_held(LossReason::Released));
}

#[tokio::test(start_paused = true)]
async fn dropping_releases_in_the_background() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    drop(hold(&lock).await);
    locks.settled().await;
    assert!(!lock.is_locked().await.unwrap());
    let guard = hold(&lock).await;
    guard.release().await.unwrap();
    drop(guard);
    locks.settled().await;
    assert_eq!(store.calls(Op::Release), 2, "once each");
}

#[tokio::test(start_paused = true)]
async fn time_can_be_added_and_reset() {
    let (_, locks) = setup();
    let guard = hold(&passing(&locks)).await;
    assert_eq!(guard.remaining().await.unwrap(), Some(3 * SECOND));
    guard.extend(4 * SECOND).await.unwrap();
    assert_eq!(guard.remaining().await.unwrap(), Some(7 * SECOND));
    tokio::time::advance(5 * SECOND).await;
    assert!(guard.lost().now_or_never().is_none(), "the local view moved too");
    guard.renew().await.unwrap();
    assert_eq!(guard.remaining().await.unwrap(), Some(3 * SECOND));
    let began = Instant::now();
    assert_eq!(guard.lost().await, LossReason::Expired);
    assert!(began.elapsed() >= 3 * SECOND && began.elapsed() < 3 * SECOND + Duration::from_millis(5));
    assert_eq!(guard.extend(SECOND).await, not_held(LossReason::Expired));
    assert!(matches!(guard.extend(Duration::ZERO).await, Err(Error::Invalid(Invalid::TooShort { .. }))));
}

#[tokio::test(start_paused = true)]
async fn a_waiting_lost_sees_a_lease_that_was_extended_or_cut() {
    let (_, locks) = setup();
    let guard = Arc::new(hold(&passing(&locks)).await);
    let began = Instant::now();
    let lost = tokio::spawn({
        let guard = Arc::clone(&guard);
        async move { (guard.lost().await, began.elapsed()) }
    });
    tokio::time::sleep(SECOND).await;
    guard.extend(100 * SECOND).await.unwrap();
    tokio::time::sleep(9 * SECOND).await;
    guard.renew().await.unwrap();
    let (why, when) = lost.await.unwrap();
    assert_eq!(why, LossReason::Expired);
    assert!((13 * SECOND..14 * SECOND).contains(&when), "{when:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lock_without_a_lease_needs_no_time() {
    let (_, locks) = setup();
    let lock = locks.open("lock", LockOptions { lease: None, renew: false, ..LockOptions::default() }).unwrap();
    let guard = hold(&lock).await;
    guard.extend(SECOND).await.unwrap();
    guard.renew().await.unwrap();
    assert_eq!(guard.remaining().await.unwrap(), None);
    tokio::time::advance(1_000_000 * SECOND).await;
    assert!(guard.held().await.unwrap() && guard.lost().now_or_never().is_none());
    guard.release().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_the_store_has_no_more_is_gone() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    let guard = hold(&lock).await;
    store.inner.release(&guard.held.lock, Release::of(&Token::parse("somebody-else").unwrap())).await.unwrap();
    assert!(guard.held().await.unwrap(), "nobody else can release it");
    let token = guard.held.token.clone();
    store.inner.release(&guard.held.lock, Release::of(&token)).await.unwrap();
    let thief = hold(&lock).await;
    assert!(!guard.held().await.unwrap());
    assert_eq!(guard.lost().await, LossReason::Gone);
    assert_eq!(guard.release().await, not_held(LossReason::Gone));
    drop(guard);
    locks.settled().await;
    assert!(thief.held().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_release_finds_out_what_was_lost() {
    let (store, locks) = setup();
    let guard = hold(&passing(&locks)).await;
    tokio::time::advance(4 * SECOND).await;
    assert_eq!(guard.release().await, not_held(LossReason::Expired), "nobody had looked at the clock before");
    assert_eq!(guard.lost().await, LossReason::Expired);
    drop(guard);
    locks.settled().await;
    assert_eq!(store.calls(Op::Release), 1);
}

#[tokio::test(start_paused = true)]
async fn the_lost_reply_of_a_release_is_settled() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    let guard = hold(&lock).await;
    store.fail(Op::Release, Fault::ReplyLost, 3);
    assert!(matches!(guard.release().await, Err(Error::Unavailable(_))));
    let next = hold(&lock).await;
    locks.settled().await;
    assert_eq!(store.calls(Op::Release), 4, "until it was told that it had released the lock before");
    assert!(next.held().await.unwrap());
    // The store may be told so at once: it repeats what was lost.
    let token = next.held.token.clone();
    store.inner.release(&next.held.lock, Release::of(&token)).await.unwrap();
    next.release().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_release_is_tried_no_longer_than_the_lease() {
    let (store, locks) = setup();
    let guard = hold(&passing(&locks)).await;
    store.fail(Op::Release, Fault::RequestLost, usize::MAX);
    drop(guard);
    let began = Instant::now();
    locks.settled().await;
    assert!(began.elapsed() > SECOND && began.elapsed() <= 3 * SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_handed_over_lock_has_a_new_owner() {
    let (_, locks) = setup();
    let lock = lock(&locks);
    let giver = hold(&lock).await;
    let token = giver.hand_over().await.unwrap();
    assert_eq!(giver.lost().await, LossReason::HandedOver);
    assert_eq!(giver.release().await, not_held(LossReason::HandedOver));
    drop(giver);
    locks.settled().await;
    tokio::time::advance(12 * SECOND).await;
    let taker = lock.adopt(&token).await.unwrap();
    assert_eq!(taker.remaining().await.unwrap(), Some(18 * SECOND), "it was not renewed, and the lease goes on as it is");
    tokio::time::sleep(100 * SECOND).await;
    assert!(taker.held().await.unwrap(), "it is renewed from here on");
    taker.release().await.unwrap();
    assert_eq!(lock.adopt(&token).await.map(|_| ()), not_held(LossReason::Gone));
    assert!(matches!(lock.adopt("no\ntoken").await, Err(Error::Invalid(Invalid::Token))));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_adopted_once() {
    let (store, locks) = setup();
    let lock = lock(&locks);
    let token = hold(&lock).await.hand_over().await.unwrap();
    let (first, second) = (lock.adopt(&token).await.unwrap(), lock.adopt(&token).await);
    assert_eq!(second.map(|_| ()), not_held(LossReason::Gone));
    assert!(first.held().await.unwrap());
    // One whose reply is lost is settled, and nobody is left with the lock.
    let token = first.hand_over().await.unwrap();
    store.fail(Op::Adopt, Fault::ReplyLost, 1);
    assert!(matches!(lock.adopt(&token).await, Err(Error::Unavailable(_))));
    locks.settled().await;
    assert!(!lock.is_locked().await.unwrap());
    // One that did not get there leaves the lock with the token.
    let token = hold(&lock).await.hand_over().await.unwrap();
    store.fail(Op::Adopt, Fault::RequestLost, 1);
    assert!(matches!(lock.adopt(&token).await, Err(Error::Unavailable(_))));
    locks.settled().await;
    assert!(lock.adopt(&token).await.unwrap().held().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_adoption_has_a_larger_fence() {
    let (_, locks) = setup();
    let lock = lock(&locks);
    let giver = hold(&lock).await;
    let taker = lock.adopt(&giver.hand_over().await.unwrap()).await.unwrap();
    assert!(taker.fence() > giver.fence());
    let options = LockOptions { lease: None, renew: false, ..LockOptions::default() };
    let lease_less = locks.open("lock", options).unwrap().adopt(&taker.hand_over().await.unwrap()).await.unwrap();
    assert_eq!(lease_less.renew().await, Err(Invalid::RenewWithoutLease.into()), "it does not know how long");
    lease_less.extend(30 * SECOND).await.unwrap();
    assert_eq!(lease_less.remaining().await.unwrap(), Some(60 * SECOND));
}
