//! What can be done with locks.

use futures_util::future::join_all;

use crate::bindings::bellwether::core::lock::{Error, Guard, Kind, Lock, Options, Wait};

pub(crate) async fn run(args: &[&str]) {
    match args {
        ["open", name] => println!("{:?}", open(name).map(|_| ())),
        ["options", kind, lease, renew, fair, retry] => options(kind, lease, renew, fair, retry),
        ["life", name] => life(name).await,
        ["try", name] => println!("{:?}", open(name).unwrap().acquire(Wait::None).await.map(|guard| guard.is_some())),
        ["wait", name, time] => wait(name, time).await,
        ["locked", name] => println!("{:?}", open(name).unwrap().is_locked().await),
        ["hold-and", how, name] => hold_and(how, name).await,
        ["hand-over", name] => hand_over(name).await,
        ["hand-out", name] => println!("{}", acquire(name).await.hand_over().await.unwrap()),
        ["adopt", name, token] => adopt(name, token).await,
        ["queue", name, count] => queue(name, count.parse().unwrap()).await,
        ["lost", name] => lost(name, false).await,
        ["broken", name] => lost(name, true).await,
        ["cancel", name] => cancel(name).await,
        other => panic!("the probe cannot do {other:?} with locks"),
    }
}

pub(crate) fn open(name: &str) -> Result<Lock, Error> {
    let options = Options { kind: Kind::Simple, lease: Some(30_000), renew: true, fair: false, retry: 200 };
    Lock::open(name, options)
}

pub(crate) async fn acquire(name: &str) -> Guard {
    open(name).unwrap().acquire(Wait::Forever).await.unwrap().unwrap()
}

fn options(kind: &str, lease: &str, renew: &str, fair: &str, retry: &str) {
    let kind = if kind == "quorum" { Kind::Quorum } else { Kind::Simple };
    let options =
        Options { kind, lease: lease.parse().ok(), renew: renew == "renew", fair: fair == "fair", retry: retry.parse().unwrap() };
    println!("{:?}", Lock::open("options", options).map(|_| ()));
}

/// Everything that a guard has, once.
async fn life(name: &str) {
    let lock = open(name).unwrap();
    println!("locked {:?}", lock.is_locked().await);
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let fence = guard.fence();
    println!("locked {:?}", lock.is_locked().await);
    println!("again {:?}", lock.acquire(Wait::UpTo(5)).await.map(|guard| guard.is_some()));
    println!("held {:?}", guard.held().await);
    println!("extend {:?}", guard.extend(60_000).await);
    println!("over a lease {:?}", guard.remaining().await.map(|left| left > Some(30_000)));
    println!("renew {:?}", guard.renew().await);
    println!("a lease {:?}", guard.remaining().await.map(|left| left <= Some(30_000)));
    println!("release {:?}", guard.release().await);
    guard.lost().await;
    println!("release {:?}", guard.release().await);
    println!("held {:?}", guard.held().await);
    let next = lock.acquire(Wait::None).await.unwrap().unwrap();
    println!("fence rises {}", next.fence() > fence);
    drop(next);
    // The release goes on in the background, and whoever waits is woken by it.
    println!("after drop {:?}", lock.acquire(Wait::UpTo(60_000)).await.map(|guard| guard.is_some()));
}

async fn wait(name: &str, time: &str) {
    let wait = if time == "forever" { Wait::Forever } else { Wait::UpTo(time.parse().unwrap()) };
    println!("{:?}", open(name).unwrap().acquire(wait).await.map(|guard| guard.is_some()));
}

async fn hold_and(how: &str, name: &str) {
    let guard = acquire(name).await;
    println!("held");
    match how {
        "return" => std::mem::forget(guard),
        "exit" => std::process::exit(7),
        "trap" => panic!("trapped while holding a lock"),
        "hang" => open(name).unwrap().acquire(Wait::Forever).await.map(|_| ()).unwrap(),
        "loop" => crate::misbehave::run(&["loop"]).await,
        other => panic!("cannot hold and {other}"),
    }
}

async fn hand_over(name: &str) {
    let lock = open(name).unwrap();
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let fence = guard.fence();
    let token = guard.hand_over().await.unwrap();
    println!("held by the old guard {:?}", guard.held().await);
    drop(guard);
    let adopted = lock.adopt(token).await.unwrap();
    println!("fence rises {}", adopted.fence() > fence);
    println!("release {:?}", adopted.release().await);
}

async fn adopt(name: &str, token: &str) {
    match open(name).unwrap().adopt(token.to_owned()).await {
        Ok(guard) => println!("adopted, released {:?}", guard.release().await),
        Err(why) => println!("{why:?}"),
    }
}

/// Many tasks of one guest take turns.
async fn queue(name: &str, count: usize) {
    let turns = (0..count).map(async |_| {
        let guard = acquire(name).await;
        let fence = guard.fence();
        guard.release().await.unwrap();
        fence
    });
    let mut fences = join_all(turns).await;
    fences.sort_unstable();
    fences.dedup();
    println!("{} different fences", fences.len());
}

/// Holds a lock and tells when it is known to be lost: at the end of its lease, or when it is broken.
async fn lost(name: &str, renew: bool) {
    let options = Options { kind: Kind::Simple, lease: Some(300), renew, fair: false, retry: 100 };
    let guard = Lock::open(name, options).unwrap().acquire(Wait::None).await.unwrap().unwrap();
    println!("held");
    guard.lost().await;
    println!("lost, release {:?}", guard.release().await);
}

/// Drops an acquire that waits, and then one that may just have been granted.
async fn cancel(name: &str) {
    use futures_util::future::{Either, select};
    let lock = open(name).unwrap();
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let waiting = Box::pin(lock.acquire(Wait::Forever));
    let up = Box::pin(lock.acquire(Wait::UpTo(20)));
    match select(waiting, up).await {
        Either::Left(_) => println!("granted twice"),
        Either::Right((up, waiting)) => {
            println!("time is up {:?}", up.map(|guard| guard.is_none()));
            drop(waiting);
        }
    }
    drop(guard);
    println!("free for others {:?}", lock.acquire(Wait::UpTo(60_000)).await.map(|guard| guard.is_some()));
}
