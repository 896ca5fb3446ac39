//! The class, with the guest that asks for it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use bellwether::clock::Wait;
use bellwether::lock::LockOptions;
use bellwether::runtime::{Capture, Output};
use bellwether::store::memory::MemoryStore;

use super::*;

/// Waits until the guest has said something.
async fn said(stdout: &Capture, what: &str) {
    let heard = async {
        while !stdout.text().contains(what) {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(std::time::Duration::from_mins(1), heard).await.is_ok(), "{}", stdout.text());
}

#[tokio::test]
async fn it_is_written_down_who_holds_a_lock_and_why() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let here = runtime(Arc::clone(&store), "the operator").await.unwrap();
    let there = runtime(Arc::clone(&store), "a guest").await.unwrap();
    let record = record(store).unwrap();
    let lock = here.locks().open_as("recorded", "backup", Some("a drill"), LockOptions::default()).unwrap();
    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    let holder = record.holder("backup").await.unwrap().unwrap();
    assert_eq!((holder.who.as_str(), holder.why.as_str()), ("the operator", "a drill"));

    // The guest is told who is in its way, and is recorded when it has the lock.
    let guest = there.load(bellwether_tests::component("example-backup").unwrap()).unwrap();
    let stdout = Capture::default();
    let run = GuestRun::default().args(["photos"]).stdout(Output::Capture(stdout.clone()));
    let (end, ()) = tokio::join!(guest.run(run), async {
        said(&stdout, "waiting for the operator, who is at a drill\n").await;
        guard.release().await.unwrap();
    });
    assert!(end.unwrap().success());
    assert!(stdout.text().contains("a guest is at the backup of photos\ndone"), "{}", stdout.text());

    // Both are struck out, and neither has struck out the other before its time.
    here.shutdown().await;
    there.shutdown().await;
    assert_eq!(record.holder("backup").await.unwrap(), None);
}
