//! When an entry is due to be computed anew, and how long it is kept: pure functions of what was read and when.
//!
//! What a client takes for the store's clock only decides whether the store is asked: who finds an entry due claims it in the store, which
//! has the last word. A client whose notion of it is ahead asks too soon and is told to take the value. One whose notion is behind
//! serves what others would compute anew, for as long as it is behind, and never longer than the entry is kept.

use std::time::Duration;

use super::{Herd, Tuning};
use crate::clock::{Span, millis};
use crate::envelope::{Head, Holds};
use crate::error::Invalid;

/// Herd protection and tuning that were checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rules {
    herd: Option<Herding>,
    /// By how many percent at most an entry expires sooner.
    jitter: u8,
    /// How long nobody tries again after a failure.
    failures: Option<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Herding {
    /// How long an entry is kept after it is due.
    kept: Span,
    extend_timeout: Span,
    /// β of the paper, in percent.
    refresh_ahead: u16,
    /// Whether a failure is answered with the old value.
    forgives: bool,
}

/// How long an entry lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// When it is due to be computed anew; `None`: never.
    pub(super) due: Option<Span>,
    /// How long it is kept; `None`: until it is deleted.
    pub(super) kept: Option<Span>,
}

/// What a reader makes of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// There is no entry.
    Absent,
    /// It has a value to be taken.
    Fresh,
    /// It may be due to be computed anew, so many milliseconds before its expiry: the store knows.
    Due { early: u64 },
    /// Its value could not be computed, and it is too soon to try again.
    Failed,
}

/// How much sooner than by its own clock a client asks the store, in milliseconds.
const MARGIN: u64 = 5;

/// How long who computes may be silent where there is no herd protection.
const LEASE: Span = Span::seconds(10);

/// The most by which an entry can expire sooner, in percent.
const MOST_JITTER: u8 = 99;

