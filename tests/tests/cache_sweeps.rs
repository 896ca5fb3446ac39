//! What goes over all keys of a server leaves it free for others, and misses nothing where another takes its place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use bellwether::Caches;
use bellwether::error::Error;
use bellwether::glob::Glob;
use bellwether::store::browse::{Browse, Seen};
use bellwether::store::{self, Store, StoreOptions};
use bellwether_tests::{Proxy, Server, ServerOptions, until};

const ENTRIES: usize = 100_000;

/// No command that the sweep sends may keep the server for longer, also where a machine is busy with much else.
const LONG: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_served_while_a_hundred_thousand_entries_are_deleted() {
    let slow = LONG.as_micros().to_string();
    let options = ServerOptions::default().with(&["slowlog-log-slower-than", &slow]);
    let server = tokio::task::spawn_blocking(|| Server::start_with(options)).await.unwrap().unwrap();
    let caches = Caches::new(store::open(&server.url(), &StoreOptions::default()).await.unwrap());
    let (swept, kept) = (caches.open("swept", None).unwrap(), caches.open("kept", None).unwrap());
    for batch in 0..ENTRIES / 5_000 {
        swept.set_many((0..5_000).map(|n| (format!("{batch}/{n}"), n)), None).await.unwrap();
    }
    kept.set("a", &1, None).await.unwrap();
    server.command::<()>(&["SLOWLOG", "RESET"]).unwrap();

    let over = Arc::new(AtomicBool::new(false));
    let mut connection = server.connection().unwrap();
    let other = std::thread::spawn({
        let over = Arc::clone(&over);
        move || {
            let mut times = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                let _: Vec<u8> = redis::cmd("GET").arg("cache:kept:a").query(&mut connection).unwrap();
                times.push(began.elapsed());
            }
            times.sort();
            times
        }
    });
    let began = Instant::now();
    let deleted = swept.delete_pattern("*").await.unwrap();
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    let times = other.join().unwrap();
    let p99 = times[times.len() * 99 / 100];
    println!("{deleted} deleted in {took:?}; meanwhile {} answers to another client, p99 {p99:?}", times.len());

    assert_eq!(deleted, ENTRIES as u64);
    assert_eq!(kept.get::<u8>("a").await.unwrap(), Some(1));
    // At least one between any two batches of the sweep.
    assert!(times.len() > ENTRIES / 500, "{} answers", times.len());
    let slow: u64 = server.command(&["SLOWLOG", "LEN"]).unwrap();
    assert_eq!(slow, 0, "{slow} commands took over {LONG:?}");
}

/// A primary, its replica, and a name for whichever of them is the primary, with as many entries as make many pages.
struct Pair {
    old: Server,
    new: Server,
    name: Proxy,
    store: Arc<dyn Store>,
}

const PAGES: u64 = 5_000;

impl Pair {
    async fn start() -> Self {
        let old = Server::start().unwrap();
        let new = Server::start_with(ServerOptions { replica_of: Some(old.port()), ..ServerOptions::default() }).unwrap();
        let name = Proxy::start(old.port()).unwrap();
        let address = format!("redis://127.0.0.1:{}", name.port());
        let store = store::open(&address, &StoreOptions::default()).await.unwrap();
        let cache = Caches::new(store.clone()).open("pages", None).unwrap();
        cache.set_many((0..PAGES).map(|n| (n.to_string(), n)), None).await.unwrap();
        until("the replica to have all", || Ok((new.command::<u64>(&["DBSIZE"])? == PAGES).then_some(()))).unwrap();
        Self { old, new, name, store }
    }

    /// Has them change places. The old one keeps its connections.
    fn fail_over(&self) {
        self.new.command::<()>(&["REPLICAOF", "NO", "ONE"]).unwrap();
        // It would have what the new one has at once.
        self.old.command::<()>(&["CONFIG", "SET", "masterauth", "wrong"]).unwrap();
        self.old.command::<()>(&["REPLICAOF", "127.0.0.1", &self.new.port().to_string()]).unwrap();
        self.name.lead_to(self.new.port());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_meets_another_server_deletes_what_is_there_too() {
    for last_page in [false, true] {
        let pair = Pair::start().await;
        let (once, seen) = (Once::new(), std::sync::atomic::AtomicU64::new(0));
        // The old one refuses to delete from then on, so requests go to the new one.
        let chosen = |_: &str| {
            if !last_page || seen.fetch_add(1, Ordering::Relaxed) + 1 == PAGES {
                once.call_once(|| pair.fail_over());
            }
            !last_page || once.is_completed()
        };
        let deleted = pair.store.delete_matching("cache:pages:", &Glob::any(), &chosen).await.unwrap();
        assert!(once.is_completed());
        assert_eq!(pair.new.command::<u64>(&["DBSIZE"]).unwrap(), 0, "were missed, of which {deleted} were deleted");
        assert_eq!(deleted, PAGES);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_lists_entries_says_so_when_it_meets_another_server() {
    let pair = Pair::start().await;
    let (runtime, mut met) = (tokio::runtime::Handle::current(), 0);
    let which = Browse { prefix: "cache:pages:", hint: &Glob::any(), chosen: &|_| true, closely: 0 };
    let mut tell = |batch: Vec<Seen>| {
        if met == 0 {
            pair.fail_over();
            pair.old.command::<u64>(&["CLIENT", "KILL", "TYPE", "normal"]).unwrap();
            // Once this has an answer, there is a new connection.
            let get = pair.store.get("cache:pages:0");
            std::thread::scope(|scope| scope.spawn(|| runtime.block_on(get)).join()).unwrap().unwrap();
        }
        met += batch.len();
        ControlFlow::Continue(())
    };
    let told = pair.store.browse(which, &mut tell).await;
    assert!(matches!(told, Err(Error::Unavailable(_))), "{told:?}, of {met} that were met");
}
