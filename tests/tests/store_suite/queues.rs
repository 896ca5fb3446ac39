//! What stores promise those who wait for a lock.

use super::*;

const SOON: Duration = Duration::from_secs(10);

const JOINS: Queueing = Queueing { joins: true, fair: false, brief: true };
const FAIR: Queueing = Queueing { joins: true, fair: true, brief: true };

fn busy(attempt: Attempt) -> u64 {
    match attempt {
        Attempt::Busy { fence, .. } => fence,
        Attempt::Acquired { .. } => panic!("the lock is not busy"),
    }
}

async fn granted(watch: &mut Watch) -> (Token, u64) {
    match timeout(SOON, watch.heard()).await.unwrap() {
        Word::Granted { token, fence } => (token, fence),
        Word::Doubt => panic!("nothing was missed"),
    }
}

async fn let_go(store: &Shared, lock: &LockKeys, token: &Token) -> Released {
    store.release(lock, Release::of(token)).await.unwrap()
}

pub(crate) async fn a_release_gives_the_lock_to_the_first(store: Shared, name: &str) {
    let (lock, holder) = (lock(name), token());
    let mut last = fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    let mut waiters = Vec::new();
    for _ in 0..5 {
        waiters.push(store.queue(&lock).await);
    }
    assert_eq!(let_go(&store, &lock, &holder).await, Released::Now);
    for waiter in waiters {
        let (token, fence) = granted(&mut watch).await;
        assert!(token == waiter && fence > last);
        last = fence;
        assert!(left(store.holding(&lock, &waiter).await.unwrap()) > Duration::ZERO);
        assert!(store.acquire(&lock, &self::token(), None).await.is_ok_and(|attempt| busy(attempt) == fence));
        assert_eq!(let_go(&store, &lock, &waiter).await, Released::Now);
    }
    assert!(!store.is_locked(&lock).await.unwrap());
    assert!(quiet(&mut watch).await);
}

pub(crate) async fn a_fair_attempt_passes_nobody(store: Shared, name: &str) {
    let (lock, [a, b, c]) = (lock(name), [token(), token(), token()]);
    let holder = token();
    fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    let attempt = async |token, queueing| store.attempt(&lock, &ticket(token, Some(ms(LONG))), queueing).await.unwrap();
    busy(attempt(&a, FAIR).await);
    ends_soon(&store, &lock, &holder).await;
    let end = Instant::now() + SOON;
    while store.is_locked(&lock).await.unwrap() {
        assert!(Instant::now() < end);
        sleep(Duration::from_millis(5)).await;
    }
    // Free, and somebody else is the first: who asks then has it given to them.
    busy(attempt(&b, Queueing { joins: false, ..FAIR }).await);
    assert_eq!(granted(&mut watch).await.0, a);
    let_go(&store, &lock, &a).await;
    // Nobody is before it now; and whoever is not fair takes what is free.
    fence(attempt(&b, Queueing { joins: false, ..FAIR }).await);
    busy(attempt(&c, Queueing { joins: false, ..JOINS }).await);
    let_go(&store, &lock, &b).await;
    fence(attempt(&token(), JOINS).await);
}

pub(crate) async fn a_place_that_is_kept_stays_the_same(store: Shared, name: &str) {
    let (lock, [holder, a, b]) = (lock(name), [token(), token(), token()]);
    fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    for token in [&a, &b, &a] {
        busy(store.attempt(&lock, &ticket(token, None), JOINS).await.unwrap());
    }
    let_go(&store, &lock, &holder).await;
    assert_eq!(granted(&mut watch).await.0, a);
    let_go(&store, &lock, &a).await;
    assert_eq!(granted(&mut watch).await.0, b);
    let_go(&store, &lock, &b).await;
    assert!(quiet(&mut watch).await, "a place was taken twice");
}

