//! A guest that is built against version 0.1.0 of the contract, as it is kept in `wit/previous/0.1.0`, and prints what comes of
//! everything in it.
//!
//! It does not change as long as guests of that version are to run.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a trap is how a test guest fails, and lines are how it tells")]

#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated code")]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/previous/0.1.0", world: "guest" });
    // Native linkers refuse the names of these exports.
    #[cfg(target_family = "wasm")]
    export!(Old with_types_in self);
    #[cfg(target_family = "wasm")]
    use super::Old;
}

use bindings::bellwether::core::cache::{self, Cache, Found};
use bindings::bellwether::core::lock::{Error, Kind, Lock, Options, Wait};

struct Old;

impl bindings::exports::wasi::cli::run::Guest for Old {
    async fn run() -> Result<(), ()> {
        match std::env::args().nth(1).as_deref() {
            Some("lock") => locks().await,
            Some("cache") => caches().await,
            _ => return Err(()),
        }
        Ok(())
    }
}

fn options() -> Options {
    Options { kind: Kind::Simple, lease: Some(30_000), renew: true, fair: false, retry: 200 }
}

async fn locks() {
    let lock = Lock::open("old", options()).unwrap();
    println!("locked {:?}", lock.is_locked().await);
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    println!("again {:?}", lock.acquire(Wait::UpTo(5)).await.map(|guard| guard.is_some()));
    println!("held {:?}", guard.held().await);
    println!("extend {:?}", guard.extend(60_000).await);
    println!("over a lease {:?}", guard.remaining().await.map(|left| left > Some(30_000)));
    println!("renew {:?}", guard.renew().await);

    let fence = guard.fence();
    let token = guard.hand_over().await.unwrap();
    println!("held after the hand-over {:?}", guard.held().await);
    let adopted = lock.adopt(token.clone()).await.unwrap();
    println!("fence rises {}", adopted.fence() > fence);
    println!("release {:?}", adopted.release().await);
    adopted.lost().await;
    println!("adopt again {:?}", lock.adopt(token).await.map(|_| ()));

    drop(lock.acquire(Wait::Forever).await.unwrap().unwrap());
    println!("after a drop {:?}", lock.acquire(Wait::UpTo(60_000)).await.map(|guard| guard.is_some()));
    let wrong = Lock::open("old", Options { retry: 0, ..options() }).map(|_| ());
    println!("no retry {}", matches!(wrong, Err(Error::Invalid(_))));
}

async fn caches() {
    let options = cache::Options {
        herd: None,
        expire: Some(60_000),
        identity: cache::Stage::Default,
        serializer: cache::Stage::Named("json".to_owned()),
        compressor: cache::Stage::None,
    };
    let cache = Cache::open("old", Some(&options)).unwrap();
    let (key, one, two) = (|| "one".to_owned(), vec![0x01], vec![0x02]);
    println!("set {:?}", cache.set(key(), one.clone(), None, None).await);
    println!("get {:?}", cache.get(key(), None).await);
    println!("ttl {}", matches!(cache.ttl(key(), None).await, Ok(cache::TimeToLive::Remaining(1..=60_000))));
    println!("set many {:?}", cache.set_many(vec![("two".to_owned(), two.clone())], Some(one.clone()), None).await);
    println!("get many {:?}", cache.get_many(vec!["two".to_owned(), key()], Some(one.clone())).await);
    println!("delete many {:?}", cache.delete_many(vec!["two".to_owned()], Some(one)).await);
    println!("exists {:?}", cache.exists("two".to_owned(), None).await);
    println!("delete {:?}", cache.delete(key(), None).await);
    println!("delete pattern {:?}", cache.delete_pattern("*".to_owned()).await);
    // Whether a lookup is answered is up to the host; that it can be asked is what 0.1.0 promises.
    let looked_up = cache.lookup(key(), None, 0).await;
    if let Ok(Found::Vacant(vacancy)) = looked_up {
        println!("fill {:?}", vacancy.fill(two, None).await);
    }
}
