//! What a recorder is told.

use std::collections::{BTreeMap, HashSet};
use std::sync::MutexGuard;

use ::metrics::{Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use futures_util::FutureExt;

use super::*;
use crate::clock::Wait;

/// A recorder to look into.
#[derive(Debug, Default)]
struct Told {
    described: Mutex<HashSet<String>>,
    metrics: Mutex<BTreeMap<String, Arc<Metric>>>,
}

/// How often a metric was counted or recorded, and the sum of what was recorded in whole seconds.
#[derive(Debug, Default)]
struct Metric(Mutex<(u64, u64)>);

impl Metric {
    fn open(&self) -> MutexGuard<'_, (u64, u64)> {
        self.0.lock().unwrap()
    }
}

impl CounterFn for Metric {
    fn increment(&self, by: u64) {
        self.open().0 += by;
    }

    fn absolute(&self, _: u64) {
        panic!("nothing is counted elsewhere");
    }
}

impl HistogramFn for Metric {
    fn record(&self, seconds: f64) {
        let mut metric = self.open();
        metric.0 += 1;
        metric.1 += Duration::from_secs_f64(seconds).as_secs();
    }
}

impl Told {
    fn metric(&self, key: &Key) -> Arc<Metric> {
        assert!(self.described.lock().unwrap().contains(key.name()), "{key:?} is not described");
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{} {}", key.name().strip_prefix("bellwether_lock_").unwrap(), labels.join(" "));
        Arc::clone(self.metrics.lock().unwrap().entry(name).or_default())
    }

    fn all(&self) -> BTreeMap<String, (u64, u64)> {
        self.metrics.lock().unwrap().iter().map(|(name, metric)| (name.clone(), *metric.open())).collect()
    }
}

impl Recorder for Told {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        self.described.lock().unwrap().insert(key.as_str().to_owned());
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        assert_eq!(unit, Some(Unit::Seconds));
        self.describe_counter(key, unit, description);
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.metric(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.metric(key))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("there are no gauges")
    }
}

