//! `--metrics`, scraped while the program runs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Child;

use bellwether_tests::component;

use crate::support::{bellwether, finish, has, redis, run, start, until};

/// What `GET /metrics` answers, once it does.
fn scrape(port: u16) -> String {
    let mut answer = String::new();
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return answer };
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn end(child: Child) {
    let sent = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
    finish(child);
}

#[test]
fn what_caches_do_is_served_while_a_guest_runs() {
    let probe = component::component("test-probe").unwrap();
    let port = free_port();
    let address = format!("127.0.0.1:{port}");
    let again = ["--repeat", "1000000", "--metrics", &address, "--", "cache", "set", "pages", "key", "value"];
    let child = bellwether(&[&["run", probe.to_str().unwrap()], &again[..]].concat())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let written = "bellwether_cache_writes_total{cache=\"other\"} ";
    until("an entry was written", || scrape(port).contains(written));
    let answer = scrape(port);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    for line in [
        "# TYPE bellwether_cache_operation_seconds histogram",
        "bellwether_cache_operation_seconds_bucket{cache=\"other\",operation=\"set\",le=\"+Inf\"} ",
        "# HELP bellwether_cache_written_bytes_total bytes of entries that went to the store",
    ] {
        assert!(answer.contains(line), "{line} in {answer}");
    }
    end(child);
}

#[test]
fn what_locks_do_is_served_while_a_command_runs() {
    let redis = redis();
    let port = free_port();
    let address = format!("localhost:{port}");
    let child = start(&redis.url(), &["lock", "l", "--metrics", &address, "--", "sleep", "60"]);
    until("the lock is held", || has(&redis, "l"));
    let acquired = "bellwether_lock_wait_seconds_count{kind=\"simple\",outcome=\"acquired\"} 1\n";
    until("that is served", || scrape(port).contains(acquired));
    end(child);
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let complaint = run(&["run", "guest.wasm", "--metrics", &address]).failed(71);
    assert!(complaint.contains(&address) && complaint.contains("in use"), "{complaint}");
    for wrong in ["9464", "no such host.invalid:1", "localhost"] {
        assert!(run(&["run", "guest.wasm", "--metrics", wrong]).failed(2).contains("HOST:PORT"), "{wrong}");
    }
}
