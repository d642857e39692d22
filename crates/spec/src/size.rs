//! Sizes of memory, as docker reads them: units are powers of 1024.

use crate::ParseError;

/// Reads `512m`, `2g`, `1.5G`, `64KiB`, `100b` or plain bytes.
pub fn parse(text: &str) -> Result<u64, ParseError> {
    let wrong = |reason: &str| ParseError::new("size", text, reason);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = shift_of(unit.strip_prefix(' ').unwrap_or(unit))
        .ok_or_else(|| wrong("expected a number and a unit, such as 512m, 2g or 64KiB"))?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || (number.contains('.') && fraction.is_empty()) {
        return Err(wrong("expected a number and a unit, such as 512m, 2g or 64KiB"));
    }
    let whole: u64 = whole.parse().map_err(|_| wrong("it is too large"))?;
    let whole = whole.checked_mul(1 << shift).ok_or_else(|| wrong("it is too large"))?;
    whole.checked_add(fraction_of(fraction, shift)).ok_or_else(|| wrong("it is too large"))
}

/// `0.FRACTION` of a unit, cut to whole bytes. Nine digits are more than anybody writes.
fn fraction_of(fraction: &str, shift: u32) -> u64 {
    let (mut part, mut scale) = (0u128, 1u128);
    for digit in fraction.bytes().take(9) {
        part = part * 10 + u128::from(digit - b'0');
        scale *= 10;
    }
    ((part << shift) / scale) as u64
}

/// `k`, `kb`, `KiB` and the like, in any case.
fn shift_of(unit: &str) -> Option<u32> {
    let unit = unit.to_ascii_lowercase();
    let prefix = match unit.strip_suffix('b') {
        Some(rest) => rest.strip_suffix('i').filter(|rest| !rest.is_empty()).unwrap_or(rest),
        None => unit.strip_suffix('i').filter(|rest| !rest.is_empty()).unwrap_or(&unit),
    };
    match prefix {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        "t" => Some(40),
        "p" => Some(50),
        _ => None,
    }
}

/// Writes a size shortly and exactly: the largest unit that divides it.
pub fn format(bytes: u64) -> String {
    let units = [(50, "p"), (40, "t"), (30, "g"), (20, "m"), (10, "k")];
    match units.iter().find(|(shift, _)| bytes != 0 && bytes.trailing_zeros() >= *shift) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_docker_reads() {
        for (text, bytes) in [
            ("0", 0),
            ("100", 100),
            ("100b", 100),
            ("512m", 512 << 20),
            ("2g", 2 << 30),
            ("2GB", 2 << 30),
            ("64KiB", 64 << 10),
            ("64 kib", 64 << 10),
            ("1.5G", 3 << 29),
            ("0.5k", 512),
            ("1t", 1 << 40),
            ("1p", 1 << 50),
        ] {
            assert_eq!(parse(text).unwrap(), bytes, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "m", "-1", "1x", "1..5m", "1.m", ".5m", "1 2", "99999999999p", "1e3", "１m", "1kk"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>(), number in "[0-9.]{0,30}[a-zA-Z]{0,3}") {
            let _ = parse(&text);
            let _ = parse(&number);
        }

        #[test]
        fn comes_back_as_written(bytes in any::<u64>(), shift in 0u32..64) {
            prop_assert_eq!(parse(&format(bytes >> shift << shift)), Ok(bytes >> shift << shift));
        }
    }
}
