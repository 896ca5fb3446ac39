//! `lock` on a real server.

use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

use bellwether_tests::Server;

use crate::support::{finish, has, on, redis, start, until};

fn sh(script: &str) -> [&str; 4] {
    ["--", "sh", "-c", script]
}

fn lock<'a>(options: &[&'a str], script: &'a str) -> Vec<&'a str> {
    ["lock"].iter().chain(options).copied().chain(sh(script)).collect()
}

#[test]
fn the_command_runs_with_name_and_a_rising_fence_and_ends_with_its_status() {
    let redis = redis();
    let store = &redis.url();
    let fence = || -> u64 {
        let printed = on(store, &lock(&["job"], "echo $BELLWETHER_LOCK $BELLWETHER_FENCE")).ok();
        printed.trim_end().strip_prefix("job ").expect("the name comes first").parse().expect("a fence is a number")
    };
    let first = fence();
    assert!(fence() > first);
    assert_eq!(on(store, &lock(&["job"], "exit 7")).status, 7);
    assert_eq!(on(store, &lock(&["job"], "kill -TERM $$")).status, 128 + 15);
    assert!(!has(&redis, "job"), "it was released each time");
}

#[test]
fn while_one_holds_it_others_wait_or_give_up() {
    let redis = redis();
    let store = &redis.url();
    let mut holder = start_holding(store, &redis, &["job"], "read line; echo done");
    let busy = on(store, &lock(&["job", "--no-wait"], "echo never")).failed(75);
    assert!(busy.contains("somebody else holds the lock \"job\""), "{busy}");
    assert_eq!(on(store, &lock(&["job", "-w", "100ms", "-E", "3"], "echo never")).status, 3);
    assert_eq!(on(store, &lock(&["other", "--no-wait"], "echo free")).ok(), "free\n");

    let waiter = start(store, &lock(&["job", "--wait", "20s"], "echo mine"));
    drop(holder.stdin.take());
    assert_eq!(finish(holder).stdout, "done\n");
    assert_eq!(finish(waiter).ok(), "mine\n");
}

#[test]
fn a_quorum_needs_replicas() {
    let redis = redis();
    let refused = on(&redis.url(), &lock(&["job", "--quorum", "--wait", "20s"], "echo never")).failed(2);
    assert!(refused.contains("needs replicas"), "{refused}");
    assert!(!has(&redis, "job"));
}

#[test]
fn a_command_that_cannot_run_has_the_status_that_shells_give_and_leaves_no_lock() {
    let redis = redis();
    let store = &redis.url();
    assert!(on(store, &["lock", "job", "--", "/no/such/program"]).failed(127).contains("/no/such/program"));
    on(store, &["lock", "job", "--", "/etc/passwd"]).failed(126);
    assert!(!has(&redis, "job"));
}

#[test]
fn a_lock_that_is_broken_ends_the_command() {
    let redis = redis();
    let store = &redis.url();
    // The command ignores SIGTERM, so it takes SIGKILL.
    let holder =
        start_holding(store, &redis, &["job", "--lease", "1s", "--grace", "300ms"], "trap '' TERM; while :; do sleep 0.1; done");
    assert_eq!(redis.command::<u64>(&["DEL", "job"]).unwrap(), 1);
    let ended = finish(holder);
    assert_eq!(ended.status, 79, "{ended:?}");
    assert!(ended.stderr.contains("the lock \"job\" was lost while the command ran"), "{ended:?}");
    assert!(!ended.stderr.contains("WARN"), "it is told once: {ended:?}");
}

#[test]
fn what_the_command_started_is_ended_with_it_when_the_lock_is_lost() {
    let redis = redis();
    let script = "(trap '' TERM; for n in $(seq 100); do sleep 0.1; done; echo survived) & wait";
    let holder = start_holding(&redis.url(), &redis, &["job", "--lease", "1s", "--grace", "300ms"], script);
    assert_eq!(redis.command::<u64>(&["DEL", "job"]).unwrap(), 1);
    // Its output ends when nobody is left that could write to it.
    finish(holder).failed(79);
}

