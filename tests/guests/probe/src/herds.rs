//! Who computes an entry.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use crate::bindings::bellwether::core::cache::{Cache, Found, Herd, Options, Outcome, Stage, Vacancy};
use crate::misbehave;

pub(crate) async fn run(args: &[&str]) {
    match args {
        ["once", name, count] => once(name, count.parse().unwrap()).await,
        ["hold-and", end, name] => {
            let _kept = vacancy(&open(name), "key").await;
            misbehave::run(&[end]).await;
        }
        ["drop", name] => drop(vacancy(&open(name), "key").await),
        ["look", name, wait] => println!("{}", look(name, wait.parse().unwrap()).await),
        ["fail", name] => {
            let kept = vacancy(&open(name), "key").await;
            println!("fail {:?}", kept.fail("no luck".to_owned(), 3_600_000).await);
            println!("fail {:?}", kept.fail("again".to_owned(), 3_600_000).await);
            match open(name).lookup_or_failure("key".to_owned(), None, 0).await {
                Ok(Outcome::Failed(why)) => println!("failed {why}"),
                other => println!("{:?}", other.map(|_| "something else")),
            }
        }
        ["failed", name, size] => failed(name, "x".repeat(size.parse().unwrap())).await,
        ["failed-often", name, count] => failed_often(name, count.parse().unwrap()).await,
        ["failed-cancelled", name] => failed_cancelled(name).await,
        ["void", name] => void(name).await,
        ["stale", name] => stale(name).await,
        ["leave", name] => leave(name).await,
        ["options", herd, extend] => options(herd.parse().unwrap(), extend.parse().unwrap()),
        ["many", name, count] => many(name, count.parse().unwrap()).await,
        other => panic!("the probe cannot do {other:?} with herds"),
    }
}

fn open(name: &str) -> Cache {
    Cache::open(name, None).unwrap()
}

async fn vacancy(cache: &Cache, key: &str) -> Vacancy {
    match cache.lookup(key.to_owned(), None, 60_000).await.unwrap() {
        Found::Vacant(vacancy) => vacancy,
        Found::Hit(_) | Found::Busy => panic!("there is nothing to compute"),
    }
}

async fn look(name: &str, wait: u64) -> String {
    match open(name).lookup("key".to_owned(), None, wait).await {
        Ok(Found::Hit(value)) => format!("hit {value:?}"),
        Ok(Found::Vacant(vacancy)) => format!("fill {:?}", vacancy.fill(vec![1], None).await),
        Ok(Found::Busy) => "busy".to_owned(),
        Err(why) => format!("{why:?}"),
    }
}

/// So many want it at once; one computes, and another one takes a while to.
async fn once(name: &str, count: usize) {
    let cache = open(name);
    let one = async || match cache.lookup("key".to_owned(), None, 60_000).await.unwrap() {
        Found::Hit(value) => (0, value),
        Found::Vacant(vacancy) => {
            assert!(matches!(cache.lookup("key".to_owned(), None, 20).await, Ok(Found::Busy)));
            assert!(vacancy.fill(vec![7], None).await.unwrap());
            (1, vec![7])
        }
        Found::Busy => panic!("nobody needs a minute"),
    };
    let answers = join_all((0..count).map(|_| one())).await;
    let right = answers.iter().filter(|(_, value)| *value == [7]).count();
    println!("{} computed, {right} have it", answers.iter().map(|(computed, _)| computed).sum::<usize>());
}

/// What the platform makes of a computation that failed, and of one that did not.
async fn failed(name: &str, why: String) {
    let cache = open(name);
    let size = why.len();
    println!("failed {:?}", Vacancy::computation_failed(vacancy(&cache, "key").await, why).await);
    match cache.lookup_or_failure("key".to_owned(), None, 60_000).await.unwrap() {
        Outcome::Failed(why) => println!("told {} of {size}", why.len()),
        Outcome::Vacant(vacancy) => {
            println!("fill {:?}", vacancy.fill(vec![1], None).await);
            println!("failed {:?}", Vacancy::computation_failed(vacancy, String::new()).await);
            println!("get {:?}", cache.get("key".to_owned(), None).await);
        }
        Outcome::Hit(_) | Outcome::Busy => println!("something else"),
    }
}

