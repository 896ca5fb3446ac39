use futures_util::FutureExt;
use tokio::time::Instant;

use super::*;
use crate::clock::Wait;
use crate::error::LossReason;
use crate::lock::Guard;

async fn hold(locks: &Locks, name: &str) -> Guard {
    locks.open(name, LockOptions::default()).unwrap().acquire(Wait::None).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_guard_keeps_its_lock_for_as_long_as_it_lives() {
    let (store, locks) = setup();
    let guard = hold(&locks, "lock").await;
    tokio::time::sleep(300 * SECOND).await;
    assert!(guard.held().await.unwrap());
    assert!((28..=31).contains(&store.calls(Op::Renew)), "at a third of the lease: {} times", store.calls(Op::Renew));
    drop(guard);
    locks.settled().await;
    let renewals = store.calls(Op::Renew);
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(store.calls(Op::Renew), renewals);
    assert_eq!(Arc::strong_count(&store), 3, "the task has ended, and only the locks are left");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_guards_are_renewed_in_few_requests() {
    let (store, locks) = setup();
    let mut guards = Vec::new();
    for n in 0..10_000 {
        guards.push(hold(&locks, &format!("{n}")).await);
        if n % 100 == 0 {
            tokio::time::advance(std::time::Duration::from_millis(1)).await;
        }
    }
    tokio::time::sleep(100 * SECOND).await;
    assert!(store.calls(Op::Renew) <= 30, "{} requests", store.calls(Op::Renew));
    for guard in &guards {
        assert!(guard.held().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_told_at_once() {
    let (store, locks) = setup();
    let guard = hold(&locks, "lock").await;
    store.inner.release(&guard.held.lock, Release::of(&guard.held.token)).await.unwrap();
    let began = Instant::now();
    assert_eq!(guard.lost().await, LossReason::Gone);
    assert!(began.elapsed() < 11 * SECOND, "at the next renewal, not at the lease's end: {:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_survived_within_the_lease_and_not_beyond() {
    let (store, locks) = setup();
    let guard = hold(&locks, "lock").await;
    store.fail(Op::Renew, Fault::RequestLost, 15);
    tokio::time::sleep(60 * SECOND).await;
    assert!(guard.held().await.unwrap());
    store.fail(Op::Renew, Fault::RequestLost, usize::MAX);
    let began = Instant::now();
    assert_eq!(guard.lost().await, LossReason::Expired);
    assert!((20 * SECOND..=31 * SECOND).contains(&began.elapsed()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_loss_is_known_though_nobody_waits_for_it() {
    let (store, locks) = setup();
    let guard = hold(&locks, "lock").await;
    store.fail(Op::Renew, Fault::ReplyLost, usize::MAX);
    tokio::time::sleep(200 * SECOND).await;
    assert_eq!(guard.lost().now_or_never(), Some(LossReason::Expired));
    assert!(!guard.held().await.unwrap(), "what was given up stays given up");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_hangs_delays_nobody_else() {
    let (store, locks) = setup();
    let first = hold(&locks, "first").await;
    tokio::time::sleep(SECOND).await;
    let second = hold(&locks, "second").await;
    store.fail(Op::Renew, Fault::Hangs, 1);
    assert_eq!(first.lost().await, LossReason::Expired, "in time, though its renewal never ends");
    tokio::time::sleep(60 * SECOND).await;
    assert!(second.held().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_short_lease_is_renewed_in_time() {
    let (store, locks) = setup();
    let ms = std::time::Duration::from_millis;
    let options = LockOptions { lease: Some(ms(30)), retry: ms(10), ..LockOptions::default() };
    let long = hold(&locks, "long").await;
    let short = locks.open("short", options).unwrap().acquire(Wait::None).await.unwrap().unwrap();
    tokio::time::sleep(SECOND).await;
    assert!(short.held().await.unwrap() && long.held().await.unwrap(), "though the watchdog slept for the long one");
    assert!((80..=110).contains(&store.calls(Op::Renew)), "{} requests", store.calls(Op::Renew));
}

#[tokio::test(start_paused = true)]
async fn an_extension_is_not_cut_short() {
    let (store, locks) = setup();
    let guard = hold(&locks, "lock").await;
    guard.extend(60 * SECOND).await.unwrap();
    tokio::time::sleep(65 * SECOND).await;
    assert_eq!(store.calls(Op::Renew), 0);
    assert_eq!(guard.remaining().await.unwrap(), Some(25 * SECOND));
    tokio::time::sleep(65 * SECOND).await;
    assert!(guard.held().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_whose_answer_is_lost_counts_for_an_extension_before_it() {
    let (store, locks) = setup();
    let guard = hold(&locks, "lock").await;
    tokio::time::sleep(99 * SECOND / 10).await;
    // The store adds a minute, and then resets the lease; the first is answered, later.
    store.fail(Op::Extend, Fault::Late(SECOND / 2), 1);
    store.fail(Op::Renew, Fault::ReplyLost, 1);
    guard.extend(60 * SECOND).await.unwrap();
    assert_eq!(store.calls(Op::Renew), 1);
    tokio::time::sleep(60 * SECOND).await;
    assert!(guard.held().await.unwrap(), "it is renewed before the store lets go of it");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

async fn lasts(guard: &Guard) {
    tokio::time::sleep(100 * SECOND).await;
    assert!(guard.held().await.unwrap());
}

#[test]
fn guards_of_a_runtime_that_ended_do_not_stop_those_of_another() {
    let (_, locks) = setup();
    let (first, second) = (runtime(), runtime());
    let orphan = first.block_on(hold(&locks, "first"));
    let before = second.block_on(hold(&locks, "before"));
    drop(first);
    second.block_on(lasts(&before));
    let after = second.block_on(hold(&locks, "after"));
    second.block_on(lasts(&after));
    drop(second);
    drop(before);
    // None of the runtimes is left that they are renewed in.
    let third = runtime();
    let last = third.block_on(hold(&locks, "last"));
    third.block_on(lasts(&last));
    drop((orphan, after));
}

#[test]
fn a_renewal_that_ends_with_its_runtime_is_made_in_another() {
    let (store, locks) = setup();
    let (first, second) = (runtime(), runtime());
    let orphan = first.block_on(hold(&locks, "first"));
    let guard = second.block_on(hold(&locks, "second"));
    store.fail(Op::Renew, Fault::Hangs, 1);
    first.block_on(async {
        while store.calls(Op::Renew) == 0 {
            tokio::time::sleep(SECOND).await;
        }
    });
    drop(first);
    second.block_on(lasts(&guard));
    drop(orphan);
}
