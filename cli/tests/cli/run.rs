//! `run`, with guests small enough to be written by hand.

use std::time::{Duration, Instant};

use crate::support::{Ended, bellwether, finish, run};

/// A WASI 0.2 command whose `run` is this core code. 0 is success, 1 is failure.
fn guest(code: &str) -> tempfile::NamedTempFile {
    let text = format!(
        r#"(component
            (core module $m (func $deep (result i32) {code}) (func (export "run") (result i32) call $deep))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $exports (export "run" (func $run)))
            (export "wasi:cli/run@0.2.0" (instance $exports)))"#
    );
    let mut file = tempfile::Builder::new().prefix("guest-").suffix(".wasm").tempfile().unwrap();
    std::io::Write::write_all(&mut file, &wat::parse_str(text).unwrap()).unwrap();
    file
}

fn run_guest(code: &str, args: &[&str]) -> Ended {
    let guest = guest(code);
    run(&[&["run", guest.path().to_str().unwrap()], args].concat())
}

#[test]
fn the_status_of_the_guest_is_the_status_of_the_program() {
    assert_eq!(run_guest("i32.const 0", &[]).ok(), "");
    assert_eq!(run_guest("i32.const 1", &["--", "some", "--arguments"]).failed(1), "");
}

#[test]
fn a_trap_is_told_with_the_guest_and_its_backtrace() {
    let complaint = run_guest("unreachable", &[]).failed(134);
    assert!(complaint.starts_with("bellwether: the guest \""), "{complaint}");
    assert!(complaint.contains("unreachable") && complaint.contains("deep"), "{complaint}");
}

#[test]
fn a_guest_that_never_ends_is_ended_in_time() {
    let began = Instant::now();
    let complaint = run_guest("(loop br 0) i32.const 0", &["--timeout", "200ms"]).failed(124);
    assert!(complaint.contains("200ms"), "{complaint}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn repeated_runs_are_timed_and_the_first_failure_is_the_last_run() {
    let twice = run_guest("i32.const 0", &["--repeat", "2"]);
    assert_eq!((twice.status, twice.stderr.lines().count()), (0, 2), "{twice:?}");
    assert!(twice.stderr.contains("run 2 of 2 took"), "{twice:?}");
    let failing = run_guest("i32.const 1", &["--repeat", "3"]);
    assert_eq!((failing.status, failing.stderr.lines().count()), (1, 1), "{failing:?}");
}

#[test]
fn a_signal_ends_the_guest_and_the_program() {
    let guest = guest("(loop br 0) i32.const 0");
    let child = bellwether(&["run", guest.path().to_str().unwrap()]).spawn().unwrap();
    // Listening for signals comes before anything else, but after the start of the process.
    std::thread::sleep(Duration::from_millis(500));
    let sent = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
    assert_eq!(finish(child).status, 128 + 15);
}

#[test]
fn what_is_given_to_the_guest_must_be_there() {
    assert!(run_guest("i32.const 0", &["--dir", "/no/such/directory"]).failed(66).contains("/no/such/directory"));
    assert!(run_guest("i32.const 0", &["--env", "NO_SUCH_VARIABLE"]).failed(2).contains("NO_SUCH_VARIABLE"));
}
