//! Locks, as guests use them.

use bellwether::clock::Wait;

use super::*;

/// Waits until nobody holds the lock, as its next user would.
async fn is_freed(runtime: &Runtime, name: &str) {
    let lock = runtime.locks().open(name, LockOptions::default()).unwrap();
    let acquired = lock.acquire(Wait::UpTo(Duration::from_secs(20))).await.unwrap();
    acquired.expect("the lock is still held").release().await.unwrap();
}

#[tokio::test]
async fn a_lock_has_a_life() {
    let (_runtime, guest) = probe().await;
    assert_eq!(
        run(&guest, "lock life a").await.lines(),
        [
            "locked Ok(false)",
            "locked Ok(true)",
            "again Ok(false)",
            "held Ok(true)",
            "extend Ok(())",
            "over a lease Ok(true)",
            "renew Ok(())",
            "a lease Ok(true)",
            "release Ok(())",
            "release Err(Error::NotHeld)",
            "held Ok(false)",
            "fence rises true",
            "after drop Ok(true)",
        ]
    );
}

#[tokio::test]
async fn guests_and_natives_exclude_each_other() {
    let (runtime, guest) = probe().await;
    let native = runtime.locks().open("shared", LockOptions::default()).unwrap();
    let guard = native.acquire(Wait::None).await.unwrap().unwrap();
    assert_eq!(run(&guest, "lock try shared").await.lines(), ["Ok(false)"]);
    assert_eq!(run(&guest, "lock wait shared 20").await.lines(), ["Ok(false)"]);
    let waiting = run(&guest, "lock wait shared forever");
    let (waited, released) = tokio::join!(waiting, guard.release());
    released.unwrap();
    assert_eq!(waited.lines(), ["Ok(true)"]);
    is_freed(&runtime, "shared").await;
}

#[tokio::test]
async fn a_lock_can_be_handed_from_guest_to_guest() {
    let (runtime, guest) = probe().await;
    assert_eq!(
        run(&guest, "lock hand-over a").await.lines(),
        ["held by the old guard Ok(false)", "fence rises true", "release Ok(())"]
    );
    let handed = run(&guest, "lock hand-out a").await;
    let token = handed.lines()[0].to_owned();
    assert!(is_held(&runtime.locks(), "a").await, "the end of the guest does not release what it handed over");
    assert_eq!(run(&guest, "lock adopt a never-a-token").await.lines(), ["Error::NotHeld"]);
    assert_eq!(run(&guest, &format!("lock adopt a {token}")).await.lines(), ["adopted, released Ok(())"]);
    assert!(!is_held(&runtime.locks(), "a").await);
}

#[tokio::test]
async fn tasks_of_one_guest_take_turns() {
    let (_runtime, guest) = probe().await;
    assert_eq!(run(&guest, "lock queue a 50").await.lines(), ["50 different fences"]);
}

#[tokio::test]
async fn a_cancelled_acquire_leaves_the_lock_to_others() {
    let (_runtime, guest) = probe().await;
    assert_eq!(run(&guest, "lock cancel a").await.lines(), ["time is up Ok(true)", "free for others Ok(true)"]);
}

#[tokio::test]
async fn a_lock_whose_lease_ended_is_known_to_be_lost() {
    let (_runtime, guest) = probe().await;
    assert_eq!(run(&guest, "lock lost a").await.lines(), ["held", "lost, release Err(Error::NotHeld)"]);
}

#[tokio::test]
async fn what_a_guest_holds_when_it_ends_is_released() {
    let (runtime, guest) = probe().await;
    let ends = ["return", "exit", "trap"];
    for end in ends {
        let ran = run(&guest, &format!("lock hold-and {end} held")).await;
        assert_eq!(ran.stdout, "held\n");
        match end {
            "return" => assert_eq!(ran.end.unwrap().code(), 0),
            "exit" => assert_eq!(ran.end.unwrap().code(), 1),
            _ => assert!(matches!(ran.end, Err(GuestError::Trapped { .. }))),
        }
        runtime.shutdown().await;
        assert!(!is_held(&runtime.locks(), "held").await, "{end}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_guest_releases_what_it_holds() {
    let (runtime, guest) = probe().await;
    for way in ["hang", "loop"] {
        let running = tokio::spawn({
            let guest = guest.clone();
            async move { run(&guest, &format!("lock hold-and {way} killed")).await.end }
        });
        until("the guest's lock", async || is_held(&runtime.locks(), "killed").await).await;
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        runtime.shutdown().await;
        assert!(!is_held(&runtime.locks(), "killed").await, "{way}");
    }
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_with_what_to_do() {
    let (_runtime, guest) = probe().await;
    let cases = [
        ("simple 30000 renew unfair 200", "Ok(())"),
        ("simple none keep unfair 200", "Ok(())"),
        (
            "quorum 30000 renew unfair 200",
            "Err(Error::Invalid(\"a lock of kind quorum needs replicas that hold it too, and the store memory: has none",
        ),
        ("quorum none keep unfair 200", "Err(Error::Invalid(\"a lock of kind quorum needs a lease"),
        ("simple 30000 renew fair 200", "Ok(())"),
        ("simple 0 renew unfair 200", "Err(Error::Invalid(\"the lease is under 1 ms"),
        ("simple 30000 renew unfair 0", "Err(Error::Invalid(\"the retry is under 1 ms"),
        ("simple 200 renew unfair 200", "Err(Error::Invalid(\"the retry of 200ms is not less than the lease"),
        ("simple none renew unfair 200", "Err(Error::Invalid(\"renew needs a lease"),
        ("simple 18446744073709551615 renew unfair 200", "Err(Error::Invalid(\"the lease of"),
    ];
    for (options, answer) in cases {
        let ran = run(&guest, &format!("lock options {options}")).await;
        assert!(ran.lines()[0].starts_with(answer), "{options}: {ran:?}");
    }
}
