//! What was built against an earlier version of the contract.

use bellwether::cache::{CacheOptions, StageChoice};

use super::*;

/// A runtime with the guest of 0.1.0.
async fn old() -> (Runtime, Guest) {
    let runtime = builder().build().await.unwrap();
    let guest = runtime.load(bellwether_tests::component("test-v0-1").unwrap()).unwrap();
    (runtime, guest)
}

#[tokio::test]
async fn a_guest_of_0_1_0_uses_locks() {
    let (runtime, guest) = old().await;
    assert_eq!(
        run(&guest, "lock").await.lines(),
        [
            "locked Ok(false)",
            "again Ok(false)",
            "held Ok(true)",
            "extend Ok(())",
            "over a lease Ok(true)",
            "renew Ok(())",
            "held after the hand-over Ok(false)",
            "fence rises true",
            "release Ok(())",
            "adopt again Err(Error::NotHeld)",
            "after a drop Ok(true)",
            "no retry true",
        ]
    );
    runtime.shutdown().await;
    assert!(!is_held(&runtime.locks(), "old").await);
}

#[tokio::test]
async fn a_guest_of_0_1_0_uses_caches() {
    let (_runtime, guest) = old().await;
    let ran = run(&guest, "cache").await;
    assert_eq!(
        ran.lines(),
        [
            "set Ok(())",
            "get Ok(Some([1]))",
            "ttl true",
            "set many Ok(())",
            "get many Ok([Some([2]), None])",
            "delete many Ok(1)",
            "exists Ok(false)",
            "delete Ok(true)",
            "delete pattern Ok(0)",
            "fill Ok(true)",
        ]
    );
}

#[tokio::test]
async fn guests_of_both_versions_exclude_each_other_and_share_a_grant() {
    let (runtime, guest) = old().await;
    let new = runtime.load(&*PROBE).unwrap();
    let token = run(&new, "lock hand-out old").await.lines()[0].to_owned();
    let ran = run(&guest, "lock").await;
    assert_eq!(ran.stdout.lines().next(), Some("locked Ok(true)"));
    assert!(matches!(ran.end, Err(GuestError::Trapped { .. })), "it did not have the lock: {ran:?}");
    assert_eq!(run(&new, &format!("lock adopt old {token}")).await.lines(), ["adopted, released Ok(())"]);

    let refused = run_with(&guest, "lock", GuestRun::default().grant(Grant::none())).await;
    assert!(matches!(refused.end, Err(GuestError::Trapped { .. })) && refused.stderr.contains("Denied"), "{refused:?}");
}

#[tokio::test]
async fn stages_of_0_1_0_are_loaded() {
    let stages = bellwether_tests::component("test-stages-v0-1").unwrap();
    let runtime = builder().stage("old", stages).build().await.unwrap();
    let old = || StageChoice::Named("old".to_owned());
    let options = CacheOptions { identity: old(), serializer: old(), compressor: old(), ..CacheOptions::default() };
    let cache = runtime.caches().open("pages", Some(options)).unwrap();
    cache.set("key", &1_u8, None).await.unwrap();
    assert_eq!(cache.get::<u8>("key").await.unwrap(), Some(1));
    assert!(cache.entry_key("key").await.unwrap().ends_with("pages/key/0"));
}