#[tokio::test(start_paused = true)]
async fn waits_holds_and_what_became_of_them_are_told() {
    let recorder = Told::default();
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let (store, locks) = setup();
    let lock = passing(&locks);

    let guard = lock.acquire(Wait::None).await.unwrap().unwrap();
    assert!(lock.acquire(Wait::UpTo(SECOND)).await.unwrap().is_none());
    assert!(lock.acquire(Wait::Forever).now_or_never().is_none(), "dropped while it waits");
    locks.settled().await;
    guard.release().await.unwrap();
    store.fail(Op::Attempt, Fault::Refused, 1);
    assert!(lock.acquire(Wait::None).await.is_err());

    let expires = lock.acquire(Wait::None).await.unwrap().unwrap();
    expires.lost().await;
    drop(expires);
    let broken = lock.acquire(Wait::None).await.unwrap().unwrap();
    let seen = locks.look("lock").await.unwrap().pop().unwrap();
    locks.break_lock(&seen, &seen.holders()[0]).await.unwrap();
    assert!(!broken.held().await.unwrap());
    locks.settled().await;

    let expected = [
        ("broken_total ", (1, 0)),
        ("hold_seconds kind=simple", (3, 4)),
        ("lost_total reason=expired", (1, 0)),
        ("lost_total reason=gone", (1, 0)),
        ("wait_seconds kind=simple outcome=acquired", (3, 0)),
        ("wait_seconds kind=simple outcome=busy", (1, 1)),
        ("wait_seconds kind=simple outcome=cancelled", (1, 0)),
        ("wait_seconds kind=simple outcome=failed", (1, 0)),
    ];
    assert_eq!(recorder.all(), expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_lock_is_told_by_its_name() {
    let recorder = Told::default();
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let (_store, locks) = setup();
    let rw = locks.open_rw("lock", LockOptions::default()).unwrap();
    let semaphore = locks.open_semaphore("lock", 1, LockOptions::default()).unwrap();
    let several = locks.open_many(["a", "b"], LockOptions::default()).unwrap();
    let (reader, permit) = (rw.read(Wait::None).await.unwrap().unwrap(), semaphore.acquire(Wait::None).await.unwrap().unwrap());
    let both = several.acquire(Wait::None).await.unwrap().unwrap();
    assert!(rw.write(Wait::UpTo(SECOND)).await.unwrap().is_none());
    assert!(semaphore.acquire(Wait::None).await.unwrap().is_none());
    assert!(several.acquire(Wait::Forever).now_or_never().is_none(), "dropped while it waits");
    reader.release().await.unwrap();
    permit.release().await.unwrap();
    both.release().await.unwrap();
    // The place of the writer that gave up.
    locks.settled().await;
    rw.write(Wait::None).await.unwrap().unwrap().release().await.unwrap();
    locks.settled().await;

    let expected = [
        ("hold_seconds kind=reader", (1, 1)),
        ("hold_seconds kind=semaphore", (1, 1)),
        ("hold_seconds kind=several", (2, 2)),
        ("hold_seconds kind=writer", (1, 0)),
        ("wait_seconds kind=reader outcome=acquired", (1, 0)),
        ("wait_seconds kind=semaphore outcome=acquired", (1, 0)),
        ("wait_seconds kind=semaphore outcome=busy", (1, 0)),
        ("wait_seconds kind=several outcome=acquired", (1, 0)),
        ("wait_seconds kind=several outcome=cancelled", (1, 0)),
        ("wait_seconds kind=writer outcome=acquired", (1, 0)),
        ("wait_seconds kind=writer outcome=busy", (1, 1)),
    ];
    assert_eq!(recorder.all(), expected.map(|(name, value)| (name.to_owned(), value)).into());
}

#[tokio::test(start_paused = true)]
async fn grants_are_told_with_who_gave_them() {
    let recorder = Told::default();
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let (store, locks) = setup();
    let others = Locks::new(Arc::clone(&store) as Arc<dyn Store>);
    let holder = lock(&locks).acquire(Wait::None).await.unwrap().unwrap();
    let waiter = |locks: &Locks| {
        let lock = lock(locks);
        tokio::spawn(async move { lock.acquire(Wait::Forever).await })
    };
    let (local, other) = (waiter(&locks), waiter(&others));
    tokio::time::sleep(SECOND).await;
    holder.release().await.unwrap();
    local.await.unwrap().unwrap().unwrap().release().await.unwrap();
    other.await.unwrap().unwrap().unwrap().release().await.unwrap();
    let told = recorder.all();
    for by in ["process", "queue"] {
        assert_eq!(told.get(&format!("grants_total by={by}")), Some(&(1, 0)), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn renewals_are_told_with_their_outcome() {
    let recorder = Told::default();
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let (store, locks) = setup();
    let guard = lock(&locks).acquire(Wait::None).await.unwrap().unwrap();
    store.fail(Op::Renew, Fault::RequestLost, 1);
    // Due after ten seconds, and repeated a second later.
    tokio::time::sleep(15 * SECOND).await;
    let seen = locks.look("lock").await.unwrap().pop().unwrap();
    store.inner.break_lock(&guard.held.lock, &seen.holders()[0].fingerprint).await.unwrap();
    guard.lost().await;
    let told = recorder.all();
    for (outcome, count) in [("failed", 1), ("renewed", 1), ("lost", 1)] {
        assert_eq!(told.get(&format!("renewals_total outcome={outcome}")), Some(&(count, 0)), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quorum_that_is_not_reached_is_told() {
    let recorder = Told::default();
    let _installed = ::metrics::set_default_local_recorder(&recorder);
    let (_store, lock) = quorum::setup(quorum::of_two(1));
    assert!(lock.acquire(Wait::None).await.unwrap().is_none());
    let told = recorder.all();
    for (name, count) in [("quorum_failures_total ", 1), ("wait_seconds kind=quorum outcome=busy", 1)] {
        assert_eq!(told.get(name).map(|(count, _)| *count), Some(count), "{told:?}");
    }
}
