//! What goes over all keys of a server leaves it free for others.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bellwether::Caches;
use bellwether::store::{self, StoreOptions};
use bellwether_tests::{Server, ServerOptions};

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
