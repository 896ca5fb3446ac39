//! What cannot work is refused with words that say what, which, and what to do, and with a status that says of what kind it is.

use std::time::{Duration, Instant};

use crate::support::{on, redis, run};

/// A store that is never reached, for what must be refused before.
const NOWHERE: &str = "redis://127.0.0.1:1";

#[test]
fn a_store_of_an_unknown_kind_is_refused_with_the_kinds_there_are() {
    let complaint = on("mysql://localhost", &["get", "c", "k"]).failed(2);
    for scheme in ["mysql", "memory:", "redis://", "redis+sentinel://", "redis+cluster://"] {
        assert!(complaint.contains(scheme), "{scheme} in {complaint}");
    }
}

#[test]
fn a_store_that_cannot_be_reached_is_named_in_time_and_its_password_is_not() {
    let began = Instant::now();
    let complaint = on("redis://user:secret@127.0.0.1:1", &["get", "c", "k"]).failed(69);
    assert!(complaint.contains("127.0.0.1:1") && !complaint.contains("secret"), "{complaint}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_store_in_memory_is_no_store_to_share() {
    for args in [
        &["get", "c", "k"] as &[&str],
        &["set", "c", "k", "1"],
        &["lock", "l", "--", "true"],
        &["locks"],
        &["locks", "break", "l", "--yes"],
        &["--store", "memory:", "ttl", "c", "k"],
    ] {
        assert!(run(args).failed(2).contains("BELLWETHER_STORE"), "{args:?}");
    }
}

#[test]
fn every_flag_refuses_what_it_cannot_take() {
    for (args, hint) in [
        (&["set", "c", "k", "{"] as &[&str], "--text"),
        (&["set", "c", "k", "[18446744073709551616]"], "18446744073709551616"),
        (&["set", "c", "k", "1", "--content", "-18446744073709551616"], "-18446744073709551616"),
        (&["set", "c", "k", "1", "--expire", "10"], "10s"),
        (&["set", "c", "k", "1", "--expire", "-1s"], "less than no time"),
        (&["lock", "l", "--lease", "-1s", "--", "true"], "less than no time"),
        (&["lock", "l", "--lease", "1ms", "--", "true"], "at least 2ms"),
        (&["run", "x.wasm", "--timeout", "0s"], "1ms"),
        (&["set", "c", "k", "1", "--content", "{"], "--content"),
        (&["set", "c", "k", "1", "--cbor"], "--cbor"),
        (&["get", "c", "k", "--raw", "--cbor"], "--cbor"),
        (&["get", "c"], "KEY"),
        (&["delete", "c"], "give KEY or --pattern"),
        (&["delete", "c", "--content", "1"], "give KEY or --pattern"),
        (&["delete", "c", "--pattern", "*", "--content", "1"], "--content"),
        (&["delete", "c", "k", "--pattern", "*"], "--pattern"),
        (&["lock", "l"], "COMMAND"),
        (&["lock", "l", "--wait", "soon", "--", "true"], "10s"),
        (&["lock", "l", "--wait", "1s", "--no-wait", "--", "true"], "--no-wait"),
        (&["lock", "l", "-E", "256", "--", "true"], "256"),
        (&["lock", "l", "--quorum=0", "--", "true"], "majority"),
        (&["lock", "l", "--holder", "a b", "--", "true"], "without spaces"),
        (&["lock", "l", "--holder", "a@b", "--", "true"], "without spaces"),
        (&["locks", "break"], "NAME"),
        (&["locks", "break", "l"], "--yes"),
        (&["run", "x.wasm", "--repeat", "0"], "whole number from 1"),
        (&["completions", "cobol"], "bash"),
        (&["explode"], "explode"),
    ] {
        let complaint = on(NOWHERE, args).failed(2);
        assert!(complaint.contains(hint), "{hint:?} in {complaint}");
    }
}

#[test]
fn nothing_that_a_terminal_would_act_on_is_printed() {
    let complaint = run(&["run", "no\x1b]0;title\x07.wasm"]).failed(127);
    assert!(complaint.contains("no\\u{1b}]0;title\\u{7}.wasm"), "{complaint}");
}

#[test]
fn files_that_are_not_there_are_named() {
    for (args, status) in [
        (&["run", "/no/such.wasm"] as &[&str], 127),
        (&["get", "c", "k", "--serializer", "/no/such.wasm"], 66),
        (&["get", "c", "k", "--compressor", "/no/such.wasm"], 66),
        (&["get", "c", "k", "--identity", "/no/such.wasm"], 66),
        (&["get", "c", "k", "--config", "/no/such.toml"], 78),
    ] {
        let store = if args.contains(&"run") { "memory:" } else { NOWHERE };
        assert!(on(store, args).failed(status).contains("/no/such"), "{args:?}");
    }
}

#[test]
fn files_that_are_no_component_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("not-a-component.wasm");
    std::fs::write(&file, b"\0asm").unwrap();
    let file = file.to_str().unwrap();
    for args in [&["run", file] as &[&str], &["run", "x.wasm", "--serializer", file], &["run", "x.wasm", "--identity", file]] {
        assert!(run(args).failed(126).contains("not-a-component"), "{args:?}");
    }
}

#[test]
fn a_stage_of_another_kind_is_told_with_what_it_is() {
    let file = bellwether_tests::component("example-lz4").unwrap();
    let complaint = run(&["run", "x.wasm", "--serializer", file.to_str().unwrap()]).failed(126);
    assert!(complaint.ends_with("example_lz4.wasm exports a compressor, not a serializer\n"), "{complaint}");
}

#[test]
fn names_keys_and_times_that_the_library_refuses_are_refused_here() {
    let redis = redis();
    let store = &redis.url();
    let long = "k".repeat(100_000);
    for (args, status, hint) in [
        (&["set", "c", "", "1"] as &[&str], 2, "key"),
        (&["set", "", "k", "1"], 2, "cache name"),
        (&["set", "a\nb", "k", "1"], 2, "control character"),
        (&["set", "c", &long, "1"], 73, "key"),
        (&["set", "c", "k", "1", "--expire", "0s"], 2, "expire"),
        (&["lock", "", "--", "true"], 2, "lock name"),
        (&["lock", "l", "--lease", "0s", "--", "true"], 2, "lease"),
        (&["lock", "l", "--lease", "1ms", "--", "true"], 2, "lease"),
        (&["delete", "c", "--pattern", "[a"], 2, "pattern"),
        (&["locks", "break", "", "--yes"], 2, "lock name"),
        (&["locks", "break", "cache:c:k", "--yes"], 2, "cache:"),
    ] {
        let complaint = on(store, args).failed(status);
        assert!(complaint.contains(hint), "{hint:?} in {complaint}");
    }
}

#[test]
fn an_entry_that_another_program_wrote_is_not_shown_as_something_else() {
    let redis = redis();
    on(&redis.url(), &["set", "c", "k", "1"]).ok();
    redis.command::<()>(&["SET", "cache:c:k", "foreign"]).unwrap();
    assert!(on(&redis.url(), &["get", "c", "k"]).failed(65).contains("cache:c:k"));
}
