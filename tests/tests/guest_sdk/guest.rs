//! Everything the SDK has, tried by a guest that traps where something is not as documented.

use std::sync::Arc;

use bellwether::lock::LockClass;

use super::*;

/// A class that changes nothing.
#[derive(Debug)]
struct Ordinary;

impl LockClass for Ordinary {}

async fn try_out(subject: &str) -> Ran {
    let runtime = builder().lock_class("ordinary", Arc::new(Ordinary)).build().await.unwrap();
    let guest = runtime.load(bellwether_tests::component("test-sdk").unwrap()).unwrap();
    let ran = run(&guest, [subject], GuestRun::default()).await;
    runtime.shutdown().await;
    ran
}

async fn works(subject: &str) {
    let ran = try_out(subject).await;
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
}

#[tokio::test]
async fn values_keep_their_types() {
    works("values").await;
}

#[tokio::test]
async fn content_tells_entries_apart() {
    works("content").await;
}

#[tokio::test]
async fn bytes_and_cbor_pass_as_they_are() {
    works("raw").await;
}

#[tokio::test]
async fn entries_live_as_long_as_they_are_told() {
    works("lifetimes").await;
}

#[tokio::test]
async fn entries_are_deleted_one_by_one_and_by_pattern() {
    works("deletes").await;
}

#[tokio::test]
async fn mistakes_are_errors_of_their_kind() {
    works("mistakes").await;
}

#[tokio::test]
async fn a_thousand_calls_are_in_flight() {
    works("concurrency").await;
}

#[tokio::test]
async fn a_value_is_computed_once() {
    works("computing").await;
}

#[tokio::test]
async fn entries_go_with_their_tags() {
    works("tags").await;
}

#[tokio::test]
async fn a_guard_holds_its_lock() {
    works("holding").await;
}

#[tokio::test]
async fn a_lock_is_waited_for() {
    works("waiting").await;
}

#[tokio::test]
async fn a_lock_is_handed_over() {
    works("handing over").await;
}

#[tokio::test]
async fn a_lock_of_a_class_that_is_not_there_is_refused() {
    works("classes").await;
}

#[tokio::test]
async fn a_fair_lock_is_taken_in_turn() {
    works("fair").await;
}

#[tokio::test]
async fn a_read_write_lock_has_readers_or_a_writer() {
    works("read-write").await;
}

#[tokio::test]
async fn a_semaphore_has_permits() {
    works("semaphore").await;
}

#[tokio::test]
async fn several_locks_are_taken_as_one() {
    works("many").await;
}

#[tokio::test]
async fn work_stops_when_its_lock_is_lost() {
    works("losing").await;
}

#[tokio::test]
async fn an_error_is_printed_with_its_cause_and_fails_the_program() {
    let ran = try_out("failing").await;
    assert_eq!((ran.status, ran.stderr.as_str()), (1, "error: nothing was written: the disk is full\n"));
}

#[tokio::test]
async fn what_was_printed_last_is_not_lost() {
    assert_eq!(try_out("printing").await.stdout, "no newline at the end");
}
