//! One of the processes that read. It tells on its standard output what it computes, a line for each beginning and end, and ends
//! with its standard input.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bellwether::cache::{Cache, CacheOptions, Caches, ComputeError, Herd};
use bellwether::error::Error;
use bellwether::store::{self, StoreOptions};
use tokio::task::JoinSet;

use crate::expiries::micros;

/// Has the address of the store in a process that is to read.
pub(crate) const STORE: &str = "BELLWETHER_TEST_READS";

/// The entry that is served while it is computed anew, the one that is gone by then, and one that is served too, but read by `get` and set
/// by whoever is told to compute it.
pub(crate) const ENTRIES: [&str; 3] = ["hot", "cold", SET];

const SET: &str = "set";

const CACHE: &str = "herd";

const READERS: usize = 64;

/// How long between two reads of a reader.
const PAUSE: Duration = Duration::from_millis(200);

/// How long it takes to compute the value.
const COMPUTES: Duration = Duration::from_millis(200);

pub(crate) const EXPIRES: Duration = Duration::from_secs(1);

/// How long somebody who computes may be silent: longer than this machine is likely to leave a process without a turn.
pub(crate) const LEASE: Duration = Duration::from_secs(3);

/// The reader, if this process was started as one.
#[test]
fn reads() {
    let Ok(url) = std::env::var(STORE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let reads = runtime.block_on(read(&url));
    println!("read {reads}");
}

/// The key of an entry in the store.
pub(crate) fn key(entry: &str) -> String {
    format!("cache:{CACHE}:{entry}")
}

async fn read(url: &str) -> u64 {
    let options = StoreOptions { connect_timeout: Duration::from_secs(20), response_timeout: Duration::from_secs(5) };
    let caches = Caches::new(store::open(url, &options).await.unwrap());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        stop.send_replace(true);
    });
    let (mut readers, reads) = (JoinSet::new(), Arc::new(AtomicU64::new(0)));
    let minute = Duration::from_mins(1);
    for (entry, herd_timeout) in ENTRIES.into_iter().zip([minute, Duration::from_millis(1), minute]) {
        let herd = Some(Herd { herd_timeout, extend_timeout: LEASE });
        let options = CacheOptions { herd, expire: Some(EXPIRES), ..CacheOptions::default() };
        let cache = caches.open(CACHE, Some(options)).unwrap();
        assert_eq!(cache.entry_key(entry).await.unwrap(), key(entry));
        for _ in 0..READERS {
            let (cache, reads, mut stopped) = (cache.clone(), reads.clone(), stopped.clone());
            readers.spawn(async move {
                let mut first = true;
                loop {
                    let reading = async {
                        // There is none for whom a `get` could compute what is not there at all.
                        if entry == SET && !first { served(&cache).await } else { value(&cache, entry).await }
                    };
                    tokio::select! {
                        () = reading => { reads.fetch_add(1, Ordering::Relaxed); }
                        _ = stopped.wait_for(|stopped| *stopped) => return,
                    }
                    first = false;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
    }
    readers.join_all().await;
    caches.settled().await;
    reads.load(Ordering::Relaxed)
}

async fn value(cache: &Cache, entry: &str) {
    let compute = || async { Ok::<u64, std::convert::Infallible>(computed(entry).await) };
    if let Err(ComputeError::Cache(error)) = cache.get_or_try_insert_with(entry, compute).await {
        println!("failed {entry}: {error}");
    }
}

/// A read that waits for nobody, and so fails where no server answers just then.
async fn served(cache: &Cache) {
    match cache.get::<u64>(SET).await {
        Ok(Some(_)) | Err(Error::Unavailable(_)) => {}
        Ok(None) => {
            let value = computed(SET).await;
            // What failed can be tried again, and is the answer to the same claim then.
            while let Err(error) = cache.set(SET, &value, None).await {
                if !matches!(error, Error::Unavailable(_)) {
                    return println!("failed {SET}: {error}");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Err(error) => println!("failed {SET}: {error}"),
    }
}

async fn computed(entry: &str) -> u64 {
    let began = micros();
    println!("began {entry} {began}");
    tokio::time::sleep(COMPUTES).await;
    println!("ended {entry} {began} {}", micros());
    began
}