/// Fails so many times, and keeps nothing.
async fn failed_often(name: &str, count: usize) {
    let cache = open(name);
    for n in 0..count {
        let failed = Vacancy::computation_failed(vacancy(&cache, &n.to_string()).await, "no luck".to_owned()).await;
        assert_eq!(failed.unwrap(), None);
    }
    println!("failed {count} times");
}

/// Lets go of the call while it is under way.
async fn failed_cancelled(name: &str) {
    let cache = open(name);
    let answered = Vacancy::computation_failed(vacancy(&cache, "key").await, "no luck".to_owned()).now_or_never().is_some();
    match cache.lookup_or_failure("key".to_owned(), None, 60_000).await.unwrap() {
        Outcome::Failed(_) => println!("noted"),
        Outcome::Vacant(_) if !answered => println!("given up"),
        Outcome::Vacant(_) | Outcome::Hit(_) | Outcome::Busy => println!("something else"),
    }
}

async fn void(name: &str) {
    let cache = open(name);
    let first = vacancy(&cache, "key").await;
    println!("delete {:?}", cache.delete("key".to_owned(), None).await);
    let second = vacancy(&cache, "key").await;
    println!("fill {:?}", first.fill(vec![1], None).await);
    println!("get {:?}", cache.get("key".to_owned(), None).await);
    println!("exists {:?}", cache.exists("key".to_owned(), None).await);
    println!("fill {:?}", second.fill(vec![0xff], None).await.is_err());
    println!("fill {:?}", second.fill(vec![2], Some(3_600_000)).await);
    println!("fill {:?}", second.fill(vec![3], None).await);
    println!("get {:?}", cache.get("key".to_owned(), None).await);
}

fn herded(herd_timeout: u64, extend_timeout: u64) -> Options {
    let herd = Some(Herd { herd_timeout, extend_timeout });
    Options { herd, expire: Some(30), identity: Stage::Default, serializer: Stage::Default, compressor: Stage::Default }
}

/// Reads what is due, computes until there is an answer, and does not take it.
async fn leave(name: &str) {
    let cache = Cache::open(name, Some(&herded(3_600_000, 3_600_000))).unwrap();
    let compute = |time| {
        let began = Instant::now();
        while began.elapsed() < time {}
    };
    // Now and then an answer is there before the call has returned.
    for key in 0.. {
        cache.set(key.to_string(), vec![1], None, None).await.unwrap();
        compute(Duration::from_millis(40));
        let mut reading = Box::pin(cache.get(key.to_string(), None));
        if (&mut reading).now_or_never().is_none() {
            compute(Duration::from_millis(300));
            drop(reading);
            println!("{key}");
            return;
        }
    }
}

/// The first who reads it after its expiry gets nothing, and the others the old value.
async fn stale(name: &str) {
    let cache = Cache::open(name, Some(&herded(60_000, 60_000))).unwrap();
    let get = async || cache.get("key".to_owned(), None).await.unwrap();
    cache.set("key".to_owned(), vec![1], None, None).await.unwrap();
    let mut hits = 0;
    while get().await.is_some() {
        hits += 1;
    }
    println!("{}, then none", if hits > 0 { "the value" } else { "nothing" });
    println!("others {:?}", get().await);
    println!("many {:?}", cache.get_many(vec!["key".to_owned(), "none".to_owned()], None).await);
    println!("set {:?}", cache.set("key".to_owned(), vec![2], None, Some(60_000)).await);
    println!("get {:?}", get().await);
}

fn options(herd: u64, extend: u64) {
    println!("{:?}", Cache::open("herd", Some(&herded(herd, extend))).map(|_| ()));
}

/// Takes so many vacancies.
async fn many(name: &str, count: usize) {
    let cache = open(name);
    let mut kept = Vec::new();
    for n in 0..count {
        match cache.lookup(format!("key-{n}"), None, 0).await {
            Ok(Found::Vacant(vacancy)) => kept.push(vacancy),
            Ok(Found::Hit(_) | Found::Busy) => panic!("there is something"),
            Err(why) => return println!("{n} taken, then {why:?}"),
        }
    }
    println!("{} taken", kept.len());
}
