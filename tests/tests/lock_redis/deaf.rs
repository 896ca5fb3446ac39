//! Processes that have died while many of their callers waited.

use bellwether::clock::Wait;
use bellwether_tests::commands::Counting;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::*;

const WAITERS: u64 = 1_000;

/// A fence that the clock will not reach for long, so that the next one is larger by 1.
const AHEAD: u64 = 4_000_000_000_000_000;

/// Places are kept for three times `retry`, so longer than this test takes.
fn options() -> LockOptions {
    LockOptions { lease: Some(60 * SECOND), retry: 20 * SECOND, fair: true, ..LockOptions::default() }
}

/// Has a process wait with many places until they are taken, and die without a word: its runtime is gone, with all connections.
fn many_wait_and_die(server: &Server, queue: &'static str, lock: fn(&Locks) -> Waiting) {
    let (url, (end, ended)) = (server.url(), oneshot::channel());
    let dead = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let locks = Locks::new(store::open(&url, &StoreOptions::default()).await.unwrap());
            let wanted = lock(&locks);
            tokio::select! {
                _ = join_all((0..WAITERS).map(|_| wanted.acquire())) => panic!("it is held by another"),
                _ = ended => {}
            }
            std::mem::forget(locks);
        });
        runtime.shutdown_background();
    });
    let places = |count| until("places", || Ok((server.command::<u64>(&["ZCARD", queue])? == count).then_some(()))).unwrap();
    places(WAITERS);
    end.send(()).unwrap();
    dead.join().unwrap();
    until("its connections to end", || Ok(server.command::<Vec<String>>(&["PUBSUB", "CHANNELS"])?.is_empty().then_some(())))
        .unwrap();
}

/// Something that can be waited for.
enum Waiting {
    Lock(Lock),
    Semaphore(bellwether::lock::Semaphore),
}

impl Waiting {
    async fn acquire(&self) -> bellwether::lock::Guard {
        let acquired = match self {
            Self::Lock(lock) => lock.acquire(Wait::UpTo(60 * SECOND)).await,
            Self::Semaphore(semaphore) => semaphore.acquire(Wait::UpTo(60 * SECOND)).await,
        };
        acquired.unwrap().unwrap()
    }
}

fn plain(locks: &Locks) -> Waiting {
    Waiting::Lock(locks.open("lock", options()).unwrap())
}

fn semaphore(locks: &Locks) -> Waiting {
    Waiting::Semaphore(locks.open_semaphore("lock", 1, options()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_does_not_try_each_place_of_a_process_that_nobody_can_tell_anything() {
    let cases = [("{lock}:bellwether:queue", plain as fn(&Locks) -> Waiting), ("{lock}:bellwether:permits:queue", semaphore)];
    for (queue, lock) in cases {
        let server = Server::start().unwrap();
        let (here, there) = (locks(&server).await, locks(&server).await);
        let holder = lock(&here).acquire().await;
        many_wait_and_die(&server, queue, lock);
        let waiter = tokio::spawn({
            let wanted = lock(&there);
            async move { wanted.acquire().await }
        });
        until("one more", || Ok((server.command::<u64>(&["ZCARD", queue])? == WAITERS + 1).then_some(()))).unwrap();
        let fence = queue.replace(":queue", ":fence");
        server.command::<()>(&["SET", &fence, &AHEAD.to_string()]).unwrap();
        let mut counting = Counting::on(&server).unwrap();
        holder.release().await.unwrap();
        let guard = waiter.await.unwrap();
        let counted = counting.so_far().unwrap();
        assert!(counted.all() < 100, "{queue}: {} commands were called: {counted}", counted.all());
        assert_eq!(server.command::<u64>(&["ZCARD", queue]).unwrap(), WAITERS, "they may have lost a connection only");
        assert!(guard.held().await.unwrap());
        // In a cluster, some hear what is told although the server does not count them.
        assert!(guard.fence() > AHEAD + 1, "{queue}: {} was told to another", guard.fence());
    }
}
