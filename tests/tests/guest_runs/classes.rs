//! Locks of a class that the embedder registered, as guests ask for them.

use std::sync::{Arc, Mutex};

use bellwether::Error;
use bellwether::error::{Denied, LossReason};
use bellwether::guest::Names;
use bellwether::lock::{BoxFuture, Guard, Hold, LockClass, Request};

use super::*;

/// Notes who holds what, and gives nobody what is closed.
#[derive(Debug, Default)]
struct Noted(Mutex<Vec<String>>);

impl Noted {
    fn lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl LockClass for Noted {
    fn acquire<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Option<Guard>, Error>> {
        Box::pin(async move {
            if request.note == Some("closed") {
                return Err(Denied::ByClass { why: "come back tomorrow".to_owned() }.into());
            }
            request.lock.acquire(request.wait).await
        })
    }

    fn acquired<'a>(&'a self, hold: &'a Hold) -> BoxFuture<'a, Result<(), Error>> {
        self.0.lock().unwrap().push(format!("{}: {}", hold.lock, hold.note.as_deref().unwrap_or("-")));
        Box::pin(async { Ok(()) })
    }

    fn ended<'a>(&'a self, hold: &'a Hold, why: LossReason) -> BoxFuture<'a, ()> {
        self.0.lock().unwrap().push(format!("{}: {why}", hold.lock));
        Box::pin(async {})
    }
}

async fn noted() -> (Arc<Noted>, Runtime, Guest) {
    let noted = Arc::new(Noted::default());
    let (runtime, guest) = load(builder().lock_class("noted", Arc::clone(&noted) as Arc<dyn LockClass>)).await;
    (noted, runtime, guest)
}

#[tokio::test]
async fn a_class_is_told_of_holds_however_they_end() {
    let (noted, runtime, guest) = noted().await;
    for how in ["release", "drop", "leave", "trap"] {
        let ran = run(&guest, &format!("class noted a {how} {how}-it")).await;
        assert!(ran.stdout.starts_with("held\n"), "{ran:?}");
        assert_eq!(matches!(ran.end, Err(GuestError::Trapped { .. })), how == "trap", "{ran:?}");
        runtime.shutdown().await;
        assert_eq!(noted.lines(), [format!("a: {how}-it"), "a: it was released".to_owned()], "{how}");
        assert!(!is_held(&runtime.locks(), "a").await, "{how}");
    }
    assert_eq!(run(&guest, "class noted a adopt").await.lines(), ["held", "release Ok(())"]);
    runtime.shutdown().await;
    let lines = noted.lines();
    assert_eq!(lines.iter().filter(|line| *line == "a: -").count(), 2, "{lines:?}");
    assert!(lines.contains(&"a: it was handed over".to_owned()) && lines.contains(&"a: it was released".to_owned()));
}

#[tokio::test]
async fn a_lock_of_a_class_excludes_ordinary_ones() {
    let (noted, runtime, guest) = noted().await;
    let native = runtime.locks().open_as("noted", "a", Some("native"), LockOptions::default()).unwrap();
    let guard = native.acquire(bellwether::clock::Wait::None).await.unwrap().unwrap();
    assert_eq!(run(&guest, "lock try a").await.lines(), ["Ok(false)"]);
    let (ran, released) = tokio::join!(run(&guest, "class noted a release guest"), guard.release());
    released.unwrap();
    assert_eq!(ran.lines(), ["held", "release Ok(())"]);
    runtime.shutdown().await;
    assert_eq!(noted.lines()[..1], ["a: native"]);
}

#[tokio::test]
async fn what_a_class_refuses_is_denied_in_its_words() {
    let (noted, runtime, guest) = noted().await;
    assert_eq!(
        run(&guest, "class noted a release closed").await.lines(),
        ["Error::Denied(\"the class of the lock refuses it: come back tomorrow\")"]
    );
    assert!(noted.lines().is_empty() && !is_held(&runtime.locks(), "a").await);
}

#[tokio::test]
async fn a_class_has_to_be_there_and_to_be_granted() {
    let (_noted, _runtime, guest) = noted().await;
    assert_eq!(
        run(&guest, "class knotted a release").await.lines(),
        ["Error::Invalid(\"no lock class is registered as \\\"knotted\\\": known are `noted`\")"]
    );
    let plain = Grant { locks: Names::All, ..Grant::none() };
    for class in ["noted", "knotted"] {
        assert_eq!(
            run_with(&guest, &format!("class {class} a release"), GuestRun::default().grant(plain.clone())).await.lines(),
            [format!("Error::Denied(\"the lock class \\\"{class}\\\" is not granted to this guest: ask the platform for it\")")]
        );
    }
    let others = Grant { lock_classes: Names::All, locks: Names::matching(["b"]).unwrap(), ..Grant::none() };
    let ran = run_with(&guest, "class noted a release", GuestRun::default().grant(others)).await;
    assert!(ran.lines()[0].starts_with("Error::Denied(\"the lock \\\"a\\\""), "{ran:?}");
    let long = format!("class noted a release {}", "n".repeat(1025));
    assert_eq!(run(&guest, &long).await.lines(), ["Error::Limit(\"the note has 1025 bytes, and at most 1024 are allowed\")"]);
    let (_runtime, guest) = probe().await;
    assert!(run(&guest, "class noted a release").await.lines()[0].contains("there are none"));
}

#[tokio::test]
async fn two_classes_of_one_name_make_no_runtime() {
    let twice = builder().lock_class("noted", Arc::new(Noted::default())).lock_class("noted", Arc::new(Noted::default()));
    assert!(twice.build().await.unwrap_err().to_string().contains("the lock class name \"noted\" is taken"));
}
