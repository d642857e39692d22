//! Lengths of time: a bare number is seconds, as timeout(1) has it; units may follow one another, as in Go.

use crate::ParseError;
use std::time::Duration;

/// Reads `30`, `30s`, `1m30s`, `1.5h`, `500ms`, `2d`.
pub fn parse(text: &str) -> Result<Duration, ParseError> {
    let wrong = |reason: &str| ParseError::new("duration", text, reason);
    let expected = || wrong("expected a number and a unit, such as 30s, 1m30s or 500ms");
    let (mut total, mut rest) = (Duration::ZERO, text);
    if text.is_empty() {
        return Err(expected());
    }
    while !rest.is_empty() {
        let (number, after) = take_while(rest, |c| c.is_ascii_digit() || c == '.');
        let (unit, after) = take_while(after, |c| c.is_ascii_alphabetic());
        let nanos = match unit {
            "" if after.is_empty() && rest.len() == text.len() => 1_000_000_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            _ => return Err(expected()),
        };
        let part = part_of(number, nanos).ok_or_else(expected)?;
        total = total.checked_add(part).ok_or_else(|| wrong("it is too long"))?;
        rest = after;
    }
    Ok(total)
}

fn take_while(text: &str, wanted: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !wanted(c)).unwrap_or(text.len()))
}

/// `number` (with or without a fraction) times a unit of so many nanoseconds.
fn part_of(number: &str, unit: u64) -> Option<Duration> {
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number, ""),
    };
    let (mut nanos, mut scale) = (u128::from(whole.parse::<u32>().ok()?), 1u128);
    for digit in fraction.chars().take(9) {
        nanos = nanos * 10 + u128::from(digit.to_digit(10)?);
        scale *= 10;
    }
    let nanos = nanos * u128::from(unit) / scale;
    Some(Duration::new(u64::try_from(nanos / 1_000_000_000).ok()?, (nanos % 1_000_000_000) as u32))
}

/// Writes a length of time shortly, to the millisecond: `1m30s`, `500ms`, `1h`.
pub fn format(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 3600, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(duration.subsec_millis()), "ms"),
    ];
    let text: String = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect();
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_lengths_of_time() {
        for (text, millis) in [
            ("30", 30_000),
            ("0", 0),
            ("1.5", 1_500),
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
            ("1d", 86_400_000),
            ("1h1m1s1ms", 3_661_001),
        ] {
            assert_eq!(parse(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "s", "-1s", "1x", "1m30", "1..5s", "1.s", ".5s", "1 s", "99999999999s", "１s", "30 "]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), number in "([0-9.]{0,12}(ms|s|m|h|d)?){0,3}") {
            let _ = parse(&text);
            let _ = parse(&number);
        }

        #[test]
        fn comes_back_as_written(millis in 0u64..=1u64 << 40) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
