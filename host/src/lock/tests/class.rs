use std::sync::Mutex;

use futures_util::future::BoxFuture;

use super::*;
use crate::clock::Wait;
use crate::error::{Denied, Invalid, LossReason};
use crate::lock::{Guard, Hold, LockClass, Request};

/// A class that writes down what it is told, and does not give some locks.
#[derive(Debug, Default)]
struct Diary {
    pages: Mutex<Vec<String>>,
    /// Another lock to acquire in place of the one that is asked for.
    other: Option<Lock>,
}

impl Diary {
    fn write(&self, page: String) {
        self.pages.lock().unwrap().push(page);
    }

    fn pages(&self) -> Vec<String> {
        std::mem::take(&mut *self.pages.lock().unwrap())
    }
}

impl LockClass for Diary {
    fn acquire<'a>(&'a self, request: Request<'a>) -> BoxFuture<'a, Result<Option<Guard>, Error>> {
        Box::pin(async move {
            if request.note == Some("never") {
                return Err(Denied::ByClass { why: "it is closed".to_owned() }.into());
            }
            self.other.as_ref().unwrap_or(request.lock).acquire(request.wait).await
        })
    }

    fn acquired<'a>(&'a self, hold: &'a Hold) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.write(format!("{} is held: {:?}", hold.lock, hold.note));
            match hold.note.as_deref() {
                Some("fail") => Err(Denied::ByClass { why: "it has no room".to_owned() }.into()),
                Some("hang") => std::future::pending().await,
                _ => Ok(()),
            }
        })
    }

    fn ended<'a>(&'a self, hold: &'a Hold, why: LossReason) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            // Not at once, as what it tells of takes its time too.
            tokio::task::yield_now().await;
            self.write(format!("{} ended: {why}", hold.lock));
            if hold.note.as_deref() == Some("for ever") {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// Locks with the class `diary`.
fn diary(other: Option<Lock>, locks: &Locks) -> (Arc<Diary>, Locks) {
    let diary = Arc::new(Diary { other, ..Diary::default() });
    let locks = locks.with_class("diary", Arc::clone(&diary) as Arc<dyn LockClass>).unwrap();
    (diary, locks)
}

fn open(locks: &Locks, note: &str) -> Lock {
    locks.open_as("diary", "lock", Some(note), LockOptions::default()).unwrap()
}

async fn hold(lock: &Lock) -> Guard {
    lock.acquire(Wait::None).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_class_is_told_of_every_hold_and_of_its_end() {
    let (_, locks) = setup();
    let (diary, locks) = diary(None, &locks);
    let lock = open(&locks, "a note");
    let guard = hold(&lock).await;
    assert_eq!(diary.pages(), ["lock is held: Some(\"a note\")"]);
    assert!(lock.acquire(Wait::None).await.unwrap().is_none() && diary.pages().is_empty(), "nobody holds it twice");
    guard.release().await.unwrap();
    drop(guard);
    locks.settled().await;
    assert_eq!(diary.pages(), ["lock ended: it was released"], "once");

    drop(hold(&lock).await);
    locks.settled().await;
    assert_eq!(diary.pages()[1..], ["lock ended: it was released"]);

    let token = hold(&lock).await.hand_over().await.unwrap();
    locks.settled().await;
    assert_eq!(diary.pages()[1..], ["lock ended: it was handed over"]);
    let adopted = lock.adopt(&token).await.unwrap();
    assert_eq!(diary.pages(), ["lock is held: Some(\"a note\")"]);
    drop(adopted);
}

#[tokio::test(start_paused = true)]
async fn a_class_is_told_of_a_loss_that_nobody_else_looks_for() {
    let (_, locks) = setup();
    let (diary, locks) = diary(None, &locks);
    let passing = LockOptions { lease: Some(3 * SECOND), renew: false, ..LockOptions::default() };
    let guard = hold(&locks.open_as("diary", "lock", None, passing).unwrap()).await;
    tokio::time::sleep(4 * SECOND).await;
    assert_eq!(diary.pages(), ["lock is held: None", "lock ended: its lease ended"]);
    drop(guard);
    locks.settled().await;
    assert!(diary.pages().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_class_can_refuse_and_then_nobody_has_the_lock() {
    let (_, locks) = setup();
    let (diary, locks) = diary(None, &locks);
    let refused = |why: &str| Err(Denied::ByClass { why: why.to_owned() }.into());
    assert_eq!(open(&locks, "never").acquire(Wait::Forever).await.map(|_| ()), refused("it is closed"));
    assert!(diary.pages().is_empty());
    let lock = open(&locks, "fail");
    assert_eq!(lock.acquire(Wait::Forever).await.map(|_| ()), refused("it has no room"));
    locks.settled().await;
    assert!(!lock.is_locked().await.unwrap());
    assert_eq!(diary.pages()[1..], ["lock ended: it was released"], "it is told of all that it was told of");
}

#[tokio::test(start_paused = true)]
async fn an_acquire_that_goes_away_within_its_class_leaves_the_lock_to_others() {
    let (_, locks) = setup();
    let (diary, locks) = diary(None, &locks);
    let lock = open(&locks, "hang");
    assert!(tokio::time::timeout(SECOND, lock.acquire(Wait::Forever)).await.is_err());
    locks.settled().await;
    assert!(!lock.is_locked().await.unwrap());
    assert_eq!(diary.pages(), ["lock is held: Some(\"hang\")", "lock ended: it was released"]);
}

#[tokio::test(start_paused = true)]
async fn a_class_that_never_ends_holds_up_nothing_for_long() {
    let (_, locks) = setup();
    let (_, locks) = diary(None, &locks);
    let lock = open(&locks, "for ever");
    drop(hold(&lock).await);
    let next = lock.acquire(Wait::UpTo(SECOND)).await.unwrap();
    assert!(next.is_some(), "the lock is released whatever its class does");
    drop(next);
    locks.settled().await;
}

#[tokio::test(start_paused = true)]
async fn a_class_cannot_give_the_guard_of_another_lock() {
    let (_, locks) = setup();
    let other = locks.open("other", LockOptions::default()).unwrap();
    let (diary, locks) = diary(Some(other.clone()), &locks);
    let given = open(&locks, "a note").acquire(Wait::None).await.map(|_| ());
    assert!(matches!(&given, Err(Error::Invalid(Invalid::ForeignGuard { given, .. })) if given == "other"), "{given:?}");
    locks.settled().await;
    assert!(!other.is_locked().await.unwrap() && diary.pages().is_empty());

    // Nor that of the same name in another store.
    let ((_, here), (_, elsewhere)) = (setup(), setup());
    let (_, here) = self::diary(Some(lock(&elsewhere)), &here);
    let given = open(&here, "a note").acquire(Wait::None).await.map(|_| ());
    assert!(matches!(given, Err(Error::Invalid(Invalid::ForeignGuard { .. }))), "{given:?}");
}

#[tokio::test(start_paused = true)]
async fn classes_within_classes_are_all_told() {
    let (_, locks) = setup();
    let (inner, locks) = diary(None, &locks);
    let outer = Arc::new(Diary { other: Some(open(&locks, "inner")), ..Diary::default() });
    let locks = locks.with_class("outer", Arc::clone(&outer) as Arc<dyn LockClass>).unwrap();
    drop(hold(&locks.open_as("outer", "lock", Some("outer"), LockOptions::default()).unwrap()).await);
    locks.settled().await;
    assert_eq!(inner.pages(), ["lock is held: Some(\"inner\")", "lock ended: it was released"]);
    assert_eq!(outer.pages(), ["lock is held: Some(\"outer\")", "lock ended: it was released"]);
}

#[test]
fn classes_that_cannot_be_are_refused() {
    let (_, locks) = setup();
    let refused = |locks: &Locks, class: &str, note: Option<&str>| {
        locks.open_as(class, "lock", note, LockOptions::default()).unwrap_err().to_string()
    };
    assert!(refused(&locks, "dairy", None).ends_with("no lock class is registered as \"dairy\": there are none"));
    let (_, locks) = diary(None, &locks);
    assert!(refused(&locks, "dairy", None).ends_with("known are `diary`"));
    assert!(refused(&locks, "diary", Some(&"n".repeat(1025))).contains("the note has 1025 bytes"));
    assert!(locks.open_as("diary", "lock", Some(&"n".repeat(1024)), LockOptions::default()).is_ok());
    assert!(matches!(locks.open_as("diary", "", None, LockOptions::default()), Err(Error::Invalid(Invalid::Empty { .. }))));
    let again = locks.with_class("diary", Arc::new(Diary::default()));
    assert!(matches!(again, Err(Error::Invalid(Invalid::ClassTaken { .. }))));
    assert!(matches!(locks.with_class("", Arc::new(Diary::default())), Err(Error::Invalid(Invalid::Empty { .. }))));
}
