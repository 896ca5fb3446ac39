//! Clients whose wall clocks are an hour off: what they keep in caches and which locks they have is all on the server's clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod client;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bellwether_tests::Server;
use bellwether_tests::commands::Counting;
use client::Client;

const HOUR: i64 = 3_600;

/// How long anything may take on a machine that does much else.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits for the lock for longer than its lease.
const LONGER: &str = "wait 2300";

/// One whose clock is ahead, one whose is right, and one whose is behind; none where no clock can be set.
fn clients(server: &Server) -> Option<[Client; 3]> {
    let Some(library) = bellwether_tests::clock::faketime() else {
        eprintln!("left out: no clock is set, as libfaketime is not installed");
        return None;
    };
    let mut clients = [HOUR, 0, -HOUR].map(|seconds| Client::start(&server.url(), library, seconds));
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    for (client, off) in clients.iter_mut().zip([HOUR, 0, -HOUR]) {
        let shown: i64 = client.ask("clock").parse().unwrap();
        assert!((shown - now - off).abs() < 60, "it is {now}, and one that is {off} s off shows {shown}");
    }
    Some(clients)
}

/// Asks again and again until a client gives this; until then it may give only the other.
fn until(client: &mut Client, order: &str, wanted: &str, before: &str) {
    let end = Instant::now() + PATIENCE;
    loop {
        let given = client.ask(order);
        if given == wanted {
            return;
        }
        assert_eq!(given, before, "{order}");
        assert!(Instant::now() < end, "{order} does not give {wanted}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_entry_is_due_by_the_clock_of_the_server_and_computed_by_one() {
    let server = Server::start().unwrap();
    let Some(mut clients) = clients(&server) else { return };
    // Each sets one, and each finds it due by itself: they go by the server's clock.
    for (setter, finder) in [(0, 0), (1, 0), (2, 0), (0, 1), (2, 1), (0, 2), (1, 2), (2, 2)] {
        let key = format!("{setter}-{finder}");
        assert_eq!(clients[setter].ask(&format!("set {key} 1")), "done");
        let left: u64 = clients[finder].ask(&format!("ttl {key}")).parse().unwrap();
        assert!((30_000..=client::EXPIRES + 60_000).contains(&left), "{left} ms are left");
        let get = format!("get {key}");
        let began = Instant::now();
        until(&mut clients[finder], &get, "none", "1");
        assert!(began.elapsed() > Duration::from_millis(client::EXPIRES / 2), "it was due after {:?}", began.elapsed());
        for client in &mut clients {
            assert_eq!(client.ask(&get), "1", "somebody computes it");
        }
        assert_eq!(clients[finder].ask(&format!("set {key} 2")), "done");
        for client in &mut clients {
            assert_eq!(client.ask(&get), "2");
        }
    }
    // What is not there at all.
    for computer in 0..3 {
        let key = format!("absent-{computer}");
        assert_eq!(clients[computer].ask(&format!("lookup {key}")), "vacant");
        for client in &mut clients {
            assert_eq!(client.ask(&format!("lookup {key}")), "busy");
        }
        assert_eq!(clients[computer].ask(&format!("fill {key} 3")), "true");
        for client in &mut clients {
            assert_eq!(client.ask(&format!("lookup {key}")), "3");
        }
    }
}

#[test]
fn whoever_is_ahead_asks_for_no_claim_before_an_entry_is_due() {
    let server = Server::start().unwrap();
    let Some([mut ahead, mut right, _]) = clients(&server) else { return };
    assert_eq!(right.ask("set-long key 1"), "done");
    assert_eq!(ahead.ask("get key"), "1");
    let mut counting = Counting::on(&server).unwrap();
    assert_eq!(ahead.ask("get key"), "1");
    let commands = counting.so_far().unwrap();
    assert_eq!((commands.of("get"), commands.of("evalsha")), (1, 0), "{commands}");
}

#[test]
fn a_lock_is_held_by_one_for_its_lease_and_fences_rise() {
    let server = Server::start().unwrap();
    let Some(mut clients) = clients(&server) else { return };
    let mut last = 0;
    for (holder, others) in [(0, [1, 2]), (2, [1, 0]), (1, [2, 0])] {
        let fence: u64 = clients[holder].ask("acquire").parse().unwrap();
        assert!(fence > last, "{fence} after {last}");
        last = fence;
        assert_eq!(clients[others[0]].ask("acquire"), "busy");
        assert_eq!(clients[others[1]].ask(LONGER), "busy", "the lease is renewed");
        assert_eq!(clients[holder].ask("held"), "true");
        assert_eq!(clients[holder].ask("release"), "done");
    }
    for (holder, next) in [(0, 2), (2, 0), (1, 0)] {
        let fence: u64 = clients[holder].ask("acquire-unrenewed").parse().unwrap();
        assert!(fence > last, "{fence} after {last}");
        last = clients[next].ask("wait 60000").parse().unwrap();
        assert!(last > fence, "{last} after {fence}");
        assert_eq!(clients[holder].ask("held"), "false", "its lease has ended");
        assert_eq!(clients[next].ask("release"), "done");
    }
}
