use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;
use crate::clock::Wait;
use crate::error::Invalid;
use crate::lock::waiter::PLACES;
use crate::lock::{Kind, RwLock, Semaphore};

fn rw(locks: &Locks) -> RwLock {
    locks.open_rw("lock", LockOptions { retry: 20 * SECOND, ..LockOptions::default() }).unwrap()
}

fn semaphore(locks: &Locks, permits: u32) -> Semaphore {
    locks.open_semaphore("lock", permits, LockOptions { retry: 20 * SECOND, ..LockOptions::default() }).unwrap()
}

/// A lease of 3 s that is not renewed.
fn brief() -> LockOptions {
    LockOptions { lease: Some(3 * SECOND), renew: false, retry: 2 * SECOND, ..LockOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn many_read_or_one_writes() {
    let (_, locks) = setup();
    let rw = rw(&locks);
    let (first, second) = (rw.read(Wait::None).await.unwrap().unwrap(), rw.read(Wait::None).await.unwrap().unwrap());
    assert!(second.fence() > first.fence() && rw.is_locked().await.unwrap());
    assert!(rw.write(Wait::None).await.unwrap().is_none());
    first.release().await.unwrap();
    assert!(rw.write(Wait::None).await.unwrap().is_none());
    second.release().await.unwrap();
    let writer = rw.write(Wait::None).await.unwrap().unwrap();
    assert!(writer.fence() > second.fence());
    assert!(rw.read(Wait::None).await.unwrap().is_none() && rw.write(Wait::None).await.unwrap().is_none());
    writer.release().await.unwrap();
    assert!(!rw.is_locked().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_plain_lock_a_read_write_lock_and_a_semaphore_of_one_name_are_three_things() {
    let (_, locks) = setup();
    let _plain = lock(&locks).acquire(Wait::None).await.unwrap().unwrap();
    let _writer = rw(&locks).write(Wait::None).await.unwrap().unwrap();
    let _permit = semaphore(&locks, 1).acquire(Wait::None).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_waiting_writer_keeps_later_readers_out_and_starves_nobody() {
    let (_, locks) = setup();
    let rw = rw(&locks);
    let first = rw.read(Wait::None).await.unwrap().unwrap();
    let mut writer = Box::pin(rw.write(Wait::Forever));
    assert!((&mut writer).now_or_never().is_none());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(rw.read(Wait::None).await.unwrap().is_none(), "the writer came before");
    let mut readers = join_all((0..3).map(|_| rw.read(Wait::Forever)));
    assert!((&mut readers).now_or_never().is_none());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let began = Instant::now();
    first.release().await.unwrap();
    let writer = writer.await.unwrap().unwrap();
    assert!((&mut readers).now_or_never().is_none());
    writer.release().await.unwrap();
    let readers = readers.await;
    assert!(readers.iter().all(|reader| reader.as_ref().unwrap().as_ref().unwrap().fence() > writer.fence()));
    assert_eq!(began.elapsed(), Duration::ZERO, "all were granted it by who released it");
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_gives_up_lets_the_readers_behind_it_in() {
    let (_, locks) = setup();
    let rw = rw(&locks);
    let _first = rw.read(Wait::None).await.unwrap().unwrap();
    let mut writer = Box::pin(rw.write(Wait::Forever));
    assert!((&mut writer).now_or_never().is_none());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let mut reader = Box::pin(rw.read(Wait::Forever));
    assert!((&mut reader).now_or_never().is_none());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let began = Instant::now();
    drop(writer);
    assert!(reader.await.unwrap().is_some());
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_semaphore_has_so_many_permits_and_each_has_a_lease() {
    let (_, locks) = setup();
    let two = locks.open_semaphore("lock", 2, brief()).unwrap();
    assert_eq!((two.permits(), two.available().await.unwrap()), (2, 2));
    std::mem::forget(two.acquire(Wait::None).await.unwrap().unwrap());
    tokio::time::sleep(SECOND).await;
    let second = two.acquire(Wait::None).await.unwrap().unwrap();
    assert_eq!(two.available().await.unwrap(), 0);
    assert!(two.acquire(Wait::None).await.unwrap().is_none());
    let began = Instant::now();
    let third = two.acquire(Wait::Forever).await.unwrap().unwrap();
    assert!((2 * SECOND..3 * SECOND).contains(&began.elapsed()), "the lease of the first ended: {:?}", began.elapsed());
    second.release().await.unwrap();
    assert_eq!(two.available().await.unwrap(), 1);
    assert!(third.remaining().await.unwrap().unwrap() > 2 * SECOND, "what was granted is confirmed");
    third.extend(SECOND).await.unwrap();
    assert!(third.remaining().await.unwrap().unwrap() > 3 * SECOND);
    third.renew().await.unwrap();
    assert!(third.held().await.unwrap());
    tokio::time::sleep(4 * SECOND).await;
    assert!(!third.held().await.unwrap());
    assert!(matches!(third.release().await, Err(Error::NotHeld(_))));
    assert_eq!(two.available().await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn each_goes_by_the_number_of_permits_that_it_brings() {
    let (_, locks) = setup();
    let (one, three) = (semaphore(&locks, 1), semaphore(&locks, 3));
    let _first = three.acquire(Wait::None).await.unwrap().unwrap();
    let _second = three.acquire(Wait::None).await.unwrap().unwrap();
    assert!(one.acquire(Wait::None).await.unwrap().is_none());
    assert_eq!((one.available().await.unwrap(), three.available().await.unwrap()), (0, 1));
    assert!(three.acquire(Wait::None).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn guards_of_shared_locks_are_renewed() {
    let (_, locks) = setup();
    let (rw, semaphore) = (rw(&locks), semaphore(&locks, 1));
    let (reader, permit) = (rw.read(Wait::None).await.unwrap().unwrap(), semaphore.acquire(Wait::None).await.unwrap().unwrap());
    tokio::time::sleep(300 * SECOND).await;
    assert!(reader.held().await.unwrap() && permit.held().await.unwrap());
    assert!(rw.write(Wait::None).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn what_shared_locks_cannot_do_is_said() {
    let (_, locks) = setup();
    assert_eq!(locks.open_semaphore("lock", 0, LockOptions::default()).unwrap_err(), Invalid::NoPermits.into());
    let quorum = LockOptions { kind: Kind::Quorum, ..LockOptions::default() };
    assert!(matches!(locks.open_rw("lock", quorum), Err(Error::Invalid(_))));
    assert!(matches!(locks.open_semaphore("lock", 1, quorum), Err(Error::Invalid(_))));
    let guard = rw(&locks).read(Wait::None).await.unwrap().unwrap();
    assert!(matches!(guard.hand_over().await, Err(Error::Invalid(_))));
    assert!(guard.held().await.unwrap(), "it was not let go of");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_leaves_a_shared_lock_to_others() {
    for (before, after) in (0..10).flat_map(|before| (0..8).map(move |after| (before, after))) {
        let store = Arc::new(Faulty { slow: true, ..Faulty::default() });
        let locks = Locks::new(store);
        let rw = rw(&locks);
        let guard = rw.read(Wait::None).await.unwrap().unwrap();
        let mut waiter = Box::pin(rw.write(Wait::Forever));
        for _ in 0..before {
            assert!((&mut waiter).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        guard.release().await.unwrap();
        for _ in 0..after {
            if (&mut waiter).now_or_never().is_some() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(waiter);
        locks.settled().await;
        assert!(!rw.is_locked().await.unwrap(), "cancelled after {before} and {after} polls");
        assert!(rw.write(Wait::None).await.unwrap().is_some(), "no place is left either");
        locks.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_of_a_shared_acquire_is_settled() {
    let (store, locks) = setup();
    let rw = rw(&locks);
    store.fail(Op::Attempt, Fault::ReplyLost, 1);
    assert!(rw.write(Wait::None).await.is_err());
    locks.settled().await;
    assert!(!rw.is_locked().await.unwrap());
    store.fail(Op::Attempt, Fault::ReplyLost, 3);
    let guard = rw.write(Wait::UpTo(10 * SECOND)).await.unwrap().unwrap();
    assert!(guard.held().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn many_take_turns_and_never_too_many_are_in() {
    let (store, locks) = setup();
    let (rw, semaphore) = (rw(&locks), semaphore(&locks, 3));
    let (reading, writing, inside) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let pause = |n: u64| tokio::time::sleep(Duration::from_millis(n % 7));
    let turns = join_all((0..60).map(|n| {
        let (rw, semaphore, reading, writing, inside) = (&rw, &semaphore, &reading, &writing, &inside);
        async move {
            for _ in 0..5 {
                let guard = if n % 3 == 0 {
                    let guard = rw.write(Wait::Forever).await.unwrap().unwrap();
                    assert_eq!((writing.fetch_add(1, Ordering::SeqCst), reading.load(Ordering::SeqCst)), (0, 0));
                    pause(n).await;
                    writing.fetch_sub(1, Ordering::SeqCst);
                    guard
                } else {
                    let guard = rw.read(Wait::Forever).await.unwrap().unwrap();
                    reading.fetch_add(1, Ordering::SeqCst);
                    assert_eq!(writing.load(Ordering::SeqCst), 0);
                    pause(n).await;
                    reading.fetch_sub(1, Ordering::SeqCst);
                    guard
                };
                guard.release().await.unwrap();
                let permit = semaphore.acquire(Wait::Forever).await.unwrap().unwrap();
                assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                pause(n).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
            }
        }
    }));
    let began = Instant::now();
    turns.await;
    assert!(began.elapsed() < 10 * SECOND, "nobody had to wait for a timer: {:?}", began.elapsed());
    locks.settled().await;
    assert!(!rw.is_locked().await.unwrap() && semaphore.available().await.unwrap() == 3);
    let attempts = store.calls(Op::Attempt);
    assert!(attempts <= 3 * 2 * 300, "{attempts} attempts for 600 turns");
}

#[tokio::test(start_paused = true)]
async fn permits_are_given_in_the_order_in_which_they_were_asked_for() {
    let (_, locks) = setup();
    let semaphore = semaphore(&locks, 2);
    let _stays = semaphore.acquire(Wait::None).await.unwrap().unwrap();
    let goes = semaphore.acquire(Wait::None).await.unwrap().unwrap();
    let mut waiters = VecDeque::new();
    for _ in 0..10 {
        let semaphore = semaphore.clone();
        waiters.push_back(tokio::spawn(async move { semaphore.acquire(Wait::Forever).await.unwrap().unwrap() }));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut last = goes;
    while let Some(waiter) = waiters.pop_front() {
        assert!(waiters.iter().all(|waiter| !waiter.is_finished()));
        last.release().await.unwrap();
        let next = waiter.await.unwrap();
        assert!(next.fence() > last.fence());
        last = next;
    }
}

#[tokio::test(start_paused = true)]
async fn one_who_tries_for_a_moment_ends_nobodys_wait() {
    let (store, locks) = setup();
    let ms = Duration::from_millis;
    let open = |locks: &Locks, retry| locks.open_semaphore("lock", 1, LockOptions { retry, ..LockOptions::default() }).unwrap();
    for other in [locks.clone(), Locks::new(store)] {
        let holder = open(&locks, SECOND).acquire(Wait::None).await.unwrap().unwrap();
        let patient = open(&locks, 2 * SECOND);
        let waiter = tokio::spawn(async move { patient.acquire(Wait::Forever).await.unwrap().unwrap() });
        tokio::time::sleep(ms(1)).await;
        assert!(open(&other, ms(10)).acquire(Wait::UpTo(ms(5))).await.unwrap().is_none());
        tokio::time::sleep(ms(560)).await;
        holder.release().await.unwrap();
        assert!(open(&other, SECOND).acquire(Wait::None).await.unwrap().is_none(), "somebody was before it");
        let began = Instant::now();
        waiter.await.unwrap().release().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        other.settled().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_readers_and_writers_is_served_as_it_came() {
    let (store, locks) = setup();
    let rw = rw(&locks);
    let holder = rw.write(Wait::None).await.unwrap().unwrap();
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let before = store.calls(Op::Attempt);
    let crowd: Vec<_> = (0..100)
        .map(|number| {
            let (rw, order) = (rw.clone(), Arc::clone(&order));
            // 20 writers, 5 readers, and so on; readers come in together.
            let writes = number % 25 < 20;
            let group = if writes { number } else { number / 25 * 25 + 20 };
            tokio::spawn(async move {
                let guard = if writes { rw.write(Wait::Forever).await } else { rw.read(Wait::Forever).await };
                order.lock().unwrap().push(group);
                tokio::time::sleep(Duration::from_millis(1)).await;
                guard.unwrap().unwrap().release().await.unwrap();
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(store.calls(Op::Attempt) - before <= 2 * PLACES, "{} attempts", store.calls(Op::Attempt) - before);
    holder.release().await.unwrap();
    join_all(crowd).await;
    let order = order.lock().unwrap();
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(locks.shared.lines.len(), 1, "one line for all who want it");
}

#[tokio::test(start_paused = true)]
async fn one_of_a_crowd_depends_on_no_other_and_leaves_no_trace() {
    let (store, locks) = setup();
    let one = semaphore(&locks, 1);
    let holder = one.acquire(Wait::None).await.unwrap().unwrap();
    // Nobody looks after these any more.
    let mut stalled: Vec<_> = (0..3 * PLACES).map(|_| Box::pin(one.acquire(Wait::Forever))).collect();
    for waiter in &mut stalled {
        assert!(waiter.now_or_never().is_none());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (began, last) = (Instant::now(), one.clone());
    let last = tokio::spawn(async move { last.acquire(Wait::UpTo(3600 * SECOND)).await.unwrap() });
    assert!(one.acquire(Wait::UpTo(5 * SECOND)).await.unwrap().is_none());
    assert_eq!(began.elapsed(), 5 * SECOND, "its time runs from the beginning");
    // The first of the line asks now and then. Once it just has, it does not for a while.
    let asked = store.calls(Op::Attempt);
    while store.calls(Op::Attempt) == asked {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let before = (store.calls(Op::Attempt), store.calls(Op::Release));
    let gone = tokio::time::timeout(SECOND / 10, one.acquire(Wait::Forever)).await;
    locks.settled().await;
    assert!(gone.is_err() && before == (store.calls(Op::Attempt), store.calls(Op::Release)), "the store never heard of it");
    holder.release().await.unwrap();
    assert!(last.await.unwrap().is_some());
    drop(stalled);
    locks.settled().await;
    assert!(one.acquire(Wait::None).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn one_behind_a_crowd_is_told_that_the_store_cannot_be_reached() {
    let (store, locks) = setup();
    let one = semaphore(&locks, 1);
    let _holder = one.acquire(Wait::None).await.unwrap().unwrap();
    store.fail(Op::Attempt, Fault::RequestLost, usize::MAX);
    let mut crowd: Vec<_> = (0..2 * PLACES).map(|_| Box::pin(one.acquire(Wait::Forever))).collect();
    for waiter in &mut crowd {
        assert!(waiter.now_or_never().is_none());
    }
    assert!(matches!(one.acquire(Wait::UpTo(SECOND)).await, Err(Error::Unavailable(_))));
}
