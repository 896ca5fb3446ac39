use tokio::time::{Instant, sleep};

use super::*;
use crate::clock::Wait;
use crate::error::{Invalid, Outage};
use crate::lock::{Kind, Quorum};
use crate::store::Copies;
use crate::store::faulty::Fleet;
use crate::store::memory::MemoryStore;

const MS: Duration = Duration::from_millis(1);

pub(super) fn of_two(holding: usize) -> Copies {
    Copies::Counted { replicas: 2, holding, most: 2, fresh: true }
}

pub(super) fn setup(copies: Copies) -> (Arc<Faulty>, Lock) {
    let store = Arc::new(Faulty { fleet: Some(Fleet::new(copies)), ..Faulty::default() });
    let locks = Locks::new(Arc::clone(&store) as Arc<dyn Store>);
    let lock = locks.open("lock", LockOptions { kind: Kind::Quorum, renew: false, ..LockOptions::default() }).unwrap();
    (store, lock)
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_returned_once_the_quorum_is_there_and_its_lease_counts_from_the_beginning() {
    let (store, lock) = setup(of_two(1));
    let began = Instant::now();
    let (guard, ()) = tokio::join!(lock.acquire(Wait::UpTo(20 * SECOND)), async {
        sleep(10 * SECOND).await;
        store.fleet.as_ref().unwrap().say(of_two(2));
    });
    let guard = guard.unwrap().unwrap();
    assert!((10 * SECOND..10 * SECOND + 30 * MS).contains(&began.elapsed()), "{:?}", began.elapsed());
    assert_eq!(guard.lost().await, crate::error::LossReason::Expired);
    assert_eq!(began.elapsed(), 30 * SECOND);
    assert_eq!(store.fleet.as_ref().unwrap().surveys(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_quorum_the_lock_is_free_when_the_time_is_up() {
    for (wait, time) in [(Wait::None, SECOND), (Wait::UpTo(MS), 100 * MS), (Wait::UpTo(5 * SECOND), 5 * SECOND)] {
        let (_, lock) = setup(of_two(1));
        let began = Instant::now();
        assert!(lock.acquire(wait).await.unwrap().is_none());
        assert_eq!(began.elapsed(), time, "{wait:?}");
        assert!(!lock.is_locked().await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn it_tries_again_with_another_token_while_there_is_time() {
    let (store, lock) = setup(Copies::Moved);
    let (guard, ()) = tokio::join!(lock.acquire(Wait::Forever), async {
        sleep(SECOND).await;
        // The lease ends without a quorum, and the next attempt has a lease of its own.
        store.fleet.as_ref().unwrap().say(of_two(0));
        sleep(40 * SECOND).await;
        store.fleet.as_ref().unwrap().say(of_two(2));
    });
    assert!(store.calls(Op::Attempt) > 3 && store.calls(Op::Attempt) < 20, "{} attempts", store.calls(Op::Attempt));
    assert!(guard.unwrap().unwrap().held().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn what_can_never_be_is_told_at_once_and_leaves_nothing() {
    let (store, lock) = setup(Copies::Counted { replicas: 0, holding: 0, most: 0, fresh: true });
    let error = lock.acquire(Wait::Forever).await.unwrap_err();
    assert!(matches!(&error, Error::Invalid(Invalid::NoReplicas { store }) if store == "faulty:"), "{error}");
    assert!(!lock.is_locked().await.unwrap());
    let memory = Locks::new(Arc::new(MemoryStore::new()));
    let error = memory.open("lock", LockOptions { kind: Kind::Quorum, ..LockOptions::default() }).unwrap_err();
    assert!(matches!(&error, Error::Invalid(Invalid::NoReplicas { store }) if store == "memory:"), "{error}");
    assert_eq!(store.fleet.as_ref().unwrap().surveys(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_passed_the_lock_has_it_confirmed_too() {
    let (store, lock) = setup(of_two(2));
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let (next, ()) = tokio::join!(lock.acquire(Wait::Forever), async {
        sleep(SECOND).await;
        guard.release().await.unwrap();
    });
    assert_eq!(store.fleet.as_ref().unwrap().surveys(), 2);
    let token = next.unwrap().unwrap().hand_over().await.unwrap();
    let adopted = lock.adopt(&token).await.unwrap();
    assert_eq!(store.fleet.as_ref().unwrap().surveys(), 3);

    store.fleet.as_ref().unwrap().say(of_two(1));
    let token = adopted.hand_over().await.unwrap();
    let error = lock.adopt(&token).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(Unavailable { why: Outage::NoQuorum, .. })), "{error}");
    assert!(!lock.is_locked().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn time_counts_only_once_the_replicas_have_heard_of_it() {
    let (store, mut lock) = setup(of_two(2));
    lock.terms.renew = true;
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    sleep(45 * SECOND).await;
    assert!(guard.held().await.unwrap(), "it is renewed, and the replicas know");
    guard.extend(60 * SECOND).await.unwrap();
    assert!(guard.remaining().await.unwrap() > Some(60 * SECOND));
    guard.renew().await.unwrap();
    // A primary that is cut off from its replicas, and takes everything.
    let (cut, left) = (Instant::now(), guard.remaining().await.unwrap().unwrap());
    store.fleet.as_ref().unwrap().say(of_two(0));
    let refused = |answer| matches!(answer, Err(Error::Unavailable(Unavailable { why: Outage::NoQuorum, .. })));
    sleep(SECOND).await;
    assert!(refused(guard.extend(60 * SECOND).await) && refused(guard.renew().await));
    assert!(guard.remaining().await.unwrap() < Some(left), "what the primary alone knows is no time");
    assert_eq!(guard.lost().await, crate::error::LossReason::Expired);
    assert!((left..left + 5 * MS).contains(&cut.elapsed()), "{:?} of {left:?}", cut.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_another_kind_asks_no_replica() {
    let (store, _) = setup(of_two(0));
    let locks = Locks::new(Arc::clone(&store) as Arc<dyn Store>).with_quorum(Quorum::All);
    assert!(super::lock(&locks).acquire(Wait::None).await.unwrap().is_some());
    assert_eq!(store.fleet.as_ref().unwrap().surveys(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_acquire_cancelled_while_the_replicas_are_asked_leaves_the_lock_to_others() {
    for millis in [0, 1, 2, 3, 10, 150, 990, 1_000, 1_050] {
        let (_, lock) = setup(of_two(1));
        let cancelled = tokio::time::timeout(Duration::from_millis(millis), lock.acquire(Wait::Forever)).await;
        assert!(cancelled.is_err());
        lock.shared.background.settled().await;
        assert!(!lock.is_locked().await.unwrap(), "cancelled after {millis} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_server_said_that_is_the_primary_no_more_is_confirmed_by_no_replicas_of_its_successor() {
    let (store, lock) = setup(of_two(2));
    // The answer is on its way when requests begin to go to another server, which does not say that it has the lock.
    let moves = |op| {
        store.fail(op, Fault::Late(SECOND), 1);
        store.fail(Op::Holding, Fault::RequestLost, 1);
        async {
            sleep(SECOND / 2).await;
            store.fleet.as_ref().unwrap().move_on();
        }
    };
    let (acquired, ()) = tokio::join!(lock.acquire(Wait::None), moves(Op::Attempt));
    assert!(acquired.unwrap().is_none() && !lock.is_locked().await.unwrap());
    let guard = lock.acquire(Wait::None).await.unwrap().expect("the next one goes to the new primary");
    sleep(SECOND).await;
    let refused = |answer| matches!(answer, Err(Error::Unavailable(Unavailable { why: Outage::NoQuorum, .. })));
    let (renewed, ()) = tokio::join!(guard.renew(), moves(Op::Renew));
    assert!(refused(renewed));
    let (extended, ()) = tokio::join!(guard.extend(60 * SECOND), moves(Op::Extend));
    assert!(refused(extended));
    guard.renew().await.unwrap();
    let token = guard.hand_over().await.unwrap();
    let (adopted, ()) = tokio::join!(lock.adopt(&token), moves(Op::Adopt));
    assert!(refused(adopted.map(drop)));
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_on_to_another_server_is_confirmed_by_the_replicas_of_that() {
    let (store, lock) = setup(of_two(2));
    let moves = |op| {
        store.fail(op, Fault::Late(SECOND), 1);
        async {
            sleep(SECOND / 2).await;
            store.fleet.as_ref().unwrap().move_on();
        }
    };
    let (acquired, ()) = tokio::join!(lock.acquire(Wait::None), moves(Op::Attempt));
    let guard = acquired.unwrap().expect("the other has it");
    sleep(SECOND).await;
    let (renewed, ()) = tokio::join!(guard.renew(), moves(Op::Renew));
    renewed.unwrap();
    let (extended, ()) = tokio::join!(guard.extend(60 * SECOND), moves(Op::Extend));
    extended.unwrap();
    let token = guard.hand_over().await.unwrap();
    let (adopted, ()) = tokio::join!(lock.adopt(&token), moves(Op::Adopt));
    assert!(adopted.unwrap().held().await.unwrap());
}