pub(crate) async fn who_has_left_is_passed_over(store: Shared, name: &str) {
    let (lock, holder) = (lock(name), token());
    fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    let (a, b) = (store.queue(&lock).await, store.queue(&lock).await);
    let withdrawal = ticket(&a, None);
    let leaving = Release { withdraws: Some(&withdrawal), ..Release::of(&a) };
    assert_eq!(store.release(&lock, leaving).await.unwrap(), Released::NotHeld);
    // An attempt that was under way then comes too late.
    assert!(store.attempt(&lock, &withdrawal, FAIR).await.is_err());
    let_go(&store, &lock, &holder).await;
    assert_eq!(granted(&mut watch).await.0, b);
    // One that has it already by then lets go of it by the same call.
    let withdrawal = ticket(&b, None);
    assert_eq!(store.release(&lock, Release { withdraws: Some(&withdrawal), ..Release::of(&b) }).await.unwrap(), Released::Now);
    assert!(!store.is_locked(&lock).await.unwrap());
}

pub(crate) async fn a_holder_passes_the_lock_to_the_next_it_names(store: Shared, name: &str) {
    let (lock, [holder, next]) = (lock(name), [token(), token()]);
    let first = fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    let other = store.queue(&lock).await;
    let ticket = ticket(&next, Some(ms(LONG)));
    let release = Release { next: Some(&ticket), ..Release::of(&holder) };
    let passed = store.release(&lock, release).await.unwrap();
    let Released::Passed { fence } = passed else { panic!("{passed:?}") };
    assert!(fence > first);
    assert_eq!(store.release(&lock, release).await.unwrap(), passed, "repeated, it has the same answer");
    assert!(quiet(&mut watch).await, "that is for the caller to tell");
    assert!(left(store.holding(&lock, &next).await.unwrap()) <= Duration::from_secs(20), "to be confirmed");
    let_go(&store, &lock, &next).await;
    assert_eq!(granted(&mut watch).await.0, other);
    assert_eq!(store.release(&lock, Release { next: Some(&ticket), ..Release::of(&token()) }).await.unwrap(), Released::NotHeld);
}

pub(crate) async fn a_holder_yields_to_who_came_before(store: Shared, name: &str) {
    let (lock, [holder, next]) = (lock(name), [token(), token()]);
    fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
    let mut watch = store.watch(&lock).await.unwrap();
    let other = store.queue(&lock).await;
    let ticket = ticket(&next, Some(ms(LONG)));
    let yields = |token| Release { next: Some(&ticket), yields: true, ..Release::of(token) };
    assert_eq!(store.release(&lock, yields(&holder)).await.unwrap(), Released::Now);
    assert_eq!(granted(&mut watch).await.0, other);
    let passed = store.release(&lock, yields(&other)).await.unwrap();
    assert!(matches!(passed, Released::Passed { .. }), "nobody else is there: {passed:?}");
    assert_eq!(let_go(&store, &lock, &next).await, Released::Now);
    assert!(!store.is_locked(&lock).await.unwrap(), "it had one place only");
}

pub(crate) async fn a_grant_lasts_a_moment_until_it_is_confirmed(store: Shared, name: &str) {
    let lock = lock(name);
    for lease in [Some(ms(LONG)), None] {
        let holder = token();
        fence(store.acquire(&lock, &holder, Some(ms(LONG))).await.unwrap());
        let mut watch = store.watch(&lock).await.unwrap();
        let next = Ticket { kept: ms(300), ..ticket(&token(), lease) };
        busy(store.attempt(&lock, &next, JOINS).await.unwrap());
        let_go(&store, &lock, &holder).await;
        granted(&mut watch).await;
        let brief = left(store.holding(&lock, &next.token).await.unwrap());
        assert!(brief <= Duration::from_millis(300), "{brief:?}");
        let renewal = Renewal { lock: lock.clone(), token: next.token.clone(), lease };
        let confirmed = store.renew(&[renewal]).await.pop().unwrap().unwrap();
        match (lease, confirmed, store.holding(&lock, &next.token).await.unwrap()) {
            (Some(_), Holding::Left(told), Holding::Left(left)) => assert!(told >= left && left > ms(LONG / 2).duration()),
            (None, Holding::Unlimited, Holding::Unlimited) => {}
            other => panic!("{other:?}"),
        }
        let_go(&store, &lock, &next.token).await;
    }
}