impl Rules {
    /// What a cache is tuned to that wishes so. What the platform says, and what cannot be without herd protection or without an
    /// envelope, is left out.
    pub(super) fn wished(wish: Option<Tuning>, platform: Option<Tuning>, herd: bool, plain: bool) -> Result<Tuning, Invalid> {
        let Some(wish) = wish else {
            let platform = platform.unwrap_or_default();
            let Tuning { refresh_ahead, stale_if_error, failures, .. } = platform;
            return Ok(Tuning {
                refresh_ahead: if herd { refresh_ahead } else { 0 },
                stale_if_error: stale_if_error.filter(|_| herd),
                failures: failures.filter(|_| !plain),
                ..platform
            });
        };
        let Tuning { refresh_ahead, stale_if_error, failures, .. } = wish;
        let (ahead, stale) = (("refresh-ahead", refresh_ahead > 0), ("stale-if-error", stale_if_error.is_some()));
        let first = |wishes: &[(&'static str, bool)]| wishes.iter().find(|(_, wished)| *wished).map(|(what, _)| *what);
        // Nobody can compute anything for all others there.
        if plain && let Some(what) = first(&[ahead, stale, ("failures", failures.is_some())]) {
            return Err(Invalid::NeedsEnvelope { what });
        }
        match first(&[ahead, stale]) {
            Some(what) if !herd => Err(Invalid::NeedsHerd { what }),
            _ => Ok(wish),
        }
    }

    /// Checks the times.
    pub(super) fn new(herd: Option<Herd>, tuning: Tuning) -> Result<Self, Invalid> {
        let Tuning { jitter, refresh_ahead, stale_if_error, failures } = tuning;
        if jitter > MOST_JITTER {
            return Err(Invalid::Jitter { given: jitter, max: MOST_JITTER });
        }
        let stale_if_error = stale_if_error.map(|time| Span::new("stale-if-error", time)).transpose()?;
        let herding = |Herd { herd_timeout, extend_timeout }| {
            let herd_timeout = Span::new("herd-timeout", herd_timeout)?;
            let kept = stale_if_error.map_or(herd_timeout, |time| time.max(herd_timeout));
            let extend_timeout = Span::new("extend-timeout", extend_timeout)?;
            Ok(Herding { kept, extend_timeout, refresh_ahead, forgives: stale_if_error.is_some() })
        };
        let failures = failures.map(|time| Span::new("failures", time)).transpose()?;
        Ok(Self { herd: herd.map(herding).transpose()?, jitter, failures })
    }

    /// Whether there is herd protection.
    pub(super) fn protects(&self) -> bool {
        self.herd.is_some()
    }

    /// How long who computes may be silent before another is asked to.
    pub(super) fn lease(&self) -> Span {
        self.herd.map_or(LEASE, |herd| herd.extend_timeout)
    }

    /// How long after its claim a value can still be one that nobody has replaced.
    pub(super) fn memory(&self) -> Duration {
        self.lease().duration() + self.herd.map_or(Duration::ZERO, |herd| herd.kept.duration())
    }

    /// Whether a failure is answered with the old value.
    pub(super) fn forgives(&self) -> bool {
        self.herd.is_some_and(|herd| herd.forgives)
    }

    /// How long nobody tries again after a failure; `None`: not at all.
    pub(super) fn rest(&self) -> Option<Span> {
        self.failures.or_else(|| Some(self.lease()).filter(|_| self.forgives()))
    }

    /// How long the text of a failure is kept.
    pub(super) fn failures(&self) -> Option<Span> {
        self.failures
    }

    /// How long an entry lives that expires so, or by chance a little sooner.
    pub(super) fn life(&self, expire: Option<Span>, random: u64) -> Result<Life, Invalid> {
        let Some(expire) = expire else { return Ok(Life { due: None, kept: None }) };
        let expire = sooner(expire, self.jitter, random);
        let Some(herd) = self.herd else { return Ok(Life { due: None, kept: Some(expire) }) };
        let kept = expire.duration() + herd.kept.duration();
        Ok(Life { due: Some(expire), kept: Some(Span::new("expire with the herd-timeout", kept)?) })
    }

    /// How many milliseconds before its expiry a value counts as due that took so many to compute: `Δ · β · -ln(rand())` of the paper
    /// that [`Tuning::refresh_ahead`] cites.
    pub(super) fn early(&self, took: u32, random: u64) -> u64 {
        let Some(Herding { refresh_ahead: beta @ 1.., .. }) = self.herd else { return 0 };
        // The upper 32 bits as a fraction of 1, and never 0.
        let fraction = (f64::from(u32::try_from(random >> 32).unwrap_or(u32::MAX)) + 1.0) / (f64::from(u32::MAX) + 1.0);
        let early = f64::from(took) * f64::from(beta) / 100.0 * -fraction.ln();
        Duration::try_from_secs_f64(early / 1000.0).map_or(u64::MAX, millis)
    }
}

/// An expiry that by chance comes up to so many percent sooner.
fn sooner(expire: Span, percent: u8, random: u64) -> Span {
    if percent == 0 {
        return expire;
    }
    let most = u128::from(expire.millis()) * u128::from(percent) / 100;
    // 128 bits hold the product of two numbers of 64.
    let by = u64::try_from((most * u128::from(random)) >> 64).unwrap_or(0);
    let left = expire.duration().saturating_sub(Duration::from_millis(by));
    Span::new("expire", left).unwrap_or(expire)
}

/// What a reader makes of what was read at `now`, in milliseconds since 1970. `early` says how many milliseconds before its expiry a
/// value counts as due that took so many to compute, if nobody does.
pub(super) fn sight(stored: Option<&[u8]>, now: u64, early: impl FnOnce(u32) -> u64) -> Sight {
    let Some(stored) = stored else { return Sight::Absent };
    match Head::read(stored) {
        // Of version 1, or not ours.
        None => Sight::Fresh,
        Some(head) => match head {
            Head { holds: Holds::Nothing, .. } => Sight::Absent,
            Head { holds: Holds::Failure, .. } => Sight::Failed,
            Head { expires: None, .. } => Sight::Fresh,
            Head { expires: Some(expires), claim, took, .. } => {
                let early = if claim.is_none() && took > 0 { early(took) } else { 0 };
                let due = expires.saturating_sub(early) <= now.saturating_add(MARGIN);
                if due { Sight::Due { early } } else { Sight::Fresh }
            }
        },
    }
}

/// For how long what was read at `now` can be served without looking again; `None` if it cannot. `early` as of [`sight`].
pub(super) fn fresh_for(stored: &[u8], now: u64, early: impl FnOnce(u32) -> u64) -> Option<Duration> {
    let mut sooner = MARGIN;
    let noted = |took| {
        let early = early(took);
        sooner = sooner.saturating_add(early);
        early
    };
    if sight(Some(stored), now, noted) != Sight::Fresh {
        return None;
    }
    let expires = Head::read(stored).and_then(|head| head.expires);
    Some(expires.map_or(Duration::MAX, |expires| Duration::from_millis(expires.saturating_sub(now.saturating_add(sooner)))))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;
    use crate::envelope::{Claim, Envelope};

    fn entry(expires: Option<u64>, claim: bool) -> bytes::Bytes {
        let claim = claim.then(|| Claim::random().unwrap());
        Envelope { expires, claim, ..Envelope::default() }.seal(b"payload").unwrap()
    }

    const SECOND: Duration = Duration::from_secs(1);

    fn never(_: u32) -> u64 {
        0
    }

    const HERD: Option<Herd> = Some(Herd { herd_timeout: SECOND, extend_timeout: SECOND });

    fn rules(tuning: Tuning) -> Rules {
        Rules::new(HERD, tuning).unwrap()
    }

    #[test]
    fn what_is_no_entry_is_absent_and_what_cannot_be_claimed_is_fresh() {
        assert_eq!(sight(None, 0, never), Sight::Absent);
        let placeholder = Envelope::vacant(Claim::random().unwrap()).seal(b"").unwrap();
        assert_eq!(sight(Some(&placeholder), u64::MAX, never), Sight::Absent);
        let failure = Envelope { holds: Holds::Failure, ..Envelope::default() }.seal(b"no").unwrap();
        assert_eq!(sight(Some(&failure), u64::MAX, never), Sight::Failed);
        for stored in [&b""[..], b"a stranger's", &entry(None, false)] {
            assert_eq!(sight(Some(stored), u64::MAX, never), Sight::Fresh);
        }
    }

    #[test]
    fn refreshing_ahead_is_likelier_the_longer_it_takes_and_the_nearer_the_expiry() {
        let rules = rules(Tuning { refresh_ahead: 100, ..Tuning::default() });
        // e^-1 of all numbers, of which the logarithm is -1.
        let random = 6_786_177_901_268_885_274;
        let early = rules.early(1_000, random);
        assert!((999..=1_001).contains(&early), "{early}");
        assert_eq!(rules.early(1_000, u64::MAX), 0);
        assert!(rules.early(u32::MAX, 0) > 22 * u64::from(u32::MAX));
        assert_eq!(Rules::default().early(1_000, random), 0);
        let stored = Envelope { expires: Some(10_000), took: 1_000, ..Envelope::default() }.seal(b"").unwrap();
        let seen = |now| sight(Some(&stored), now, |took| rules.early(took, random));
        assert_eq!(seen(8_900), Sight::Fresh);
        assert_eq!(seen(9_100), Sight::Due { early });
        let claim = Claim::random().ok();
        let claimed = Envelope { expires: Some(10_000), took: 1_000, claim, ..Envelope::default() }.seal(b"").unwrap();
        assert_eq!(sight(Some(&claimed), 9_000, |took| rules.early(took, random)), Sight::Fresh, "somebody does already");
    }

    #[test]
    fn what_needs_herd_protection_is_refused_without_it_or_left_out() {
        let eager = Tuning { refresh_ahead: 1, failures: Some(SECOND), ..Tuning::default() };
        let forgiving = Some(Tuning { stale_if_error: Some(SECOND), ..Tuning::default() });
        assert_eq!(Rules::wished(Some(eager), None, false, false), Err(Invalid::NeedsHerd { what: "refresh-ahead" }));
        assert_eq!(Rules::wished(forgiving, None, false, false), Err(Invalid::NeedsHerd { what: "stale-if-error" }));
        let left = Tuning { failures: Some(SECOND), ..Tuning::default() };
        assert_eq!(Rules::wished(None, Some(eager), false, false), Ok(left));
        assert_eq!(Rules::wished(None, Some(eager), true, false), Ok(eager));
        assert_eq!(Rules::wished(Some(left), Some(eager), true, false), Ok(left));
        assert_eq!(Rules::wished(None, Some(eager), false, true), Ok(Tuning::default()));
        assert_eq!(Rules::wished(Some(left), None, false, true), Err(Invalid::NeedsEnvelope { what: "failures" }));
        assert_eq!(Rules::new(None, Tuning { jitter: 100, ..left }), Err(Invalid::Jitter { given: 100, max: 99 }));
        let zero = Some(Duration::ZERO);
        assert_eq!(Rules::new(None, Tuning { failures: zero, ..left }), Err(Invalid::TooShort { what: "failures" }));
        assert_eq!(Rules::new(HERD, Tuning { stale_if_error: zero, ..left }), Err(Invalid::TooShort { what: "stale-if-error" }));
    }

    proptest! {
        #[test]
        fn nobody_asks_long_before_or_any_time_after_the_expiry(expires in 1_u64.., now: u64, claimed: bool) {
            let due = sight(Some(&entry(Some(expires), claimed)), now, never) == Sight::Due { early: 0 };
            prop_assert!(due || expires > now);
            prop_assert!(!due || expires <= now.saturating_add(MARGIN));
        }

        #[test]
        fn what_never_expires_is_never_due(now: u64) {
            prop_assert_eq!(sight(Some(&entry(None, true)), now, never), Sight::Fresh);
        }

        #[test]
        fn an_entry_is_kept_as_long_as_it_may_be_served_after_it_is_due(
            times in proptest::array::uniform4(1_u64..1 << 40), forgives: bool, random: u64,
        ) {
            let [expire, herd_timeout, extend_timeout, stale] = times.map(Duration::from_millis);
            let stale_if_error = Some(stale).filter(|_| forgives);
            let tuning = Tuning { stale_if_error, ..Tuning::default() };
            let rules = Rules::new(Some(Herd { herd_timeout, extend_timeout }), tuning).unwrap();
            let span = Span::new("expire", expire).unwrap();
            let Life { due, kept } = rules.life(Some(span), random).unwrap();
            prop_assert_eq!(due, Some(span));
            prop_assert_eq!(kept.unwrap().duration(), expire + herd_timeout.max(stale_if_error.unwrap_or_default()));
            prop_assert_eq!(rules.life(None, random).unwrap(), Life { due: None, kept: None });
            prop_assert_eq!(Rules::default().life(Some(span), random).unwrap(), Life { due: None, kept: Some(span) });
        }

        #[test]
        fn jitter_makes_an_entry_expire_sooner_and_never_too_soon(expire in 1_u64..1 << 40, jitter in 0..=MOST_JITTER, random: u64) {
            let span = Span::new("expire", Duration::from_millis(expire)).unwrap();
            let sooner = sooner(span, jitter, random).millis();
            prop_assert!(sooner <= expire && sooner >= 1);
            prop_assert!(u128::from(expire - sooner) * 100 <= u128::from(expire) * u128::from(jitter));
        }
    }
}
