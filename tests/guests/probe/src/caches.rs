//! What can be done with caches.

use std::time::{Duration, Instant};

use futures_util::future::{join_all, join3};

use crate::bindings::bellwether::core::cache::{Cache, Error, Found, Options, Stage};

pub(crate) async fn run(args: &[&str]) {
    match args {
        ["open", name] => println!("{:?}", Cache::open(name, None).map(|_| ())),
        ["stages", identity, serializer, compressor] => stages(identity, serializer, compressor).await,
        ["get", name, key] => println!("{:?}", open(name).get((*key).to_owned(), None).await),
        ["set", name, key, text] => println!("{:?}", open(name).set((*key).to_owned(), text_item(text), None, None).await),
        ["life", name] => life(name).await,
        ["many", name] => many(name).await,
        ["content", name] => content(name).await,
        ["null", name] => null(name).await,
        ["invalid", name] => invalid(name).await,
        ["compute", name, millis] => compute(name, Duration::from_millis(millis.parse().unwrap())).await,
        ["concurrent", name, count] => concurrent(name, count.parse().unwrap()).await,
        other => panic!("the probe cannot do {other:?} with caches"),
    }
}

pub(crate) fn open(name: &str) -> Cache {
    Cache::open(name, None).unwrap()
}

/// A text of up to 23 bytes as CBOR.
fn text_item(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|&length| length < 24).expect("a short text");
    [&[0x60 + length], text.as_bytes()].concat()
}

async fn stages(identity: &str, serializer: &str, compressor: &str) {
    let stage = |name: &str| match name {
        "default" => Stage::Default,
        "none" => Stage::None,
        name => Stage::Named(name.to_owned()),
    };
    let options = Options {
        herd: None,
        expire: None,
        identity: stage(identity),
        serializer: stage(serializer),
        compressor: stage(compressor),
    };
    match Cache::open("stages", Some(&options)) {
        Err(why) => println!("open {why:?}"),
        Ok(cache) => {
            println!("set {:?}", cache.set("key".to_owned(), text_item("value"), None, None).await);
            println!("get {:?}", cache.get("key".to_owned(), None).await.map(|value| value == Some(text_item("value"))));
        }
    }
}

async fn life(name: &str) {
    let cache = open(name);
    let key = || "key".to_owned();
    println!("get {:?}", cache.get(key(), None).await);
    println!("ttl {:?}", cache.ttl(key(), None).await);
    println!("set {:?}", cache.set(key(), text_item("value"), None, None).await);
    println!("get {:?}", cache.get(key(), None).await.map(|value| value == Some(text_item("value"))));
    println!("ttl {:?}", cache.ttl(key(), None).await);
    println!("set {:?}", cache.set(key(), text_item("other"), None, Some(3_600_000)).await);
    println!("ttl {}", format!("{:?}", cache.ttl(key(), None).await).starts_with("Ok(TimeToLive::Remaining(3"));
    println!("exists {:?}", cache.exists(key(), None).await);
    println!("delete {:?}", cache.delete(key(), None).await);
    println!("delete {:?}", cache.delete(key(), None).await);
    println!("exists {:?}", cache.exists(key(), None).await);
}

async fn many(name: &str) {
    let cache = open(name);
    let keys = || (0..5).map(|n| format!("key-{n}")).collect::<Vec<_>>();
    let entries = (1..4).map(|n| (format!("key-{n}"), text_item(&n.to_string()))).collect::<Vec<_>>();
    println!("set {:?}", cache.set_many(entries, None, None).await);
    println!("get {:?}", cache.get_many(keys(), None).await);
    println!("delete {:?}", cache.delete_many(keys().into_iter().take(2).collect(), None).await);
    println!("pattern {:?}", cache.delete_pattern("key-*".to_owned()).await);
    println!("none {:?}", cache.get_many(keys(), None).await.map(|values| values.iter().all(Option::is_none)));
}

/// `{"a": 1, "b": 2}` in both orders is one content.
async fn content(name: &str) {
    let cache = open(name);
    let one = vec![0xa2, 0x61, b'a', 1, 0x61, b'b', 2];
    let other = vec![0xa2, 0x61, b'b', 2, 0x61, b'a', 1];
    println!("set {:?}", cache.set("key".to_owned(), text_item("value"), Some(one), None).await);
    println!("same {:?}", cache.exists("key".to_owned(), Some(other)).await);
    println!("without {:?}", cache.exists("key".to_owned(), None).await);
}

async fn null(name: &str) {
    let cache = open(name);
    println!("set {:?}", cache.set("key".to_owned(), vec![0xf6], None, None).await);
    println!("get {:?}", cache.get("key".to_owned(), None).await);
}

async fn invalid(name: &str) {
    let cache = open(name);
    let set = async |key: &str, value: Vec<u8>| -> Result<(), Error> { cache.set(key.to_owned(), value, None, None).await };
    println!("truncated {:?}", set("key", vec![0x82, 1]).await);
    println!("trailing {:?}", set("key", vec![1, 2]).await);
    println!("empty {:?}", set("key", Vec::new()).await);
    println!("content {:?}", cache.get("key".to_owned(), Some(vec![0xff])).await);
    println!("no key {:?}", set("", vec![1]).await);
    println!("long key {:?}", set(&"k".repeat(10_000_000), vec![1]).await);
    let large = [&[0x5a, 0x01, 0x10, 0, 0][..], &vec![0; 0x0110_0000]].concat();
    println!("large value {:?}", set("key", large).await);
    println!("pattern {:?}", cache.delete_pattern("[a".to_owned()).await);
    println!("nothing {:?}", cache.exists("key".to_owned(), None).await);
}

/// Computes while calls are under way, and lets nobody ask for their answers meanwhile.
async fn compute(name: &str, time: Duration) {
    let cache = open(name);
    let computing = async {
        let began = Instant::now();
        while began.elapsed() < time {}
    };
    let (set, lookup) = (cache.set("key".to_owned(), vec![0xf6], None, None), cache.lookup("other".to_owned(), None, 0));
    let (set, found, ()) = join3(set, lookup, computing).await;
    println!("set {set:?}, lookup {}", matches!(found, Ok(Found::Vacant(_))));
}

/// All of them in flight at once.
async fn concurrent(name: &str, count: usize) {
    let cache = open(name);
    let sets = (0..count).map(|n| cache.set(format!("key-{n}"), text_item(&n.to_string()), None, None));
    println!("set {}", join_all(sets).await.iter().filter(|answer| answer.is_ok()).count());
    let gets = (0..count).map(|n| cache.get(format!("key-{n}"), None));
    let answers = join_all(gets).await;
    let right = answers
        .into_iter()
        .enumerate()
        .filter(|(n, value)| matches!(value, Ok(Some(value)) if *value == text_item(&n.to_string())));
    println!("get {}", right.count());
}
