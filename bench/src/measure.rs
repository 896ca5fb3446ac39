//! Timing a subject and its raw reference in turn, in one run, so that both meet the same machine.

use std::time::{Duration, Instant};

use serde::Serialize;

/// One figure: a case and its raw reference, measured in the same run.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    /// The case, named as in the design.
    pub(crate) case: String,
    /// What was measured.
    pub(crate) value: f64,
    /// The unit of `value` and `reference`.
    pub(crate) unit: &'static str,
    /// The raw reference.
    pub(crate) reference: f64,
    /// `value / reference`.
    pub(crate) ratio: f64,
    /// How many calls of the subject stand behind the figure.
    pub(crate) n: usize,
    /// What the reference is.
    pub(crate) against: &'static str,
    /// What the design asks for.
    pub(crate) goal: &'static str,
    /// What the value is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

impl Figure {
    /// A figure of two values in one unit.
    pub(crate) fn new(case: impl Into<String>, unit: &'static str, (value, reference): (f64, f64), n: usize) -> Self {
        Self { case: case.into(), value, unit, reference, ratio: value / reference, n, against: "", goal: "", detail: None }
    }

    /// A figure of two median times.
    pub(crate) fn of_times(case: impl Into<String>, (ours, theirs): (Duration, Duration), n: usize) -> Self {
        Self::new(case, "µs", (micros(ours), micros(theirs)), n)
    }

    /// Says what the reference is.
    pub(crate) fn against(self, against: &'static str) -> Self {
        Self { against, ..self }
    }

    /// Says what the design asks for.
    pub(crate) fn goal(self, goal: &'static str) -> Self {
        Self { goal, ..self }
    }

    /// Says what the value is made of.
    pub(crate) fn of(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// Prints the figure: a line of JSON, or a line for people.
    pub(crate) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
        } else {
            let Self { case, value, unit, reference, ratio, n, against, goal, detail } = self;
            let of = detail.as_ref().map(|detail| format!("; {detail}")).unwrap_or_default();
            println!("{case:<34} {value:>10.3} {unit:<6} {ratio:>6.2} × {reference:>10.3} ({against}; n = {n}; goal {goal}{of})");
        }
        Ok(())
    }
}

/// Microseconds of a duration.
pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The median of times.
pub(crate) fn median(times: &mut [Duration]) -> Duration {
    percentile(times, 50)
}

/// The time that `percent` of these times are under.
pub(crate) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get(times.len() * percent / 100).copied().unwrap_or_default()
}

/// Times two synchronous subjects in turn, `rounds` times `calls` of each, and gives the median time of one call.
#[cfg(feature = "components")]
pub(crate) fn in_turn<E>(
    rounds: usize,
    calls: u32,
    mut subject: impl FnMut() -> Result<(), E>,
    mut reference: impl FnMut() -> Result<(), E>,
) -> Result<(Duration, Duration), E> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        for (times, call) in [(&mut first, &mut subject as &mut dyn FnMut() -> Result<(), E>), (&mut second, &mut reference)] {
            let start = Instant::now();
            for _ in 0..calls {
                call()?;
            }
            times.push(start.elapsed() / calls);
        }
    }
    Ok((median(&mut first), median(&mut second)))
}

/// Times two asynchronous subjects in turn, `rounds` times `calls` of each, and gives the median of all single calls.
pub(crate) async fn in_turn_async(
    rounds: usize,
    calls: usize,
    mut subject: impl AsyncFnMut() -> anyhow::Result<()>,
    mut reference: impl AsyncFnMut() -> anyhow::Result<()>,
) -> anyhow::Result<(Duration, Duration)> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        first.extend(each(calls, &mut subject).await?);
        second.extend(each(calls, &mut reference).await?);
    }
    Ok((median(&mut first), median(&mut second)))
}

/// The time of each of `calls` calls, one after the other.
pub(crate) async fn each(calls: usize, mut subject: impl AsyncFnMut() -> anyhow::Result<()>) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        subject().await?;
        times.push(start.elapsed());
    }
    Ok(times)
}
