//! What callers get wrong, through the locks of every store: each is told, and nothing that others hold is touched.

use bellwether::clock::Wait;
use bellwether::error::LossReason;
use bellwether::lock::{Guard, Kind, Lock, LockOptions, Locks};

use super::*;

/// A lease that ends while the test looks on, and not before a busy machine has told of it: then nobody would have the lock.
const BRIEF: Duration = Duration::from_millis(500);

fn brief() -> LockOptions {
    LockOptions { lease: Some(BRIEF), renew: false, retry: BRIEF / 2, ..LockOptions::default() }
}

fn open(store: Shared, name: &str) -> (Locks, Lock) {
    let locks = Locks::new(store);
    let lock = locks.open(name, LockOptions::default()).unwrap();
    (locks, lock)
}

async fn take(lock: &Lock) -> Guard {
    lock.acquire(Wait::None).await.unwrap().unwrap()
}

/// A guard whose lease has ended.
async fn expired(locks: &Locks, name: &str) -> Guard {
    let guard = take(&locks.open(name, brief()).unwrap()).await;
    assert_eq!(guard.lost().await, LossReason::Expired);
    guard
}

fn is_lost<T: std::fmt::Debug>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::NotHeld(_))) || panic!("{outcome:?}")
}

pub(crate) async fn a_token_that_was_never_issued_opens_nothing(store: Shared, name: &str) {
    let (_locks, lock) = open(Arc::clone(&store), name);
    let stranger = token();
    assert!(is_lost(&lock.adopt(stranger.as_str()).await), "nobody holds it");
    let guard = take(&lock).await;
    assert!(is_lost(&lock.adopt(stranger.as_str()).await), "somebody else does");
    for malformed in ["", "short", "with a blank in it", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", &"n".repeat(257)] {
        assert!(matches!(lock.adopt(malformed).await, Err(Error::Invalid(Invalid::Token))), "{malformed:?}");
    }
    let keys = super::lock(name);
    let renewal = Renewal { lock: keys.clone(), token: stranger.clone(), lease: Some(ms(LONG)) };
    assert_eq!(store.renew(&[renewal]).await.pop().unwrap().unwrap(), Holding::No);
    assert_eq!(store.extend(&keys, &stranger, ms(LONG)).await.unwrap(), Holding::No);
    assert_eq!(store.release(&keys, Release::of(&stranger)).await.unwrap(), Released::NotHeld);
    assert!(guard.held().await.unwrap(), "the holder is left alone");
}

pub(crate) async fn a_lock_that_expired_is_not_adopted(store: Shared, name: &str) {
    let locks = Locks::new(store);
    let lock = locks.open(name, brief()).unwrap();
    let token = take(&lock).await.hand_over().await.unwrap();
    let end = Instant::now() + Duration::from_secs(10);
    while lock.is_locked().await.unwrap() {
        assert!(Instant::now() < end, "a lease of {BRIEF:?} still runs");
        sleep(Duration::from_millis(5)).await;
    }
    assert!(is_lost(&lock.adopt(&token).await));
    let next = take(&locks.open(name, LockOptions::default()).unwrap()).await;
    assert!(is_lost(&lock.adopt(&token).await));
    assert!(next.held().await.unwrap(), "the next holder is left alone");
}

pub(crate) async fn a_second_release_says_that_there_is_nothing_to_release(store: Shared, name: &str) {
    let (locks, lock) = open(store, name);
    let guard = take(&lock).await;
    guard.release().await.unwrap();
    let next = take(&lock).await;
    assert!(is_lost(&guard.release().await));
    assert!(next.held().await.unwrap(), "the next holder is left alone");

    let reader = locks.open_rw(name, LockOptions::default()).unwrap().read(Wait::None).await.unwrap().unwrap();
    let permit = locks.open_semaphore(name, 1, LockOptions::default()).unwrap().acquire(Wait::None).await.unwrap().unwrap();
    for guard in [reader, permit] {
        guard.release().await.unwrap();
        assert!(is_lost(&guard.release().await));
    }
    let names = ["1", "2"].map(|number| format!("{{{name}}}{number}"));
    let both = locks.open_many(&names, LockOptions::default()).unwrap().acquire(Wait::None).await.unwrap().unwrap();
    both.release().await.unwrap();
    assert!(is_lost(&both.release().await));
}

pub(crate) async fn a_lock_that_was_lost_gets_no_more_time(store: Shared, name: &str) {
    let locks = Locks::new(store);
    let lost = expired(&locks, name).await;
    // A guard knows of the end a moment before the store, which counts from when it was asked.
    let next = locks.open(name, LockOptions::default()).unwrap().acquire(Wait::UpTo(Duration::from_secs(10))).await;
    let next = next.unwrap().unwrap();
    let reader = locks.open_rw(name, brief()).unwrap().read(Wait::None).await.unwrap().unwrap();
    let permit = locks.open_semaphore(name, 1, brief()).unwrap().acquire(Wait::None).await.unwrap().unwrap();
    for guard in [lost, reader, permit] {
        assert_eq!(guard.lost().await, LossReason::Expired);
        assert!(is_lost(&guard.extend(Duration::from_secs(1)).await) && is_lost(&guard.renew().await));
        assert!(is_lost(&guard.remaining().await) && is_lost(&guard.hand_over().await.or_else(not_handed)));
        assert!(!guard.held().await.unwrap() && is_lost(&guard.release().await));
    }
    let names = ["1", "2"].map(|number| format!("{{{name}}}{number}"));
    let both = locks.open_many(&names, brief()).unwrap().acquire(Wait::None).await.unwrap().unwrap();
    assert_eq!(both.lost().await, LossReason::Expired);
    assert!(
        is_lost(&both.extend(Duration::from_secs(1)).await) && is_lost(&both.renew().await) && is_lost(&both.release().await)
    );
    assert!(next.held().await.unwrap(), "the next holder is left alone");
}

/// What many can hold is never handed over, lost or not.
fn not_handed(error: Error) -> Result<String, Error> {
    let lost = bellwether::error::NotHeld { lock: String::new(), why: LossReason::Expired };
    Err(if matches!(error, Error::Invalid(_)) { lost.into() } else { error })
}

pub(crate) async fn what_a_kind_cannot_be_is_said(store: Shared, name: &str) {
    assert!(store.check().await.is_ok(), "it is not for want of a store");
    let locks = Locks::new(store);
    let quorum = LockOptions { kind: Kind::Quorum, ..LockOptions::default() };
    let said = |error: Error| {
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
        error.to_string()
    };
    let none = said(locks.open_semaphore(name, 0, LockOptions::default()).unwrap_err());
    assert!(none.contains("a semaphore of 0 permits"), "{none}");
    for refused in [
        said(locks.open_rw(name, quorum).unwrap_err()),
        said(locks.open_semaphore(name, 1, quorum).unwrap_err()),
        said(locks.open_many([name], quorum).unwrap_err()),
    ] {
        assert!(refused.contains("of kind quorum is not available") && refused.ends_with("use kind simple"), "{refused}");
    }
    let nothing = said(locks.open_many([""; 0], LockOptions::default()).unwrap_err());
    assert!(nothing.contains("there are no names"), "{nothing}");
}
