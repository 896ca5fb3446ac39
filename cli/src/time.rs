//! Lengths of time as people write them: `250ms`, `10s`, `5m`, `1h30m`, `2d`.

use std::fmt::Write;
use std::time::Duration;

/// The units, largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads one or more whole numbers, each followed by its unit.
///
/// # Errors
/// Says what a time looks like.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("there is no time: write 250ms, 10s, 5m, 1h30m or 2d".into());
    }
    if rest.starts_with('-') {
        return Err(format!("{text:?} is less than no time: write 250ms, 10s, 5m, 1h30m or 2d"));
    }
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let Some((_, millis)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("{text:?} needs units: write 250ms, 10s, 5m, 1h30m or 2d"));
        };
        let number: u64 = number
            .parse()
            .map_err(|_| format!("{text:?} is not a whole number with a unit: write 250ms, 10s, 5m, 1h30m or 2d"))?;
        total = number
            .checked_mul(*millis)
            .and_then(|part| total.checked_add(Duration::from_millis(part)))
            .ok_or_else(|| format!("{text:?} is too long"))?;
        rest = after;
    }
    Ok(total)
}

/// The same for a time that cannot be zero.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_some(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("no time is too short: give at least 1ms, or leave it out".into()),
        time => Ok(time),
    }
}

/// Writes a time the way [`parse`] reads it, down to the millisecond.
pub(crate) fn show(time: Duration) -> String {
    let mut left = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in UNITS {
        let count = left / millis;
        if count > 0 {
            // Writing to a string cannot fail.
            let _ = write!(text, "{count}{unit}");
            left %= millis;
        }
    }
    if text.is_empty() { "0ms".into() } else { text }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_alike() {
        for (text, millis) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("0ms", 0),
            ("1m1ms", 60_001),
        ] {
            let time = Duration::from_millis(millis);
            assert_eq!(parse(text), Ok(time), "{text}");
            assert_eq!(show(time), text);
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", " ", "10", "s", "-1s", "1.5s", "1w", "10 s", "99999999999999999999s", "18446744073709551615d", "1s2"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