#[test]
fn what_the_command_started_has_the_grace_as_well() {
    let redis = redis();
    let directory = tempfile::tempdir().unwrap();
    let done = directory.path().join("done");
    let script = format!("(trap 'sleep 0.5; : > {}; exit' TERM; while :; do sleep 0.1; done) & wait", done.display());
    let mut holder = start_holding(&redis.url(), &redis, &["job", "--lease", "1s", "--grace", "20s"], &script);
    assert_eq!(redis.command::<u64>(&["DEL", "job"]).unwrap(), 1);
    assert_eq!(holder.wait().unwrap().code(), Some(79));
    assert!(done.exists());
}

#[test]
fn a_lock_that_was_broken_unnoticed_is_told_after_the_command() {
    let redis = redis();
    let mut holder = start_holding(&redis.url(), &redis, &["job"], "read line");
    assert_eq!(redis.command::<u64>(&["DEL", "job"]).unwrap(), 1);
    drop(holder.stdin.take());
    let complaint = finish(holder).failed(79);
    assert_eq!(complaint, "bellwether: the lock \"job\" was lost before the command ended (the store has it no more)\n");
}

#[test]
fn a_store_that_dies_for_longer_than_the_lease_ends_the_command() {
    let mut redis = redis();
    let store = redis.url();
    let holder = start_holding(&store, &redis, &["job", "--lease", "1s"], "sleep 60");
    redis.kill();
    let ended = finish(holder);
    assert_eq!(ended.status, 79, "{ended:?}");
}

#[test]
fn the_lease_is_renewed_for_as_long_as_the_command_runs() {
    let redis = redis();
    let store = &redis.url();
    let mut holder = start_holding(store, &redis, &["job", "--lease", "300ms"], "read line; echo done");
    let left = || redis.command::<i64>(&["PTTL", "job"]).unwrap();
    for renewal in ["first", "second", "third"] {
        let mut before = left();
        until(&format!("the {renewal} renewal"), || left() > std::mem::replace(&mut before, left()));
    }
    on(store, &lock(&["job", "--no-wait"], "echo never")).failed(75);
    drop(holder.stdin.take());
    assert_eq!(finish(holder).ok(), "done\n");
}

#[test]
fn a_short_lease_will_do() {
    let redis = redis();
    let store = &redis.url();
    assert_eq!(on(store, &lock(&["job", "--lease", "500ms"], "exit 3")).status, 3);
    for lease in ["10ms", "100ms"] {
        // On a busy machine it may be lost before the command has ended.
        let ended = on(store, &lock(&["job", "--lease", lease], "exit 3"));
        assert!([3, 79].contains(&ended.status), "{ended:?}");
    }
}

#[test]
fn signals_reach_the_command_and_what_it_started_and_the_lock_is_released() {
    let redis = redis();
    let store = &redis.url();
    let mut holder = start_holding(store, &redis, &["job"], "trap 'echo told; exit 9' TERM; echo ready; sleep 60 & wait");
    let mut printed = BufReader::new(holder.stdout.take().expect("it is piped"));
    let mut line = String::new();
    printed.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    signal(&holder, "TERM");
    // Its output ends when nobody is left that could write to it.
    line.clear();
    printed.read_to_string(&mut line).unwrap();
    assert_eq!((finish(holder).status, line.as_str()), (9, "told\n"));
    assert!(!has(&redis, "job"));
}

#[test]
fn signals_of_other_kinds_reach_the_command_as_well() {
    let redis = redis();
    for name in ["USR1", "USR2", "ALRM", "WINCH", "HUP", "QUIT"] {
        let script = format!("trap 'echo told; kill $!; exit 9' {name}; echo ready; sleep 60 & wait");
        let mut holder = start_holding(&redis.url(), &redis, &["job"], &script);
        let mut printed = BufReader::new(holder.stdout.take().expect("it is piped"));
        let mut line = String::new();
        printed.read_line(&mut line).unwrap();
        signal(&holder, name);
        printed.read_to_string(&mut line).unwrap();
        assert_eq!((finish(holder).status, line.as_str()), (9, "ready\ntold\n"), "{name}");
    }
}

