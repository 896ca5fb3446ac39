//! Several runtimes of one process that share its locks, of which one ends.

use bellwether::clock::Wait;
use tokio::runtime::{Builder, Runtime};

use super::*;

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Lets go of the lock in another process while somebody waits for it in this runtime, and gives how long that one waited on.
fn woken(server: &Server, [theirs, mine]: [&Lock; 2], [other, runtime]: [&Runtime; 2], meanwhile: impl FnOnce()) -> Duration {
    let guard = other.block_on(theirs.acquire(Wait::Forever)).unwrap().unwrap();
    let waiter = runtime.spawn({
        let mine = mine.clone();
        async move {
            let guard = mine.acquire(Wait::Forever).await.unwrap().unwrap();
            let acquired = Instant::now();
            guard.release().await.unwrap();
            acquired
        }
    });
    somebody_waits(server);
    meanwhile();
    let released = Instant::now();
    other.block_on(guard.release()).unwrap();
    runtime.block_on(waiter).unwrap() - released
}

#[test]
fn wake_ups_go_on_when_the_runtime_ends_that_listened() {
    let server = Server::start().unwrap();
    let [first, second, third, other] = [(); 4].map(|()| runtime());
    let (here, there) = (first.block_on(locks(&server)), other.block_on(locks(&server)));
    let (mine, theirs) = (lock(&here, 60 * SECOND, true), lock(&there, 60 * SECOND, true));
    let both = [&theirs, &mine];

    // While nobody waits.
    assert!(woken(&server, both, [&other, &first], || ()) < SECOND);
    drop(first);
    for _ in 0..2 {
        let late = woken(&server, both, [&other, &second], || ());
        assert!(late < SECOND, "a wake-up, not a poll: {late:?}");
    }

    // While somebody waits whose line is served there, as the last one stood there a moment ago.
    let late = woken(&server, both, [&other, &third], || drop(second));
    assert!(late < SECOND, "a wake-up, not a poll: {late:?}");
}
