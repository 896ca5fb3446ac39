//! What guests may do.

use bellwether::config::Config;
use bellwether::guest::{Directory, Names};

use super::*;

#[tokio::test]
async fn nothing_is_allowed_unless_granted() {
    let (_runtime, guest) = load(builder().grant(Grant::none())).await;
    assert_eq!(
        run(&guest, "lock open a").await.lines(),
        ["Err(Error::Denied(\"the lock \\\"a\\\" is not granted to this guest: ask the platform for it\"))"]
    );
    let ran = run(&guest, "cache open a").await;
    assert!(ran.lines()[0].starts_with("Err(Error::Denied(\"the cache \\\"a\\\" is not granted"), "{ran:?}");
    assert!(run(&guest, "list /").await.lines()[0].starts_with("Err("));
    assert!(run(&guest, "connect 127.0.0.1:1").await.lines()[0].contains("PermissionDenied"));
}

#[tokio::test]
async fn a_grant_names_locks_and_caches_by_patterns() {
    let grant =
        Grant { locks: Names::matching(["jobs-*"]).unwrap(), caches: Names::matching(["pages"]).unwrap(), ..Grant::none() };
    let (_runtime, guest) = load(builder().grant(Grant::none())).await;
    let granted = || GuestRun::default().grant(grant.clone());
    assert_eq!(run_with(&guest, "lock open jobs-7", granted()).await.lines(), ["Ok(())"]);
    assert!(run_with(&guest, "lock open job", granted()).await.lines()[0].starts_with("Err(Error::Denied("));
    assert_eq!(run_with(&guest, "cache open pages", granted()).await.lines(), ["Ok(())"]);
    assert!(run_with(&guest, "cache open pages2", granted()).await.lines()[0].starts_with("Err(Error::Denied("));
}

#[tokio::test]
async fn names_live_under_the_prefix_whatever_the_guest_says() {
    let (runtime, guest) = load(builder().prefix("tenant-a:")).await;
    assert_eq!(run(&guest, "cache set pages key value").await.lines(), ["Ok(())"]);
    let other = bellwether::Caches::new(runtime.store());
    assert!(!other.open("pages", None).unwrap().exists("key").await.unwrap());
    assert!(runtime.caches().open("pages", None).unwrap().exists("key").await.unwrap());
    assert_eq!(run(&guest, "lock hand-out tenant-b:a").await.lines().len(), 1);
    assert!(is_held(&Locks::new(runtime.store()), "tenant-a:tenant-b:a").await);
    assert!(!is_held(&Locks::new(runtime.store()), "tenant-b:a").await);
}

#[tokio::test]
async fn directories_are_readable_or_writable_as_granted() {
    let (_runtime, guest) = probe().await;
    let directory = tempfile::tempdir().unwrap();
    let granted = |write| {
        let directory = Directory { host: directory.path().to_owned(), guest: "/data".to_owned(), write };
        GuestRun::default().grant(Grant { directories: vec![directory], ..Grant::none() })
    };
    assert!(run_with(&guest, "write /data/file", granted(false)).await.lines()[0].starts_with("Err("));
    assert_eq!(run_with(&guest, "write /data/file", granted(true)).await.lines(), ["Ok(())"]);
    assert_eq!(run_with(&guest, "list /data", granted(false)).await.lines(), ["Ok(1)"]);
    assert_eq!(std::fs::read_to_string(directory.path().join("file")).unwrap(), "probe");

    let missing = Directory { host: directory.path().join("missing"), guest: "/data".to_owned(), write: false };
    let ran =
        run_with(&guest, "list /data", GuestRun::default().grant(Grant { directories: vec![missing], ..Grant::none() })).await;
    assert!(matches!(&ran.end, Err(GuestError::Directory { path, .. }) if path.ends_with("missing")), "{ran:?}");
}

#[tokio::test]
async fn a_configuration_grants_what_it_says_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("data")).unwrap();
    let file = directory.path().join("bellwether.toml");
    let text = r#"
        version = 1
        [store]
        prefix = "tenant-a:"
        [cache]
        serializer = "json"
        pin = ["serializer"]
        [guest]
        caches = ["pages"]
        resources = 2
        [[guest.directory]]
        host = "data"
        guest = "/data"
        [code]
        cache = false
    "#;
    std::fs::write(&file, text).unwrap();
    let (runtime, guest) = load(Config::load(&file).unwrap().into_builder().unwrap()).await;
    assert_eq!(run(&guest, "cache set pages key value").await.lines(), ["Ok(())"]);
    let pages = runtime.caches().open("pages", None).unwrap();
    assert_eq!(pages.stage(bellwether::error::StageKind::Serializer), "json");
    assert!(pages.entry_key("key").await.unwrap().starts_with("tenant-a:"));
    assert!(run(&guest, "cache open other").await.lines()[0].starts_with("Err(Error::Denied("));
    assert!(run(&guest, "lock open a").await.lines()[0].starts_with("Err(Error::Denied("));
    assert_eq!(run(&guest, "list /data").await.lines(), ["Ok(0)"]);
}
