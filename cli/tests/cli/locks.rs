//! `locks` on real servers.

use std::io::{Read, Write};
use std::process::{Child, Stdio};

use bellwether_tests::{Cluster, Server};
use serde_json::Value;

use crate::support::{bellwether, finish, has, on, redis, start, until};

/// Holds a lock until its input ends.
fn hold(redis: &Server, holder: &str, name: &str, options: &[&str]) -> Child {
    let script = ["--", "sh", "-c", "read line; exit 0"];
    let args: Vec<_> = ["lock", "--holder", holder].iter().chain(options).chain([&name]).chain(&script).copied().collect();
    let mut command = bellwether(&args);
    let child = command.env("BELLWETHER_STORE", redis.url()).stdin(Stdio::piped()).spawn().expect("the program starts");
    until("the lock is held", || has(redis, name));
    child
}

pub(crate) fn listed(store: &str, args: &[&str]) -> Vec<Value> {
    let args: Vec<_> = ["locks", "--json"].iter().chain(args).copied().collect();
    let printed: Value = serde_json::from_str(&on(store, &args).ok()).expect("it is JSON");
    printed["locks"].as_array().expect("there is a list").clone()
}

#[test]
fn held_locks_are_listed_with_holder_fence_and_lease() {
    let redis = redis();
    let store = &redis.url();
    assert_eq!(on(store, &["locks"]).ok(), "");
    assert_eq!(on(store, &["locks", "--json"]).ok(), "{\"locks\":[]}\n");
    let (one, two) = (hold(&redis, "web-1", "nightly", &["--lease", "10m"]), hold(&redis, "web-2", "a:job", &[]));
    on(store, &["lock", "released", "--", "true"]).ok();

    let table = on(store, &["locks"]).ok();
    let lines: Vec<Vec<_>> =
        table.lines().map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert_eq!(lines[0], ["LOCK", "KIND", "HELD BY", "HOLDS", "FENCE", "LEASE LEFT", "WAITERS"]);
    assert!(lines[1][..2] == ["a:job", "lock"] && lines[1][2].starts_with("web-2 [") && lines[1][3] == "all", "{table}");
    assert!(lines[2][0] == "nightly" && lines[2][5].starts_with("9m"), "{table}");

    let listed = listed(store, &["--prefix", "a:"]);
    assert_eq!(listed.len(), 1);
    let job = &listed[0];
    assert_eq!((job["name"].as_str(), job["kind"].as_str(), job["waiters"].as_u64()), (Some("job"), Some("lock"), Some(0)));
    let holder = &job["holders"][0];
    assert!(holder["holder"] == "web-2" && holder["holds"] == "all" && holder["fence"] == job["fence"], "{job}");
    assert!(job["fence"].as_u64().unwrap() > 1_000_000_000_000_000 && holder["lease_ms"].as_u64().unwrap() <= 30_000, "{job}");
    let token = redis.command::<String>(&["GET", "a:job"]).unwrap();
    assert!(!table.contains(&token[..8]) && !job.to_string().contains(&token[..8]), "the secret is shown: {table} {job}");
    for child in [one, two] {
        assert_eq!(finish(child).status, 0);
    }
}

#[test]
fn a_lock_has_its_program_for_a_holder_unless_told_otherwise() {
    let redis = redis();
    let command = ["lock", "job", "--", "sh", "-c", "read line"];
    let child = bellwether(&command).env("BELLWETHER_STORE", redis.url()).stdin(Stdio::piped()).spawn().unwrap();
    until("the lock is held", || has(&redis, "job"));
    let holder = listed(&redis.url(), &[])[0]["holders"][0]["holder"].as_str().unwrap().to_owned();
    assert!(holder.ends_with(&format!(":{}", child.id())), "{holder}");
    assert_eq!(finish(child).status, 1, "read finds no line");
}

#[test]
fn a_broken_lock_ends_its_command_and_its_fence_has_risen() {
    let redis = redis();
    let store = &redis.url();
    let holder = hold(&redis, "web-1", "job", &["--lease", "1s"]);
    let before = listed(store, &[])[0]["fence"].as_u64().unwrap();
    let told = on(store, &["locks", "break", "job", "--yes"]).ok();
    let fence: u64 = told
        .strip_prefix("broken: \"job\" was held by web-1 [")
        .and_then(|rest| rest.split_once("fences up to "))
        .and_then(|(_, rest)| rest.strip_suffix(" are stale\n"))
        .unwrap_or_else(|| panic!("{told}"))
        .parse()
        .unwrap();
    assert!(fence > before);
    let printed = on(store, &["lock", "job", "--no-wait", "--", "sh", "-c", "echo $BELLWETHER_FENCE"]).ok();
    assert!(printed.trim_end().parse::<u64>().unwrap() > fence);
    let ended = finish_lost(holder);
    assert!(ended.contains("the lock \"job\" was lost while the command ran"), "{ended}");
    assert_eq!(on(store, &["locks", "break", "job", "--yes"]).failed(1), "bellwether: nobody holds the lock \"job\"\n");
}

