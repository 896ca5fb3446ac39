//! What can be done with locks of other kinds.

use futures_util::future::join_all;

use crate::bindings::bellwether::core::lock::{Error, Kind, Options, Wait};
use crate::bindings::bellwether::core::multi_lock::MultiLock;
use crate::bindings::bellwether::core::read_write_lock::ReadWriteLock;
use crate::bindings::bellwether::core::semaphore::Semaphore;

pub(crate) async fn run(args: &[&str]) {
    match args {
        ["open", name] => {
            println!("{:?}", ReadWriteLock::open(name, options()).map(|_| ()));
            println!("{:?}", Semaphore::open(name, 1, options()).map(|_| ()));
            println!("{:?}", many(&["granted", name]).map(|_| ()));
        }
        ["wrong"] => wrong(),
        ["open-many", count] => open_many(count.parse().unwrap()),
        ["read-write", name] => read_write(name).await,
        ["semaphore", name] => semaphore(name).await,
        ["multi", names @ ..] => multi(names).await,
        ["hold-and-trap", name] => hold_and_trap(name).await,
        other => panic!("the probe cannot do {other:?} with locks of other kinds"),
    }
}

fn options() -> Options {
    Options { kind: Kind::Simple, lease: Some(30_000), renew: true, fair: false, retry: 200 }
}

fn many(names: &[&str]) -> Result<MultiLock, Error> {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    MultiLock::open(&names, options())
}

fn wrong() {
    println!("{:?}", Semaphore::open("a", 0, options()).map(|_| ()));
    println!("{:?}", many(&[]).map(|_| ()));
    println!("{:?}", many(&["a", ""]).map(|_| ()));
    println!("{:?}", ReadWriteLock::open("a", Options { retry: 0, ..options() }).map(|_| ()));
}

/// Opens so many of each, until it is refused.
fn open_many(count: usize) {
    let opened = |mut open: Box<dyn FnMut(usize) -> Result<(), Error>>| {
        let refused = (0..count).find_map(|n| open(n).err().map(|why| (n, why)));
        println!("{refused:?}");
    };
    let (mut locks, mut semaphores, mut many_locks) = (Vec::new(), Vec::new(), Vec::new());
    opened(Box::new(move |n| ReadWriteLock::open(&format!("rw-{n}"), options()).map(|lock| locks.push(lock))));
    opened(Box::new(move |n| Semaphore::open(&format!("s-{n}"), 9, options()).map(|lock| semaphores.push(lock))));
    opened(Box::new(move |n| many(&[&format!("a-{n}"), &format!("b-{n}")]).map(|lock| many_locks.push(lock))));
}

async fn read_write(name: &str) {
    let lock = ReadWriteLock::open(name, options()).unwrap();
    let write = async || lock.write(Wait::None).await.map(|guard| guard.is_some());
    let (one, other) = (lock.read(Wait::None).await.unwrap().unwrap(), lock.read(Wait::None).await.unwrap().unwrap());
    println!("readers differ {}", one.fence() < other.fence());
    println!("write {:?}", write().await);
    println!("hand over {}", matches!(one.hand_over().await, Err(Error::Invalid(_))));
    println!("release {:?} {:?}", one.release().await, other.release().await);
    println!("locked {:?}", lock.is_locked().await);
    let writer = lock.write(Wait::UpTo(60_000)).await.unwrap().unwrap();
    println!("read {:?}", lock.read(Wait::UpTo(5)).await.map(|guard| guard.is_some()));
    println!("locked {:?}", lock.is_locked().await);
    println!("renew {:?}", writer.renew().await);
    drop(writer);
    println!("read after {:?}", lock.read(Wait::UpTo(60_000)).await.map(|guard| guard.is_some()));
}

async fn semaphore(name: &str) {
    let semaphore = Semaphore::open(name, 3, options()).unwrap();
    let permits: Vec<_> = join_all((0..3).map(|_| semaphore.acquire(Wait::Forever))).await;
    println!("available {:?}", semaphore.available().await);
    // One that waits gives its place up in the background, and until then a permit that comes back can be on its way to it.
    println!("a fourth {:?}", semaphore.acquire(Wait::None).await.map(|guard| guard.is_some()));
    for permit in &permits[..2] {
        println!("release {:?}", permit.as_ref().unwrap().as_ref().unwrap().release().await);
    }
    println!("available {:?}", semaphore.available().await);
    drop(permits);
    println!("all {:?}", join_all((0..3).map(|_| semaphore.acquire(Wait::UpTo(60_000)))).await.iter().all(Result::is_ok));
}

async fn multi(names: &[&str]) {
    let lock = many(names).unwrap();
    let Some(guard) = lock.acquire(Wait::None).await.unwrap() else { return println!("busy") };
    println!("again {:?}", lock.acquire(Wait::UpTo(5)).await.map(|guard| guard.is_some()));
    println!("held {:?}", guard.held().await);
    println!("extend {:?}", guard.extend(60_000).await);
    println!("over a lease {:?}", guard.remaining().await.map(|left| left > Some(30_000)));
    println!("renew {:?}", guard.renew().await);
    let fence = guard.fence();
    println!("release {:?}", guard.release().await);
    guard.lost().await;
    println!("release {:?}", guard.release().await);
    let next = lock.acquire(Wait::Forever).await.unwrap().unwrap();
    println!("fence rises {}", next.fence() > fence);
}

async fn hold_and_trap(name: &str) {
    let _reader = ReadWriteLock::open(name, options()).unwrap().read(Wait::None).await.unwrap().unwrap();
    let _permit = Semaphore::open(name, 1, options()).unwrap().acquire(Wait::None).await.unwrap().unwrap();
    let _both = many(&[name, "other"]).unwrap().acquire(Wait::None).await.unwrap().unwrap();
    panic!("trapped while holding locks of all kinds");
}
