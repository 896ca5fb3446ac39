//! How many commands a lock costs the server, held down.
//!
//! Two bounds each: on what clients send, which are round trips, and on all that is called, scripts' calls included, which is the
//! server's work. Both are what was measured; whoever needs more should know why.

use bellwether::clock::Wait;
use bellwether::lock::Guard;
use bellwether_tests::commands::{Commands, Counting};
use futures_util::future::join_all;

use super::*;

/// More than enough for what is done in the background, and less than any pause between two polls.
const SETTLE: Duration = Duration::from_millis(100);

/// The lock that is counted. Whoever has waited for it lately would listen still.
const LOCK: &str = "lock";

/// The default pause between two polls.
const RETRY: Duration = Duration::from_millis(200);

/// A pause that is not over within a test, however slow the machine is.
const NO_RETRY: Duration = Duration::from_secs(20);

fn open(locks: &Locks, name: &str, retry: Duration) -> Lock {
    locks.open(name, LockOptions { retry, ..LockOptions::default() }).unwrap()
}

async fn take(lock: &Lock) -> Guard {
    lock.acquire(Wait::None).await.unwrap().unwrap()
}

/// Two processes, as the server sees them, that have sent every script before.
async fn two(server: &Server) -> (Locks, Locks) {
    let (here, there) = (locks(server).await, locks(server).await);
    for (holder, waiter) in [(&here, &there), (&there, &here)] {
        let guard = contend(&open(holder, "before", NO_RETRY), &open(waiter, "before", NO_RETRY), || {}).await;
        // By itself it may not come to that before the release.
        guard.renew().await.unwrap();
        guard.release().await.unwrap();
    }
    tokio::time::sleep(SETTLE).await;
    (here, there)
}

/// Has one lock wait for the other, and then get it. `meanwhile` is called before it begins to wait.
async fn contend(held: &Lock, wanted: &Lock, meanwhile: impl FnOnce()) -> Guard {
    let holder = take(held).await;
    tokio::time::sleep(SETTLE).await;
    meanwhile();
    let waiter = tokio::spawn({
        let wanted = wanted.clone();
        async move { wanted.acquire(Wait::Forever).await.unwrap().unwrap() }
    });
    tokio::time::sleep(SETTLE).await;
    holder.release().await.unwrap();
    waiter.await.unwrap()
}

#[track_caller]
fn assert_bounds(what: &str, commands: &Commands, sent: u64, all: u64) {
    assert!(commands.sent() <= sent, "{what}: {} commands were sent: {commands}", commands.sent());
    assert!(commands.all() <= all, "{what}: {} commands were called: {commands}", commands.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acquire_is_one_command_and_so_is_a_release() {
    let server = Server::start().unwrap();
    let (here, _there) = two(&server).await;
    let mut counting = Counting::on(&server).unwrap();
    let lock = open(&here, LOCK, NO_RETRY);
    // Of a lock that nobody has used within a day, a word on the fence more.
    for (what, most) in [("a first acquire", 6), ("an acquire", 5)] {
        counting.restart().unwrap();
        let guard = take(&lock).await;
        tokio::time::sleep(SETTLE).await;
        assert_bounds(what, &counting.so_far().unwrap(), 1, most);

        counting.restart().unwrap();
        guard.release().await.unwrap();
        tokio::time::sleep(SETTLE).await;
        assert_bounds("a release", &counting.so_far().unwrap(), 1, 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fair_acquire_is_one_command_and_so_is_a_release() {
    let server = Server::start().unwrap();
    let (here, _there) = two(&server).await;
    let mut counting = Counting::on(&server).unwrap();
    let lock = here.open(LOCK, LockOptions { fair: true, ..LockOptions::default() }).unwrap();
    for _ in 0..2 {
        counting.restart().unwrap();
        let guard = take(&lock).await;
        tokio::time::sleep(SETTLE).await;
        assert_bounds("a fair acquire", &counting.so_far().unwrap(), 1, 6);

        counting.restart().unwrap();
        guard.release().await.unwrap();
        tokio::time::sleep(SETTLE).await;
        assert_bounds("a fair release", &counting.so_far().unwrap(), 1, 5);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_at_a_held_lock_is_one_command() {
    let server = Server::start().unwrap();
    let (here, there) = two(&server).await;
    let _guard = take(&open(&here, LOCK, NO_RETRY)).await;
    let mut counting = Counting::on(&server).unwrap();
    assert!(open(&there, LOCK, NO_RETRY).acquire(Wait::None).await.unwrap().is_none());
    tokio::time::sleep(SETTLE).await;
    assert_bounds("an attempt", &counting.so_far().unwrap(), 1, 7);
}

/// An attempt, a subscription, an attempt that leaves a place in the queue, and a word that the grant was heard of. The release that
/// grants it is in it too, and so is the end of the subscription if the machine is slow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contended_wait_is_four_commands() {
    let server = Server::start().unwrap();
    let (here, there) = two(&server).await;
    let mut counting = Counting::on(&server).unwrap();
    let (held, wanted) = (open(&here, LOCK, NO_RETRY), open(&there, LOCK, NO_RETRY));
    let guard = contend(&held, &wanted, || counting.restart().unwrap()).await;
    tokio::time::sleep(SETTLE).await;
    let counted = counting.so_far().unwrap();
    let ended = counted.of("unsubscribe");
    assert_bounds("a wait and a release", &counted, 4 + 1 + ended, 35 + ended);
    drop(guard);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_waiters_cost_as_much_as_one() {
    let server = Server::start().unwrap();
    let (here, there) = two(&server).await;
    let _guard = take(&open(&here, LOCK, RETRY)).await;
    let waiting = 2 * SECOND;
    let mut counting = Counting::on(&server).unwrap();
    let wanted = open(&there, LOCK, RETRY);
    let waiters: Vec<_> = (0..100)
        .map(|_| {
            let wanted = wanted.clone();
            tokio::spawn(async move { wanted.acquire(Wait::UpTo(waiting)).await.unwrap() })
        })
        .collect();
    assert!(join_all(waiters).await.into_iter().all(|waited| waited.unwrap().is_none()));
    there.settled().await;
    // A pause is between a half and the whole of what the options say.
    let polls = u64::try_from(2 * waiting.as_millis() / RETRY.as_millis()).unwrap();
    // Besides: the first attempt, the subscription and its end, and the places of those few who have become the first of the line by
    // all giving up at once; each place is given up twice, as a request for it may be late.
    let most = polls + 3 + 2 * 5;
    assert_bounds("100 waiters", &counting.so_far().unwrap(), most, 12 * most);
}
