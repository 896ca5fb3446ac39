//! What is printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::closure::{Closure, Saving};
use crate::graph::{Graph, Package};
use crate::work::Outcome;

/// One document and what came of it.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) source: String,
    pub(crate) document_bytes: usize,
    pub(crate) graph: Graph,
    pub(crate) outcome: Outcome,
    pub(crate) reading: Duration,
    pub(crate) working: Duration,
}

impl Report {
    /// For people.
    pub(crate) fn text(&self, top: usize) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, top);
        text
    }

    /// For programs: one object.
    pub(crate) fn json(&self, top: usize) -> serde_json::Value {
        let closures: Vec<_> = self
            .largest(top)
            .into_iter()
            .map(|(package, closure)| json!({ "name": package.name, "version": package.version, "closure": closure }))
            .collect();
        json!({
            "document": self.source,
            "packages": self.graph.len(),
            "computed": self.outcome.computed,
            "cached": self.outcome.cached,
            "shared": self.outcome.shared,
            "document_bytes": self.document_bytes,
            "value_bytes": self.outcome.value_bytes,
            "reading_ms": millis(self.reading),
            "working_ms": millis(self.working),
            "licences": self.licences(),
            "closures": closures,
        })
    }

    fn write(&self, text: &mut String, top: usize) -> std::fmt::Result {
        let Outcome { computed, cached, shared, value_bytes, .. } = &self.outcome;
        writeln!(text, "{}: {} packages", self.source, grouped(self.graph.len()))?;
        writeln!(text, "  computed    {:>9}", grouped(*computed))?;
        writeln!(text, "  from cache  {:>9}", grouped(*cached))?;
        if *shared > 0 {
            writeln!(text, "  from others {:>9}  computed elsewhere while this was running", grouped(*shared))?;
        }
        writeln!(text, "  bytes       {:>9}  of JSON read", grouped(self.document_bytes))?;
        writeln!(text, "              {:>9}  of closures, as CBOR before the cache's stages", grouped(*value_bytes))?;
        writeln!(text, "  time        {:>6.1} ms  to read the document", millis(self.reading))?;
        writeln!(text, "              {:>6.1} ms  to get all closures", millis(self.working))?;
        if top > 0 {
            writeln!(text, "\n  licences of these packages")?;
            let mut licences: Vec<_> = self.licences().into_iter().collect();
            licences.sort_by(|(name, count), (other_name, other)| other.cmp(count).then(name.cmp(other_name)));
            for (licence, packages) in licences.iter().take(top) {
                writeln!(text, "  {packages:>8}  {licence}")?;
            }
            writeln!(text, "\n  packages  depth  closure of, and the fewest licences it can be used under")?;
            for (package, closure) in self.largest(top) {
                let Closure { packages, depth, needed, savings, .. } = closure;
                writeln!(text, "  {packages:>8}  {depth:>5}  {}: {}", package.label(), needed.join(", "))?;
                if let Some(Saving { without, packages, licences }) = savings.first() {
                    let licences = if licences.is_empty() { String::new() } else { format!(", and no {}", licences.join(", ")) };
                    writeln!(text, "{:19}{packages} fewer without {without}{licences}", "")?;
                }
            }
        }
        Ok(())
    }

    fn largest(&self, top: usize) -> Vec<(&Package, &Closure)> {
        let mut closures: Vec<_> = self.outcome.closures.iter().map(|(id, closure)| (self.graph.get(*id), closure)).collect();
        closures.sort_by_key(|(package, closure)| (std::cmp::Reverse(closure.packages), package.label()));
        closures.truncate(top);
        closures
    }

    fn licences(&self) -> BTreeMap<String, usize> {
        let mut licences = BTreeMap::new();
        for (_, package) in self.graph.iter() {
            *licences.entry(package.licence.to_string()).or_default() += 1;
        }
        licences
    }
}

/// With commas between thousands.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn report() -> Report {
        let graph = crate::graph::tests::graph(&["app MIT: log", "log MIT/Apache-2.0:", "other ISC:"]).unwrap();
        let closures = graph.iter().map(|(id, _)| (id, Closure::of(id, &graph))).collect();
        let outcome = Outcome { closures, computed: 1, cached: 2, shared: 0, value_bytes: 12_345 };
        let (reading, working) = (Duration::from_millis(2), Duration::from_micros(1_500));
        Report { source: "a.json".to_owned(), document_bytes: 1_234_567, graph, outcome, reading, working }
    }

    #[test]
    fn people_see_where_everything_came_from() {
        let text = report().text(1);
        for part in ["a.json: 3 packages", "1,234,567", "12,345", "1.5 ms", "app@1.0.0: MIT", "1  Apache-2.0 OR MIT"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("log@1.0.0:"), "only the largest was asked for:\n{text}");
    }

    #[test]
    fn programs_get_the_same_figures() {
        let json = report().json(10);
        assert_eq!((&json["computed"], &json["cached"], &json["value_bytes"]), (&json!(1), &json!(2), &json!(12_345)));
        assert_eq!(json["closures"].as_array().unwrap().len(), 3);
        assert_eq!(json["closures"][0]["closure"]["needed"], json!(["MIT"]));
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
