//! What the readers of a herd have told, and what that makes.

use std::time::Duration;

use anyhow::{Context as _, bail};

use super::EXPIRES;

/// How much sooner than its expiry the server may have an entry expire, as it counts whole milliseconds.
const ROUNDING: Duration = Duration::from_millis(2);

/// Computations by the expiries that they belong to, and reads. Times are of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The first are of no expiry: there was no value before, or one that was not computed.
    rounds: Vec<Round>,
    reads: Vec<(Duration, Duration)>,
    told: usize,
}

/// The computations from when a value expired until the next one does.
#[derive(Debug)]
struct Round {
    computations: usize,
    /// When the first value was to be stored.
    first: Duration,
    /// From when a reader asked who then computed until every value was stored.
    from: Duration,
    until: Duration,
}

impl Tally {
    /// Takes in a line of a reader.
    pub(super) fn hear(&mut self, line: &str) -> anyhow::Result<()> {
        let mut words = line.split(' ');
        let what = words.next().unwrap_or_default();
        let times = words.map(|word| anyhow::Ok(Duration::from_nanos(word.parse()?))).collect::<Result<Vec<_>, _>>();
        let times = times.with_context(|| format!("a reader said {line:?}"))?;
        match (what, &times[..]) {
            ("computed", &[asked, began, ended, stored]) => self.compute(began, ended, (asked, stored)),
            ("reads", times) => {
                let reads = times.as_chunks::<2>().0.iter().map(|[began, took]| (*began, *took));
                self.reads.extend(reads);
                self.told += 1;
            }
            _ => bail!("a reader said {line:?}"),
        }
        Ok(())
    }

    /// Whoever began before the value had expired that was first computed did so for the same expiry.
    fn compute(&mut self, began: Duration, ended: Duration, (from, until): (Duration, Duration)) {
        match self.rounds.last_mut() {
            Some(round) if began + ROUNDING < round.first + EXPIRES => {
                round.computations += 1;
                round.first = round.first.min(ended);
                round.from = round.from.min(from);
                round.until = round.until.max(until);
            }
            _ => self.rounds.push(Round { computations: 1, first: ended, from, until }),
        }
    }

    /// How many values have expired and been computed anew.
    pub(super) fn expiries(&self) -> usize {
        self.rounds.len().saturating_sub(1)
    }

    /// How many processes have told of their reads.
    pub(super) fn told(&self) -> usize {
        self.told
    }

    /// How many computations there were an expiry.
    pub(super) fn mean(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "a count of computations")]
        let mean = self.computations().sum::<usize>() as f64 / self.expiries() as f64;
        mean
    }

    /// How many there were at the worst.
    pub(super) fn worst(&self) -> usize {
        self.computations().max().unwrap_or_default()
    }

    fn computations(&self) -> impl Iterator<Item = usize> {
        self.rounds.iter().skip(1).map(|round| round.computations)
    }

    /// How long those reads took of which `which` says so: it is told whether a value was computed meanwhile.
    pub(super) fn reads(&self, which: impl Fn(bool) -> bool) -> Vec<Duration> {
        let computed = |(began, took): (Duration, Duration)| {
            let next = self.rounds.partition_point(|round| round.until < began);
            self.rounds.get(next).is_some_and(|round| round.from <= began + took)
        };
        self.reads.iter().filter(|read| which(computed(**read))).map(|(_, took)| *took).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const MILLIS: u64 = 1_000_000;

    /// A tally of computations that take 200 ms each and began at these milliseconds.
    fn tally(began: &[u64]) -> Tally {
        let mut tally = Tally::default();
        for began in began {
            let [asked, began, ended, stored] = [began - 1, *began, began + 200, began + 201].map(|at| at * MILLIS);
            tally.hear(&format!("computed {asked} {began} {ended} {stored}")).unwrap();
        }
        tally
    }

    #[test]
    fn what_begins_before_a_value_has_expired_is_of_the_same_expiry() {
        let once = tally(&[1_000, 2_200, 3_399]);
        assert_eq!((once.expiries(), once.worst()), (2, 1));
        assert!((once.mean() - 1.0).abs() < f64::EPSILON);
        let more = tally(&[1_000, 2_200, 2_210, 2_390, 3_397, 3_601]);
        assert_eq!((more.expiries(), more.worst()), (2, 4));
        assert!((more.mean() - 2.5).abs() < f64::EPSILON);
        assert_eq!(tally(&[]).expiries(), 0);
    }

    #[test]
    fn a_read_meets_a_computation_that_it_overlaps() {
        let mut tally = tally(&[1_000, 2_200]);
        let reads = [(990, 5), (998, 2), (1_100, 3), (1_201, 4), (1_202, 7), (2_000, 600), (2_500, 9)];
        let words: Vec<_> = reads.iter().map(|(began, took)| format!("{} {}", began * MILLIS, took * MILLIS)).collect();
        tally.hear(&format!("reads {}", words.join(" "))).unwrap();
        assert_eq!(tally.reads(|computed| computed), [2, 3, 4, 600].map(Duration::from_millis));
        assert_eq!(tally.reads(|computed| !computed), [5, 7, 9].map(Duration::from_millis));
        assert_eq!(tally.told(), 1);
    }

    #[test]
    fn what_no_reader_says_is_refused() {
        for line in ["computed 1 2 3", "computed 1 2 3 x", "failed", ""] {
            assert!(Tally::default().hear(line).is_err(), "{line}");
        }
    }
}
