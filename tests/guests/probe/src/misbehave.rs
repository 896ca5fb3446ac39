//! What no guest should do.

use std::time::{Duration, Instant};

use futures_util::future::{join_all, join3};

use crate::bindings::bellwether::core::cache::{Cache, Error};
use crate::bindings::bellwether::core::lock::Wait;
use crate::locks;

pub(crate) async fn run(args: &[&str]) {
    match args {
        ["loop"] => endless(),
        ["trap"] => panic!("trapped as told"),
        ["allocate"] => allocate(),
        ["overflow"] => println!("{}", overflow(0)),
        ["open", count] => open(count.parse().unwrap()),
        ["call", count] => call(count.parse().unwrap()).await,
        ["hoard", count] => hoard(count.parse().unwrap()).await,
        ["hand-in", count, bytes] => hand_in(count.parse().unwrap(), bytes.parse().unwrap()).await,
        ["print"] => loop {
            println!("and on and on and on");
        },
        other => panic!("the probe cannot {other:?}"),
    }
}

fn endless() {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

fn allocate() {
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        kept.push(std::hint::black_box(vec![1; 1 << 20]));
    }
}

#[allow(unconditional_recursion, reason = "to overflow the stack")]
fn overflow(depth: u64) -> u64 {
    std::hint::black_box(overflow(std::hint::black_box(depth + 1)) + 1)
}

/// Opens locks until it is refused.
fn open(count: usize) {
    let mut kept = Vec::new();
    for n in 0..count {
        match locks::open(&format!("lock-{n}")) {
            Ok(lock) => kept.push(lock),
            Err(why) => return println!("{n} opened, then {why:?}"),
        }
    }
    println!("{} opened", kept.len());
}

/// So many waits for a lock that never comes, each of them a call in flight.
async fn call(count: usize) {
    let lock = locks::open("calls").unwrap();
    let guard = locks::acquire("calls").await;
    let waits = (0..count).map(|_| lock.acquire(Wait::UpTo(300)));
    let answers = join_all(waits).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    println!("{} waited, {} refused: {:?}", count - refused.len(), refused.len(), refused.first());
    guard.release().await.unwrap();
}

/// So many calls, and after a while as many more, without a look at the answers to the first.
async fn hoard(count: usize) {
    let cache = Cache::open("hoard", None).unwrap();
    let calls = || join_all((0..count).map(|n| cache.get(format!("key-{n}"), None)));
    let waiting = async {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(1) {}
    };
    let (first, (), second) = join3(calls(), waiting, calls()).await;
    let refused = |answers: &[Result<_, Error>]| answers.iter().filter(|answer| matches!(answer, Err(Error::Limit(_)))).count();
    println!("refused {} and {}", refused(&first), refused(&second));
}

/// So many values of so many bytes at once, from one buffer.
async fn hand_in(count: usize, bytes: u32) {
    let cache = Cache::open("large", None).unwrap();
    let value = [&[0x5a][..], &bytes.to_be_bytes(), &vec![7; bytes as usize]].concat();
    let sets = (0..count).map(|n| cache.set(format!("key-{n}"), value.clone(), None, None));
    let answers = join_all(sets).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    println!("{} refused: {:?}", refused.len(), refused.first());
}
