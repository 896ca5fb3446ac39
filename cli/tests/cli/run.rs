//! `run`, with guests small enough to be written by hand.

use std::io::Read;
use std::time::{Duration, Instant};

use crate::support::{Ended, bellwether, feed, finish, run};

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
    compiled(&text)
}

fn compiled(text: &str) -> tempfile::NamedTempFile {
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

/// A WASI 0.2 command that succeeds if its standard input is `x`.
const READER: &str = r#"(component
    (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
    (alias export $error "error" (type $error-type))
    (import "wasi:io/streams@0.2.0" (instance $streams
        (export "input-stream" (type $input (sub resource)))
        (alias outer 1 $error-type (type $outer))
        (export "error" (type $error (eq $outer)))
        (type $variant (variant (case "last-operation-failed" (own $error)) (case "closed")))
        (export "stream-error" (type $stream-error (eq $variant)))
        (export "[method]input-stream.blocking-read" (func
            (param "self" (borrow $input)) (param "len" u64) (result (result (list u8) (error $stream-error)))))))
    (alias export $streams "input-stream" (type $input-type))
    (import "wasi:cli/stdin@0.2.0" (instance $stdin
        (alias outer 1 $input-type (type $outer))
        (export "input-stream" (type $input (eq $outer)))
        (export "get-stdin" (func (result (own $input))))))
    (core module $libc
        (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
    (core instance $libc (instantiate $libc))
    (core func $get (canon lower (func $stdin "get-stdin")))
    (core func $read (canon lower (func $streams "[method]input-stream.blocking-read")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core module $m
        (import "libc" "memory" (memory 1))
        (import "host" "get" (func $get (result i32)))
        (import "host" "read" (func $read (param i32 i64 i32)))
        (func (export "run") (result i32)
            (call $read (call $get) (i64.const 1) (i32.const 0))
            ;; The result is ok, of one byte, and that is `x`.
            (i32.or (i32.load8_u (i32.const 0))
                (i32.or (i32.ne (i32.load (i32.const 8)) (i32.const 1))
                    (i32.ne (i32.load8_u (i32.load (i32.const 4))) (i32.const 120))))))
    (core instance $i (instantiate $m
        (with "libc" (instance $libc))
        (with "host" (instance (export "get" (func $get)) (export "read" (func $read))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $exports (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $exports)))"#;

#[test]
fn each_repeated_run_is_given_all_of_standard_input() {
    let guest = compiled(READER);
    let guest = guest.path().to_str().unwrap();
    for (args, input, status) in
        [(&["run", guest] as &[&str], b"x", 0), (&["run", guest], b"y", 1), (&["run", guest, "--repeat", "3"], b"x", 0)]
    {
        let ended = feed("memory:", args, input);
        assert_eq!(ended.status.code(), Some(status), "{args:?}: {ended:?}");
    }
}

/// A WASI 0.2 command that writes `x` to its standard output, and never ends.
const WRITER: &str = r#"(component
    (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
    (alias export $error "error" (type $error-type))
    (import "wasi:io/streams@0.2.0" (instance $streams
        (export "output-stream" (type $output (sub resource)))
        (alias outer 1 $error-type (type $outer))
        (export "error" (type $error (eq $outer)))
        (type $variant (variant (case "last-operation-failed" (own $error)) (case "closed")))
        (export "stream-error" (type $stream-error (eq $variant)))
        (export "[method]output-stream.blocking-write-and-flush" (func
            (param "self" (borrow $output)) (param "contents" (list u8)) (result (result (error $stream-error)))))))
    (alias export $streams "output-stream" (type $output-type))
    (import "wasi:cli/stdout@0.2.0" (instance $stdout
        (alias outer 1 $output-type (type $outer))
        (export "output-stream" (type $output (eq $outer)))
        (export "get-stdout" (func (result (own $output))))))
    (core module $libc (memory (export "memory") 1))
    (core instance $libc (instantiate $libc))
    (core func $get (canon lower (func $stdout "get-stdout")))
    (core func $write (canon lower (func $streams "[method]output-stream.blocking-write-and-flush")
        (memory (core memory $libc "memory"))))
    (core module $m
        (import "libc" "memory" (memory 1))
        (import "host" "get" (func $get (result i32)))
        (import "host" "write" (func $write (param i32 i32 i32 i32)))
        (data (i32.const 0) "x")
        (func (export "run") (result i32)
            (call $write (call $get) (i32.const 0) (i32.const 1) (i32.const 16))
            (loop br 0)
            unreachable))
    (core instance $i (instantiate $m
        (with "libc" (instance $libc))
        (with "host" (instance (export "get" (func $get)) (export "write" (func $write))))))
    (func $run (result (result)) (canon lift (core func $i "run")))
    (instance $exports (export "run" (func $run)))
    (export "wasi:cli/run@0.2.0" (instance $exports)))"#;

#[test]
fn a_signal_ends_the_guest_and_the_program() {
    let guest = compiled(WRITER);
    let mut child = bellwether(&["run", guest.path().to_str().unwrap()]).spawn().unwrap();
    let mut written = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut written).unwrap();
    assert_eq!(&written, b"x", "it runs");
    let sent = std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(sent.success());
    assert_eq!(finish(child).status, 128 + 15);
}

#[test]
fn what_is_given_to_the_guest_must_be_there() {
    assert!(run_guest("i32.const 0", &["--dir", "/no/such/directory"]).failed(66).contains("/no/such/directory"));
    assert!(run_guest("i32.const 0", &["--env", "NO_SUCH_VARIABLE"]).failed(2).contains("NO_SUCH_VARIABLE"));
}
