//! What a subscriber to traces is told.

use std::fmt;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::*;
use crate::clock::Wait;

/// The spans of locks: what each is called, with its fields, within which other, and whether it ended.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<(String, bool)>>>);

impl Spans {
    fn told(&self) -> Vec<(String, bool)> {
        self.0.lock().unwrap().clone()
    }
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_span() && metadata.target().starts_with("bellwether::lock")
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut spans = self.0.lock().unwrap();
        let mut told = attributes.metadata().name().to_owned();
        attributes.record(&mut Fields(&mut told));
        if let Some(parent) = attributes.parent() {
            write!(told, " within #{}", parent.into_u64()).unwrap();
        }
        spans.push((told, false));
        Id::from_u64(spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}

    fn try_close(&self, id: Id) -> bool {
        let at = usize::try_from(id.into_u64()).unwrap() - 1;
        self.0.lock().unwrap()[at].1 = true;
        true
    }
}

/// Spells fields out, but for fences, which are another each time.
struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "fence" => write!(self.0, " fence"),
            name => write!(self.0, " {name}={value:?}"),
        }
        .unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn waits_holds_renewals_and_releases_are_spans() {
    // With one subscriber in the process, whoever comes to a span first would decide for all whether it is of interest: tests of other
    // threads, which have none.
    let _other = tracing::Dispatch::new(Spans::default());
    let spans = Spans::default();
    let _installed = tracing::subscriber::set_default(spans.clone());
    let (_store, locks) = setup();
    let lock = lock(&locks);
    let acquired = r#"acquire lock="lock" kind="simple""#;
    let holds = r#"hold lock="lock" kind="simple" fence"#;

    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    assert_eq!(spans.told(), [(acquired.to_owned(), true), (holds.to_owned(), false)]);
    tokio::time::sleep(15 * SECOND).await;
    assert_eq!(spans.told()[2..], [("renew guards=1".to_owned(), true)]);
    guard.release().await.unwrap();
    drop(guard);
    locks.settled().await;
    let released = r#"release lock="lock" fence within #2"#;
    assert_eq!(spans.told()[1], (holds.to_owned(), true), "it lasted as long as the guard");
    assert_eq!(spans.told()[3..], [(released.to_owned(), true)]);

    let several = locks.open_many(["a", "b"], LockOptions::default()).unwrap();
    drop(several.acquire(Wait::None).await.unwrap().unwrap());
    assert_eq!(spans.told()[4].0, r#"acquire lock="a" kind="several" names=2"#);
}
