//! Read-write locks, semaphores and locks over several names, as guests use them.

use bellwether::clock::Wait;
use bellwether::guest::{Names, Quotas};
use bellwether_tests::Server;

use super::*;

const READ_WRITE: [&str; 9] = [
    "readers differ true",
    "write Ok(false)",
    "hand over true",
    "release Ok(()) Ok(())",
    "locked Ok(false)",
    "read Ok(false)",
    "locked Ok(true)",
    "renew Ok(())",
    "read after Ok(true)",
];

const SEMAPHORE: [&str; 6] =
    ["available Ok(0)", "a fourth Ok(false)", "release Ok(())", "release Ok(())", "available Ok(2)", "all true"];

const MULTI: [&str; 8] = [
    "again Ok(false)",
    "held Ok(true)",
    "extend Ok(())",
    "over a lease Ok(true)",
    "renew Ok(())",
    "release Ok(())",
    "release Err(Error::NotHeld)",
    "fence rises true",
];

async fn all_kinds_have_a_life(guest: &Guest) {
    assert_eq!(run(guest, "kinds read-write a").await.lines(), READ_WRITE);
    assert_eq!(run(guest, "kinds semaphore a").await.lines(), SEMAPHORE);
    assert_eq!(run(guest, "kinds multi b a b").await.lines(), MULTI);
}

#[tokio::test]
async fn locks_of_all_kinds_have_a_life() {
    let (_runtime, guest) = probe().await;
    all_kinds_have_a_life(&guest).await;
}

#[tokio::test]
async fn on_a_server_they_have_the_same() {
    let server = Server::start().unwrap();
    let (_runtime, guest) = load(builder().store(server.url())).await;
    all_kinds_have_a_life(&guest).await;
}

#[tokio::test]
async fn guests_and_natives_exclude_each_other() {
    let (runtime, guest) = probe().await;
    let guard = runtime.locks().open("a", LockOptions::default()).unwrap().acquire(Wait::None).await.unwrap().unwrap();
    assert_eq!(run(&guest, "kinds multi a b").await.lines(), ["busy"]);
    assert!(!is_held(&runtime.locks(), "b").await, "all or none");
    // The lock of that name is another thing.
    assert_eq!(run(&guest, "kinds semaphore a").await.lines(), SEMAPHORE);
    guard.release().await.unwrap();
}

#[tokio::test]
async fn what_a_guest_holds_when_it_traps_is_released() {
    let (runtime, guest) = probe().await;
    let ran = run(&guest, "kinds hold-and-trap a").await;
    assert!(ran.stderr.contains("locks of all kinds") && matches!(ran.end, Err(GuestError::Trapped { .. })), "{ran:?}");
    runtime.shutdown().await;
    let locks = runtime.locks();
    assert!(!locks.open_rw("a", LockOptions::default()).unwrap().is_locked().await.unwrap());
    assert_eq!(locks.open_semaphore("a", 1, LockOptions::default()).unwrap().available().await.unwrap(), 1);
    assert!(!is_held(&locks, "a").await && !is_held(&locks, "other").await);
}

#[tokio::test]
async fn a_grant_names_locks_of_all_kinds() {
    let (_runtime, guest) = probe().await;
    let granted = || GuestRun::default().grant(Grant { locks: Names::matching(["granted"]).unwrap(), ..Grant::none() });
    assert_eq!(run_with(&guest, "kinds open granted", granted()).await.lines(), ["Ok(())"; 3]);
    let ran = run_with(&guest, "kinds open other", granted()).await;
    assert_eq!(
        ran.lines(),
        ["Err(Error::Denied(\"the lock \\\"other\\\" is not granted to this guest: ask the platform for it\"))"; 3]
    );
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_what_to_do() {
    let (_runtime, guest) = probe().await;
    let ran = run(&guest, "kinds wrong").await;
    let lines = ran.lines();
    for (line, says) in
        lines.iter().zip(["a semaphore of 0 permits", "there are no names", "the lock name is empty", "the retry"])
    {
        assert!(line.starts_with("Err(Error::Invalid(\"") && line.contains(says), "{line}");
    }
    assert_eq!(lines.len(), 4);
}

#[tokio::test]
async fn a_guest_that_opens_a_hundred_thousand_of_any_kind_is_limited() {
    let (_runtime, guest) = probe().await;
    let refused = |after: usize, max: usize| {
        format!("Some(({after}, Error::Limit(\"open locks, guards, caches and vacancies: at most {max} are allowed at once\")))")
    };
    let ran = run(&guest, "kinds open-many 100000").await;
    assert_eq!(ran.lines(), [refused(10_000, 10_000), refused(10_000, 10_000), refused(5_000, 10_000)]);
    let few = GuestLimits { quotas: Quotas { resources: 5, ..Quotas::default() }, ..GuestLimits::default() };
    let ran = run_with(&guest, "kinds open-many 9", GuestRun::default().limits(few)).await;
    assert_eq!(ran.lines(), [refused(5, 5), refused(5, 5), refused(2, 5)], "each name counts");
}
