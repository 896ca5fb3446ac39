//! Many waiters of one process for a lock that many can hold.

use bellwether::clock::Wait;
use bellwether::error::Error;
use bellwether::lock::Guard;
use bellwether::names::{LockKeys, Prefix, Share};
use bellwether_tests::commands::Counting;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;

use super::*;

const CROWD: u64 = 1_000;

/// How many of a process have places in the queue.
const PLACES: u64 = 16;

const PERMITS: u32 = 4;

type Acquire = Arc<dyn Fn() -> BoxFuture<'static, Result<Option<Guard>, Error>> + Send + Sync>;

fn permits(locks: &Locks) -> Acquire {
    let semaphore = locks.open_semaphore("lock", PERMITS, LockOptions::default()).unwrap();
    Arc::new(move || {
        let semaphore = semaphore.clone();
        Box::pin(async move { semaphore.acquire(Wait::Forever).await })
    })
}

fn writers(locks: &Locks) -> Acquire {
    let rw = locks.open_rw("lock", LockOptions::default()).unwrap();
    Arc::new(move || {
        let rw = rw.clone();
        Box::pin(async move { rw.write(Wait::Forever).await })
    })
}

/// Has a crowd wait here and one there, while all is held from there, and then lets them have it one after the other.
async fn take_turns(holders: u32, share: Share, open: fn(&Locks) -> Acquire) {
    let server = Server::start().unwrap();
    let (here, there) = (locks(&server).await, locks(&server).await);
    let (crowd, other) = (open(&here), open(&there));
    let keys = LockKeys::shared(&Prefix::default(), "lock", share).unwrap();
    let places = || server.command::<u64>(&["ZCARD", keys.queue()]);
    let places_are = |count| until("places to be taken", || Ok((places()? == count).then_some(()))).unwrap();
    let mut held = Vec::new();
    for _ in 0..holders {
        held.push(other().await.unwrap().unwrap());
    }
    let mut counting = Counting::on(&server).unwrap();
    let mut turns = JoinSet::new();
    let mut wait = |acquire: &Acquire, is_here: bool| {
        let acquire = Arc::clone(acquire);
        turns.spawn(async move {
            let guard = acquire().await.unwrap().unwrap();
            let fence = guard.fence();
            guard.release().await.unwrap();
            (fence, is_here)
        });
    };
    for _ in 0..CROWD {
        wait(&crowd, true);
    }
    places_are(PLACES);
    // Nobody else comes within a pause between two attempts.
    tokio::time::sleep(300 * MS).await;
    assert_eq!(places().unwrap(), PLACES);
    let coming = counting.so_far().unwrap();
    assert!(coming.sent() < 100, "{coming}");
    wait(&other, false);
    places_are(PLACES + 1);

    counting.restart().unwrap();
    let began = Instant::now();
    for guard in held {
        guard.release().await.unwrap();
    }
    // In the order of their fences, which is that of the grants.
    let mut turns = tokio::time::timeout(60 * SECOND, turns.join_all()).await.unwrap();
    turns.sort_unstable();
    let before_other = turns.iter().position(|(_, is_here)| !is_here).unwrap() as u64;
    // As many as had places when it came.
    assert!(before_other <= PLACES, "{before_other} were before the one of another process");
    here.settled().await;
    let (counted, polls) = (counting.so_far().unwrap(), u64::try_from(began.elapsed().as_millis() / 100).unwrap());
    // Its place, the word that the grant was heard of, and the release; and one who asks when nobody here has it any more.
    let most = 4 * (CROWD + 1) + 2 * polls + 20;
    assert!(counted.sent() <= most, "{} commands were sent for {CROWD} turns: {counted}", counted.sent());
    assert_eq!(places().unwrap(), 0);
    assert_eq!(server.command::<u64>(&["EXISTS", keys.key()]).unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_one_process_waits_for_permits_in_few_places() {
    take_turns(PERMITS, Share::Permit { of: std::num::NonZeroU32::new(PERMITS).unwrap() }, permits).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_one_process_waits_to_write_in_few_places() {
    take_turns(1, Share::Writer, writers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_is_to_be_fair_to_each_all_have_places() {
    let server = Server::start().unwrap();
    let (here, there) = (locks(&server).await, locks(&server).await);
    let options = LockOptions { fair: true, ..LockOptions::default() };
    let [crowd, other] = [&here, &there].map(|locks| locks.open_rw("lock", options).unwrap());
    let holder = other.write(Wait::None).await.unwrap().unwrap();
    let waiters: Vec<_> = (0..3 * PLACES)
        .map(|_| {
            let crowd = crowd.clone();
            tokio::spawn(async move { crowd.write(Wait::Forever).await.unwrap().unwrap().release().await.unwrap() })
        })
        .collect();
    let keys = LockKeys::shared(&Prefix::default(), "lock", Share::Writer).unwrap();
    let places = || server.command::<u64>(&["ZCARD", keys.queue()]);
    until("all to have places", || Ok((places()? == 3 * PLACES).then_some(()))).unwrap();
    holder.release().await.unwrap();
    for waiter in waiters {
        waiter.await.unwrap();
    }
}