pub(crate) async fn a_lease_that_ended_is_noticed_by_who_asks(store: Shared, name: &str) {
    let (lock, waiter) = (lock(name), token());
    fence(store.acquire(&lock, &token(), Some(ms(30))).await.unwrap());
    let end = Instant::now() + SOON;
    while matches!(store.attempt(&lock, &ticket(&waiter, None), FAIR).await.unwrap(), Attempt::Busy { .. }) {
        assert!(Instant::now() < end, "a lease of 30 ms still runs");
        sleep(Duration::from_millis(5)).await;
    }
    let_go(&store, &lock, &waiter).await;
    assert!(!store.is_locked(&lock).await.unwrap(), "it has no place any more");
}

pub(crate) async fn a_late_attempt_does_not_shorten_a_lease(store: Shared, name: &str) {
    let (lock, mine) = (lock(name), token());
    let first = fence(store.acquire(&lock, &mine, Some(ms(LONG))).await.unwrap());
    let late = Ticket { kept: ms(100), ..ticket(&mine, Some(ms(LONG))) };
    assert_eq!(fence(store.attempt(&lock, &late, JOINS).await.unwrap()), first);
    assert!(left(store.holding(&lock, &mine).await.unwrap()) > ms(LONG / 2).duration());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_place_that_lasts_shorter_ends_no_other() {
    let store = opened(&SERVER.url()).await;
    for lock in [lock("shorter-place"), crate::shared::permit("shorter-place", 1)] {
        fence(store.acquire(&lock, &token(), Some(ms(LONG))).await.unwrap());
        for kept in [LONG, 1] {
            busy(store.attempt(&lock, &Ticket { kept: ms(kept), ..ticket(&token(), None) }, FAIR).await.unwrap());
        }
        let alive = || SERVER.command::<Vec<String>>(&["ZRANGE", lock.alive(), "0", "-1", "WITHSCORES"]).unwrap();
        let left = || {
            let now: Vec<u64> = SERVER.command(&["TIME"]).unwrap();
            alive()[1].parse::<u64>().unwrap().saturating_sub(now[0] * 1_000)
        };
        assert!(left() > LONG / 2, "{} ms", left());
        let newcomer = opened(&SERVER.url()).await;
        busy(newcomer.attempt(&lock, &Ticket { kept: ms(1), ..ticket(&token(), None) }, FAIR).await.unwrap());
        assert_eq!(alive().len(), 4, "each process counts for itself");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_have_gone_are_forgotten_while_others_wait() {
    let store = opened(&SERVER.url()).await;
    for lock in [lock("gone"), crate::shared::permit("gone", 1)] {
        fence(store.acquire(&lock, &token(), Some(ms(LONG))).await.unwrap());
        busy(store.attempt(&lock, &Ticket { kept: ms(LONG), ..ticket(&token(), None) }, FAIR).await.unwrap());
        for _ in 0..5 {
            let brief = opened(&SERVER.url()).await;
            busy(brief.attempt(&lock, &Ticket { kept: ms(1), ..ticket(&token(), None) }, FAIR).await.unwrap());
        }
        let (last, mut lasting) = (Instant::now() + SOON / 2, 1);
        loop {
            let other = opened(&SERVER.url()).await;
            busy(other.attempt(&lock, &Ticket { kept: ms(LONG), ..ticket(&token(), None) }, FAIR).await.unwrap());
            // The five have gone by now, or by one of the next times.
            let alive: u64 = SERVER.command(&["ZCARD", lock.alive()]).unwrap();
            lasting += 1;
            if alive == lasting {
                break;
            }
            assert!(Instant::now() < last, "{alive} count as alive, and {lasting} are");
        }
    }
}
