//! Guests, run for real: what they can do, what they cannot, and what is left when they end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod caches;
mod classes;
mod components;
mod embedding;
mod grants;
mod herds;
mod kinds;
mod limits;
mod locks;
mod redis;
mod tags;
mod versions;

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use bellwether::guest::Grant;
use bellwether::lock::LockOptions;
use bellwether::runtime::{Capture, CodeCache, ExitStatus, Output};
use bellwether::{Guest, GuestError, GuestLimits, GuestRun, Locks, Runtime, RuntimeBuilder};

static PROBE: LazyLock<PathBuf> = LazyLock::new(|| bellwether_tests::component("test-probe").unwrap());

/// A runtime on a memory store of its own, with guests that may open everything.
fn builder() -> RuntimeBuilder {
    let code_cache = CodeCache::Directory(bellwether_tests::component::target().unwrap().join("tmp").join("code"));
    Runtime::builder().grant(Grant::all()).code_cache(code_cache)
}

/// The probe in such a runtime.
async fn probe() -> (Runtime, Guest) {
    load(builder()).await
}

async fn load(builder: RuntimeBuilder) -> (Runtime, Guest) {
    let runtime = builder.build().await.unwrap();
    let guest = runtime.load(&*PROBE).unwrap();
    (runtime, guest)
}

/// How a run ended, and what it printed.
#[derive(Debug)]
struct Ran {
    end: Result<ExitStatus, GuestError>,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// The lines that were printed by a guest that ended well.
    #[track_caller]
    fn lines(&self) -> Vec<&str> {
        assert_eq!(self.end.as_ref().map(|status| status.code()), Ok(0), "{self:?}");
        self.stdout.lines().collect()
    }
}

async fn run(guest: &Guest, args: &str) -> Ran {
    run_with(guest, args, GuestRun::default()).await
}

async fn run_with(guest: &Guest, args: &str, given: GuestRun) -> Ran {
    let (stdout, stderr) = (Capture::default(), Capture::default());
    let given =
        given.args(args.split_whitespace()).stdout(Output::Capture(stdout.clone())).stderr(Output::Capture(stderr.clone()));
    let end = tokio::time::timeout(Duration::from_mins(2), guest.run(given)).await.expect("the guest does not end");
    Ran { end, stdout: stdout.text(), stderr: stderr.text() }
}

async fn is_held(locks: &Locks, name: &str) -> bool {
    locks.open(name, LockOptions::default()).unwrap().is_locked().await.unwrap()
}

/// Asks until the answer is yes, for as long as a slow machine may need.
async fn until(what: &str, mut answer: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !answer().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_mins(1), asking).await.is_ok(), "{what} did not come about");
}

#[tokio::test]
async fn a_guest_gets_its_arguments_environment_and_streams() {
    let (_runtime, guest) = probe().await;
    assert_eq!(run(&guest, "say hello there").await.lines(), ["hello there"]);
    assert_eq!(run(&guest, "env COLOUR").await.lines(), ["Err(NotPresent)"]);
    let coloured = GuestRun::default().env("COLOUR", "blue");
    assert_eq!(run_with(&guest, "env COLOUR", coloured).await.lines(), ["Ok(\"blue\")"]);
    let fed = GuestRun::default().stdin(bellwether::runtime::Input::Bytes("fed\nfed".into()));
    assert_eq!(run_with(&guest, "echo", fed).await.lines(), ["fed", "fed"]);
    assert_eq!(run(&guest, "complain loudly").await.stderr, "loudly\n");
}

#[tokio::test]
async fn a_guest_ends_with_its_own_status() {
    let (_runtime, guest) = probe().await;
    assert_eq!(run(&guest, "exit 0").await.end.unwrap().code(), 0);
    assert_eq!(run(&guest, "exit 7").await.end.unwrap().code(), 1, "the standard library tells 0 from the rest and no more");
    assert_eq!(run(&guest, "exit-with-code 42").await.end.unwrap().code(), 42);
    let failed = run(&guest, "fail").await.end.unwrap();
    assert!(!failed.success());
    assert_eq!(failed.to_string(), "exit status 1");
}

#[tokio::test]
async fn a_trap_is_told_with_its_message_and_backtrace() {
    let (_runtime, guest) = probe().await;
    let ran = run(&guest, "misbehave trap").await;
    assert!(ran.stderr.contains("trapped as told"), "{ran:?}");
    match &ran.end {
        Err(GuestError::Trapped { guest, message, backtrace }) => {
            assert!(guest.contains("test_probe"), "{guest}");
            assert!(message.contains("unreachable"), "{message}");
            assert!(backtrace.contains("misbehave"), "{backtrace}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(run(&guest, "say still here").await.lines(), ["still here"], "a trap poisons nothing but its own run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_guests_run_at_once() {
    let (_runtime, guest) = probe().await;
    let runs = (0..20).map(|n| {
        let guest = guest.clone();
        tokio::spawn(async move { run(&guest, &format!("cache set shared key-{n} value-{n}")).await.lines() == ["Ok(())"] })
    });
    for run in futures_util::future::join_all(runs).await {
        assert!(run.unwrap());
    }
}
