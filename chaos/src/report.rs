//! What people read of a run.

use std::fmt::Write;

use crate::check::{Figures, Verdict};
use crate::trial::{Outcome, Trial};

/// So many broken promises are told in full.
const TOLD: usize = 20;

/// The report of one run.
pub(crate) fn report(trial: &Trial, outcome: &Outcome) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, trial, outcome);
    text
}

/// The part of it that is judged.
pub(crate) fn verdict(verdict: &Verdict) -> String {
    let mut text = String::new();
    let _ = write_verdict(&mut text, verdict);
    text
}

fn write(text: &mut String, trial: &Trial, outcome: &Outcome) -> std::fmt::Result {
    let Trial { topology, seed, time, .. } = trial;
    writeln!(text, "\n{} · seed {seed} · {} s of faults", topology.name(), time.as_secs())?;
    let faults: Vec<_> = outcome.faults.iter().map(|(name, count)| format!("{name} {count}")).collect();
    writeln!(text, "  faults: {}", faults.join(", "))?;
    write_verdict(text, &outcome.verdict)
}

fn write_verdict(text: &mut String, verdict: &Verdict) -> std::fmt::Result {
    let names = [
        "kind",
        "acquired",
        "adopted",
        "refused",
        "cancelled",
        "failed",
        "extended",
        "unsure",
        "overlaps",
        "worst",
        "gone",
        "written",
        "stale",
        "max wait",
        "late",
        "woken",
        "passed",
    ];
    row(text, &names.map(ToOwned::to_owned))?;
    for (kind, figures) in &verdict.kinds {
        row(text, &cells(kind, figures))?;
    }
    for (kind, figures) in verdict.kinds.iter().filter(|(_, figures)| figures.overlaps > 0) {
        let amid: Vec<_> = figures.amid.iter().map(|(fault, count)| format!("{fault} {count}")).collect();
        writeln!(text, "  overlaps of {kind}: {}", amid.join(", "))?;
    }
    let broken = &verdict.broken;
    writeln!(text, "  promises broken: {}", broken.len())?;
    for line in broken.iter().take(TOLD) {
        writeln!(text, "    {line}")?;
    }
    if broken.len() > TOLD {
        writeln!(text, "    and {} more", broken.len() - TOLD)?;
    }
    Ok(())
}

fn cells(kind: &str, figures: &Figures) -> [String; 17] {
    let ms = |nanos: u64| format!("{} ms", nanos / 1_000_000);
    [
        kind.to_owned(),
        figures.acquired.to_string(),
        figures.adopted.to_string(),
        figures.refused.to_string(),
        figures.cancelled.to_string(),
        figures.failed.to_string(),
        figures.extended.to_string(),
        figures.unsure.to_string(),
        figures.overlaps.to_string(),
        ms(figures.worst_overlap),
        figures.gone.to_string(),
        figures.accepted.to_string(),
        figures.rejected.to_string(),
        ms(figures.worst_wait),
        ms(figures.worst_lateness),
        ms(figures.usual_hand_over),
        figures.worst_passed.to_string(),
    ]
}

fn row(text: &mut String, cells: &[String; 17]) -> std::fmt::Result {
    for (number, cell) in cells.iter().enumerate() {
        if number == 0 { write!(text, "  {cell:<11}")? } else { write!(text, "{cell:>10}")? }
    }
    writeln!(text)
}