#[test]
fn a_signal_ends_the_wait() {
    let redis = redis();
    let store = &redis.url();
    let mut holder = start_holding(store, &redis, &["job"], "read line");
    let waiter = start(store, &lock(&["job"], "echo never"));
    // It waits once it has subscribed to the lock's channel.
    until("the waiter listens", || !redis.command::<Vec<String>>(&["PUBSUB", "CHANNELS", "*job*"]).unwrap().is_empty());
    signal(&waiter, "INT");
    assert_eq!(finish(waiter).status, 128 + 2);
    drop(holder.stdin.take());
    assert!(finish(holder).stderr.is_empty());
    assert!(!has(&redis, "job"));
}

#[test]
fn a_release_that_the_store_refuses_is_told_and_is_no_success() {
    for (script, status) in [("read line; exit 0", 69), ("read line; exit 3", 3)] {
        let redis = redis();
        let mut holder = start_holding(&redis.url(), &redis, &["job", "--lease", "10m"], script);
        redis.command::<()>(&["ACL", "SETUSER", "default", "-evalsha"]).unwrap();
        drop(holder.stdin.take());
        let complaint = finish(holder).failed(status);
        for told in ["the lock \"job\" may not be released", "evalsha", "10m"] {
            assert!(complaint.contains(told), "{told} in {complaint}");
        }
        assert_eq!(complaint.lines().count(), 1, "it is told once: {complaint}");
        assert!(has(&redis, "job"));
    }
}

#[test]
fn a_release_that_takes_two_attempts_is_a_success() {
    let redis = redis();
    let mut holder = start_holding(&redis.url(), &redis, &["job", "--lease", "10m"], "read line; exit 0");
    // Longer than the store waits for an answer, and shorter than the program waits for the store.
    redis.command::<()>(&["CLIENT", "PAUSE", "2500", "ALL"]).unwrap();
    drop(holder.stdin.take());
    finish(holder).ok();
    assert!(!has(&redis, "job"));
}

#[test]
fn a_store_that_has_stopped_keeps_the_program_for_less_than_the_lease() {
    let redis = redis();
    let mut holder = start_holding(&redis.url(), &redis, &["job", "--lease", "10m"], "read line; exit 3");
    redis.pause().unwrap();
    let began = Instant::now();
    drop(holder.stdin.take());
    let ended = finish(holder);
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(ended.status, 3, "{ended:?}");
    assert!(ended.stderr.contains("the lock \"job\" may not be released") && ended.stderr.contains("10m"), "{ended:?}");
}

#[test]
fn a_signal_ends_the_wait_for_a_store_that_has_stopped() {
    let redis = redis();
    let mut holder = start_holding(&redis.url(), &redis, &["job"], "trap '' TERM; read line; exit 0");
    redis.pause().unwrap();
    let began = Instant::now();
    drop(holder.stdin.take());
    until("the program ends", || {
        signal(&holder, "TERM");
        holder.try_wait().unwrap().is_some()
    });
    // It waits for four seconds of its own accord.
    assert!(began.elapsed() < Duration::from_secs(3));
    let ended = finish(holder);
    assert_eq!(ended.status, 69, "{ended:?}");
    assert!(ended.stderr.contains("the lock \"job\" may not be released"), "{ended:?}");
}

fn start_holding(store: &str, redis: &Server, options: &[&str], script: &str) -> std::process::Child {
    let mut command = crate::support::bellwether(&lock(options, script));
    let child = command.env("BELLWETHER_STORE", store).stdin(std::process::Stdio::piped()).spawn().expect("the program starts");
    until("the lock is held", || has(redis, "job"));
    child
}

fn signal(child: &std::process::Child, name: &str) {
    let sent = std::process::Command::new("kill").args(["-s", name, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
}
