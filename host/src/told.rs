//! A recorder of metrics for tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use metrics::{Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// A recorder to look into.
#[derive(Debug, Default)]
pub(crate) struct Told {
    prefix: &'static str,
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
    /// One that is told of metrics whose names begin so, and shows them without it.
    pub(crate) fn of(prefix: &'static str) -> Self {
        Self { prefix, ..Self::default() }
    }

    fn metric(&self, key: &Key) -> Arc<Metric> {
        assert!(self.described.lock().unwrap().contains(key.name()), "{key:?} is not described");
        let labels: Vec<_> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{} {}", key.name().strip_prefix(self.prefix).unwrap(), labels.join(" "));
        Arc::clone(self.metrics.lock().unwrap().entry(name).or_default())
    }

    /// All that were counted and recorded so far.
    pub(crate) fn all(&self) -> BTreeMap<String, (u64, u64)> {
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
