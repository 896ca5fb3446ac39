//! Which figures are wanted, and where they go.

use crate::measure::Figure;

/// Prints figures, of the wanted cases only.
#[derive(Debug)]
pub(crate) struct Report {
    cases: Vec<String>,
    json: bool,
    printed: usize,
}

impl Report {
    /// A report of these cases, or of all if none are named. A name that ends in `*` stands for all that begin so.
    pub(crate) fn new(cases: Vec<String>, json: bool) -> Self {
        Self { cases, json, printed: 0 }
    }

    /// Whether a case is wanted.
    pub(crate) fn wants(&self, case: &str) -> bool {
        let is_named = |wanted: &String| match wanted.strip_suffix('*') {
            Some(begin) => case.starts_with(begin),
            None => case == wanted,
        };
        self.cases.is_empty() || self.cases.iter().any(is_named)
    }

    /// Prints a figure if its case is wanted.
    pub(crate) fn print(&mut self, figure: &Figure) -> anyhow::Result<()> {
        if self.wants(&figure.case) {
            self.printed += 1;
            figure.print(self.json)?;
        }
        Ok(())
    }

    /// Says why a wanted case has no figure.
    pub(crate) fn skip(&mut self, case: &str, why: &dyn std::fmt::Display) {
        if self.wants(case) {
            self.printed += 1;
            eprintln!("{case}: not measured: {why}");
        }
    }

    /// Fails if cases were named and none was met.
    pub(crate) fn finish(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.cases.is_empty() || self.printed > 0, "no figure is called {}", self.cases.join(" or "));
        Ok(())
    }
}