#[test]
fn who_waits_is_counted_and_has_the_lock_once_it_is_broken() {
    let redis = redis();
    let store = &redis.url();
    let holder = hold(&redis, "web-1", "job", &[]);
    let waiter = start(store, &["lock", "job", "--holder", "web-2", "--", "sh", "-c", "echo $BELLWETHER_FENCE"]);
    until("the waiter stands in the queue", || listed(store, &[])[0]["waiters"] == 1);
    // Its place is taken before it can be told of a grant.
    until("the waiter listens", || !redis.command::<Vec<String>>(&["PUBSUB", "CHANNELS", "*job*"]).unwrap().is_empty());
    let told = on(store, &["locks", "break", "job", "--yes", "--json"]).ok();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["was"]["holders"][0]["holder"] == "web-1" && told["was"]["waiters"] == 1 && told["handed_on"] == true, "{told}");
    let fence: u64 = finish(waiter).ok().trim_end().parse().unwrap();
    assert!(fence > told["fence"].as_u64().unwrap());
    assert_eq!(finish(holder).status, 79);
}

/// The complaint of a program that lost its lock.
fn finish_lost(mut child: Child) -> String {
    // Kept open, so that only the loss ends the command.
    let stdin = child.stdin.take();
    let ended = finish(child).failed(79);
    drop(stdin);
    ended
}

#[test]
fn another_programs_lock_is_broken_too() {
    let redis = redis();
    let store = &redis.url();
    on(store, &["lock", "job", "--", "true"]).ok();
    redis.command::<()>(&["SET", "job", "550e8400 another's \u{1b}[31m", "NX"]).unwrap();
    let seen = &listed(store, &[])[0]["holders"][0];
    assert!(seen["holder"].is_null() && seen["lease_ms"].is_null(), "{seen}");
    let digits = seen["fingerprint"].as_str().unwrap();
    assert!(on(store, &["locks", "break", "job", "--yes", "--fingerprint", "0123abcd"]).failed(75).contains("nothing was done"));
    let told = on(store, &["locks", "break", "job", "--yes", "--fingerprint", digits, "--json"]).ok();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["broken"] == true && told["taken_from"][0] == digits && told["fence"].is_u64(), "{told}");
    assert!(!has(&redis, "job"));
}

#[test]
fn it_asks_first_and_only_yes_breaks_the_lock() {
    let redis = redis();
    let mut holder = hold(&redis, "web-1", "job", &[]);
    for (answer, status) in [("n\n", 1), ("\n", 1), ("yesterday\n", 1), ("\u{4}", 1), ("y\n", 0)] {
        let (question, ended) = answered(&redis, answer, || {});
        assert!(question.contains("\"job\" is held by web-1 [") && question.contains("nobody waits. Break it?"), "{question}");
        assert_eq!((ended, has(&redis, "job")), (status, status == 1), "{answer:?}");
    }
    drop(holder.stdin.take());
    assert_eq!(finish(holder).status, 79);
}

#[test]
fn a_lock_that_changes_hands_while_it_asks_is_left_alone() {
    let redis = redis();
    redis.command::<()>(&["SET", "job", "the first"]).unwrap();
    let (_, ended) = answered(&redis, "y\n", || redis.command::<()>(&["SET", "job", "the second"]).unwrap());
    assert_eq!(ended, 75);
    assert_eq!(redis.command::<String>(&["GET", "job"]).unwrap(), "the second");
    let (_, ended) = answered(&redis, "y\n", || redis.command::<()>(&["DEL", "job"]).unwrap());
    assert_eq!(ended, 1);
}

/// Asks to break the lock on a terminal, and answers once something was done: the question, and the exit status.
pub(crate) fn answered(redis: &Server, answer: &str, meanwhile: impl Fn()) -> (String, i32) {
    let program = format!("{} locks break job", env!("CARGO_BIN_EXE_bellwether"));
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &program, "/dev/null"]).env("BELLWETHER_STORE", redis.url());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("util-linux is there");
    let mut screen = child.stdout.take().expect("it is piped");
    let mut question = Vec::new();
    while !question.ends_with(b"[y/N] ") {
        let mut byte = [0];
        assert_eq!(screen.read(&mut byte).unwrap(), 1, "it did not ask: {}", String::from_utf8_lossy(&question));
        question.push(byte[0]);
    }
    meanwhile();
    let mut keyboard = child.stdin.take().expect("it is piped");
    keyboard.write_all(answer.as_bytes()).unwrap();
    let status = child.wait().unwrap().code().unwrap();
    (String::from_utf8(question).unwrap(), status)
}

#[test]
fn locks_of_all_nodes_of_a_cluster_are_listed_and_broken() {
    let cluster = Cluster::start().unwrap();
    let store = &cluster.url();
    let names = ["a", "b", "c", "d", "{a}x", "e f"];
    let nodes: std::collections::HashSet<_> = names.iter().map(|name| cluster.primary_of(name).unwrap().port()).collect();
    assert!(nodes.len() > 1, "all are on one node");
    let mut holders: Vec<_> = names
        .iter()
        .map(|name| {
            let command = ["lock", name, "--", "sh", "-c", "read line"];
            let child = bellwether(&command).env("BELLWETHER_STORE", store).stdin(Stdio::piped()).spawn().unwrap();
            until("the lock is held", || cluster.primary_of(name).unwrap().command::<u64>(&["EXISTS", name]).unwrap() == 1);
            child
        })
        .collect();
    let seen: Vec<_> = listed(store, &[]).iter().map(|lock| lock["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(seen, ["a", "b", "c", "d", "e f", "{a}x"]);
    for name in names {
        on(store, &["locks", "break", name, "--yes"]).ok();
    }
    assert_eq!(listed(store, &[]).len(), 0);
    for holder in &mut holders {
        drop(holder.stdin.take());
    }
    for holder in holders {
        assert_eq!(finish(holder).status, 79);
    }
}
