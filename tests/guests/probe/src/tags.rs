//! What can be done with tags.

use crate::bindings::bellwether::core::cache::{Cache, Error, Outcome, Vacancy};
use crate::caches::open;

pub(crate) async fn run(args: &[&str]) {
    match args {
        ["life", name] => life(name).await,
        ["limits", name] => limits(name).await,
        ["large", name] => large(name).await,
        ["many", name, count] => many(name, count.parse().unwrap()).await,
        ["set", name, tag] => println!("{:?}", open(name).set_tagged(key(), vec![1], None, None, tags(&[tag])).await),
        ["invalidate", name, tag] => match Cache::open(name, None) {
            Ok(cache) => println!("{:?}", cache.invalidate_tag((*tag).to_owned()).await),
            Err(why) => println!("open {why:?}"),
        },
        other => panic!("the probe cannot do {other:?} with tags"),
    }
}

fn key() -> String {
    "key".to_owned()
}

fn tags(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|&tag| tag.to_owned()).collect()
}

fn numbered(numbers: std::ops::Range<u8>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

async fn looked_up(cache: &Cache, tags: Vec<String>) -> Result<Vacancy, Error> {
    match cache.lookup_tagged(key(), None, 0, tags).await? {
        Outcome::Vacant(vacancy) => Ok(vacancy),
        Outcome::Hit(_) | Outcome::Busy | Outcome::Failed(_) => panic!("there is nothing to compute"),
    }
}

async fn vacant(cache: &Cache, tags: Vec<String>) -> Vacancy {
    looked_up(cache, tags).await.unwrap()
}

async fn life(name: &str) {
    let cache = open(name);
    let one = || vec![1];
    println!("set {:?}", cache.set_tagged(key(), one(), None, None, tags(&["x", "y", "x"])).await);
    println!("set {:?}", cache.set_many_tagged(vec![("other".to_owned(), one())], None, Some(60_000), tags(&["y"])).await);
    println!("get {:?}", cache.get(key(), None).await);
    println!("invalidate {:?}", cache.invalidate_tag("x".to_owned()).await);
    println!("invalidate {:?}", cache.invalidate_tag("x".to_owned()).await);
    println!("many {:?}", cache.get_many(vec![key(), "other".to_owned()], None).await);
    println!("exists {:?}", cache.exists(key(), None).await);
    let vacancy = vacant(&cache, tags(&["x"])).await;
    println!("fill {:?}", vacancy.fill_tagged(one(), None, tags(&["z"])).await);
    println!("invalidate {:?}", cache.invalidate_tag("z".to_owned()).await);
    let vacancy = vacant(&cache, tags(&["x"])).await;
    println!("invalidate {:?}", cache.invalidate_tag("x".to_owned()).await);
    println!("fill {:?}", vacancy.fill(one(), None).await);
    println!("get {:?}", cache.get(key(), None).await);
    println!("empty {:?}", cache.set_tagged(key(), one(), None, None, tags(&[""])).await);
    println!("long {:?}", cache.invalidate_tag("x".repeat(129)).await);
    let many = (0..17).map(|n| n.to_string()).collect();
    println!("many {:?}", cache.set_tagged(key(), one(), None, None, many).await);
}

/// Every call that takes tags, with too many and with one that is too long. Nothing comes of it.
async fn limits(name: &str) {
    let cache = open(name);
    let value = || vec![1];
    for (what, tags) in [("many", numbered(0..17)), ("long", vec!["x".repeat(129)])] {
        println!("{what} set {:?}", cache.set_tagged(key(), value(), None, None, tags.clone()).await);
        println!("{what} set-many {:?}", cache.set_many_tagged(vec![(key(), value())], None, None, tags.clone()).await);
        println!("{what} lookup {:?}", looked_up(&cache, tags.clone()).await.map(|_| ()));
        println!("exists {:?}", cache.exists(key(), None).await);
        let vacancy = vacant(&cache, numbered(0..15)).await;
        println!("{what} fill {:?}", vacancy.fill_tagged(value(), None, tags).await);
        println!("fill {:?}", vacancy.fill_tagged(value(), None, numbered(14..16)).await);
        println!("invalidate {:?}", cache.invalidate_tag("15".to_owned()).await);
        println!("get {:?}", cache.get(key(), None).await);
    }
}

/// Values that are too large, with tags.
async fn large(name: &str) {
    let cache = open(name);
    let large = || [&[0x5a, 0x01, 0x10, 0, 0][..], &vec![0; 0x0110_0000]].concat();
    println!("set {:?}", cache.set_tagged(key(), vec![1], None, None, tags(&["x"])).await);
    println!("large {:?}", cache.set_tagged(key(), large(), None, None, tags(&["y"])).await);
    println!("large {:?}", cache.set_many_tagged(vec![(key(), large())], None, None, tags(&["y"])).await);
    println!("get {:?}", cache.get(key(), None).await);
    println!("invalidate {:?}", cache.invalidate_tag("x".to_owned()).await);
    println!("get {:?}", cache.get(key(), None).await);
    let vacancy = vacant(&cache, tags(&["x"])).await;
    println!("large {:?}", vacancy.fill_tagged(large(), None, tags(&["y"])).await);
    println!("fill {:?}", vacancy.fill_tagged(vec![2], None, tags(&["y"])).await);
    println!("get {:?}", cache.get(key(), None).await);
}

/// So many tags of 100 bytes in one call.
async fn many(name: &str, count: usize) {
    let tags = (0..count).map(|number| format!("{number:0100}")).collect();
    println!("{:?}", open(name).set_tagged(key(), vec![1], None, None, tags).await);
}
