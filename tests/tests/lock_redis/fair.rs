//! Locks that are given to those who wait in the order in which they came.

use bellwether::clock::Wait;
use bellwether::lock::Guard;
use tokio::sync::mpsc;

use super::*;

fn fair(locks: &Locks, lease: Duration) -> Lock {
    let options = LockOptions { lease: Some(lease), retry: 200 * MS, fair: true, ..LockOptions::default() };
    locks.open("lock", options).unwrap()
}

/// Starts a waiter that tells its number and its guard.
fn wait(lock: Lock, number: usize, told: &mpsc::UnboundedSender<(usize, Guard)>) -> tokio::task::JoinHandle<()> {
    let told = told.clone();
    tokio::spawn(async move {
        let guard = lock.acquire(Wait::UpTo(60 * SECOND)).await.unwrap().unwrap();
        let _ = told.send((number, guard));
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiters_of_many_processes_are_served_in_order() {
    let server = Server::start().unwrap();
    let fleet = [locks(&server).await, locks(&server).await, locks(&server).await];
    let mut last = fair(&fleet[0], 20 * SECOND).acquire(Wait::None).await.unwrap().unwrap();
    let (told, mut turns) = mpsc::unbounded_channel();
    for number in 0..30 {
        wait(fair(&fleet[number * 7 % 3], 20 * SECOND), number, &told);
        places_are_taken(&server, number as u64 + 1);
    }
    for number in 0..30 {
        last.release().await.unwrap();
        let (turn, guard) = turns.recv().await.unwrap();
        assert_eq!(turn, number);
        assert!(guard.fence() > last.fence());
        // What was granted for a moment is a full lease when somebody looks.
        assert!(guard.remaining().await.unwrap() > Some(10 * SECOND));
        last = guard;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_of_one_process_are_served_in_order_and_the_first_who_asks_for_itself_too() {
    let server = Server::start().unwrap();
    let here = locks(&server).await;
    for _ in 0..10 {
        let holder = fair(&here, 20 * SECOND).acquire(Wait::None).await.unwrap().unwrap();
        // Anew, so that it has nothing to go by when the first comes.
        let lock = fair(&locks(&server).await, 20 * SECOND);
        let callers = tokio::spawn(async move {
            let order = std::sync::Mutex::new(Vec::new());
            let call = async |number| {
                let guard = lock.acquire(Wait::UpTo(60 * SECOND)).await.unwrap().unwrap();
                order.lock().unwrap().push(number);
                guard.release().await.unwrap();
            };
            tokio::join!(call(0), call(1), call(2), call(3));
            order.into_inner().unwrap()
        });
        places_are_taken(&server, 4);
        holder.release().await.unwrap();
        assert_eq!(callers.await.unwrap(), [0, 1, 2, 3]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_has_a_place_again_after_the_server_stood_still() {
    let server = Server::start().unwrap();
    let here = impatient(&server).await;
    // Without a time-out meanwhile: an answer that is late is no error.
    let there = Locks::new(store::open(&server.url(), &StoreOptions::default()).await.unwrap());
    let _holder = fair(&here, 20 * SECOND).acquire(Wait::None).await.unwrap().unwrap();
    let (told, _turns) = mpsc::unbounded_channel();
    for number in 0..10 {
        wait(fair(&there, 20 * SECOND), number, &told);
    }
    places_are_taken(&server, 10);
    server.pause().unwrap();
    // Longer than places are kept, so all are lost; but shorter than from one late request to the next.
    tokio::time::sleep(1_150 * MS).await;
    server.resume().unwrap();
    places_are_taken(&server, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_wait_does_not_pass_those_who_do() {
    let server = Server::start().unwrap();
    let (here, there) = (locks(&server).await, locks(&server).await);
    let holder = fair(&here, 20 * SECOND).acquire(Wait::None).await.unwrap().unwrap();
    let (told, mut turns) = mpsc::unbounded_channel();
    wait(fair(&there, 20 * SECOND), 0, &told);
    somebody_waits(&server);
    // As when a stranger lets go of it, or the lease ends: it is free, and nobody was told.
    server.command::<()>(&["DEL", "lock"]).unwrap();
    assert!(fair(&here, 20 * SECOND).acquire(Wait::None).await.unwrap().is_none(), "somebody else is before it");
    let (_, guard) = turns.recv().await.unwrap();
    assert!(guard.held().await.unwrap() && !holder.held().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_waiter_leaves_no_trace() {
    let server = Server::start().unwrap();
    let (here, there) = (locks(&server).await, locks(&server).await);
    let holder = fair(&here, 20 * SECOND).acquire(Wait::None).await.unwrap().unwrap();
    let (told, mut turns) = mpsc::unbounded_channel();
    let cancelled = wait(fair(&there, 20 * SECOND), 0, &told);
    places_are_taken(&server, 1);
    wait(fair(&there, 20 * SECOND), 1, &told);
    places_are_taken(&server, 2);
    cancelled.abort();
    let timed_out = fair(&there, 20 * SECOND).acquire(Wait::UpTo(50 * MS)).await.unwrap();
    assert!(timed_out.is_none());
    there.settled().await;
    places_are_taken(&server, 1);
    holder.release().await.unwrap();
    let (turn, guard) = turns.recv().await.unwrap();
    assert_eq!(turn, 1);
    guard.release().await.unwrap();
    let mut left: Vec<String> = server.command(&["KEYS", "*"]).unwrap();
    // Who counts as alive is forgotten by itself.
    left.retain(|key| key != "{lock}:bellwether:alive" || server.command::<i64>(&["PTTL", key]).unwrap() < 0);
    assert_eq!(left, ["{lock}:bellwether:fence"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_died_is_passed_over() {
    let server = Server::start().unwrap();
    let here = locks(&server).await;
    let holder = fair(&here, 20 * SECOND).acquire(Wait::None).await.unwrap().unwrap();
    // A process of its own: a runtime that is gone with all its connections, and says goodbye to nobody.
    let url = server.url();
    let dead = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let locks = Locks::new(store::open(&url, &StoreOptions::default()).await.unwrap());
            let lock = fair(&locks, 20 * SECOND);
            let waiters = futures_util::future::join_all((0..3).map(|_| lock.acquire(Wait::Forever)));
            assert!(tokio::time::timeout(SECOND, waiters).await.is_err());
            std::mem::forget(locks);
        });
        runtime.shutdown_background();
    });
    places_are_taken(&server, 3);
    let (told, mut turns) = mpsc::unbounded_channel();
    wait(fair(&here, 20 * SECOND), 0, &told);
    dead.join().unwrap();
    let released = Instant::now();
    holder.release().await.unwrap();
    let (_, guard) = turns.recv().await.unwrap();
    assert!(released.elapsed() < 5 * SECOND, "{:?}", released.elapsed());
    assert!(guard.held().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiter_that_stands_still_blocks_the_others_for_a_moment_only() {
    let server = Server::start().unwrap();
    let (here, there) = (locks(&server).await, locks(&server).await);
    let holder = fair(&here, 20 * SECOND).acquire(Wait::None).await.unwrap().unwrap();
    let still = fair(&there, 20 * SECOND);
    let mut still = Box::pin(still.acquire(Wait::Forever));
    assert!(tokio::time::timeout(300 * MS, &mut still).await.is_err());
    places_are_taken(&server, 1);
    let (told, mut turns) = mpsc::unbounded_channel();
    wait(fair(&here, 20 * SECOND), 0, &told);
    places_are_taken(&server, 2);
    let released = Instant::now();
    holder.release().await.unwrap();
    // It is granted to one that nobody polls, who does not confirm it.
    let (_, guard) = turns.recv().await.unwrap();
    assert!(released.elapsed() < 5 * SECOND, "{:?}", released.elapsed());
    guard.release().await.unwrap();
    assert!(still.await.unwrap().unwrap().held().await.unwrap(), "late, it waits anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_those_who_are_not_fair_are_excluded() {
    let server = Server::start().unwrap();
    let (here, there) = (locks(&server).await, locks(&server).await);
    server.command::<()>(&["SET", "lock", "stranger", "NX", "PX", "60000"]).unwrap();
    let (told, mut turns) = mpsc::unbounded_channel();
    wait(fair(&here, 20 * SECOND), 0, &told);
    places_are_taken(&server, 1);
    server.command::<()>(&["DEL", "lock"]).unwrap();
    let (_, guard) = turns.recv().await.unwrap();
    assert!(server.command::<Option<String>>(&["SET", "lock", "stranger", "NX"]).unwrap().is_none());
    let unfair = lock(&there, 20 * SECOND, true);
    assert!(unfair.acquire(Wait::None).await.unwrap().is_none());
    let waiter = tokio::spawn(async move { unfair.acquire(Wait::Forever).await.unwrap().unwrap() });
    places_are_taken(&server, 1);
    guard.release().await.unwrap();
    assert!(waiter.await.unwrap().held().await.unwrap());
}
