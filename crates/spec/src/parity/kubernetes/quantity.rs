//! Kubernetes' quantities: `500m`, `1Gi`, `1.5`, `1e3`.

/// Reads one, as a number of thousandths.
pub fn parse(text: &str) -> Option<i128> {
    const BINARY: [(&str, u32); 6] = [("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];
    const DECIMAL: [(&str, i32); 9] =
        [("n", -9), ("u", -6), ("m", -3), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
    let end = text.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let unsigned = whole.strip_prefix(['+', '-']).unwrap_or(whole);
    if unsigned.len() + fraction.len() == 0 || !digits(unsigned) || !digits(fraction) {
        return None;
    }
    // What is below a billionth is nothing.
    let fraction = &fraction[..fraction.len().min(9)];
    let units = format!("{unsigned}{fraction}").parse::<i128>().ok()?;
    let scale = -(fraction.len() as i32);
    let value = match suffix {
        "" => tens(units, scale + 3)?,
        _ => match BINARY.iter().find(|(name, _)| *name == suffix) {
            Some((_, power)) => tens(units.checked_mul(1024_i128.pow(*power))?, scale + 3)?,
            None => {
                let power = DECIMAL.iter().find(|(name, _)| *name == suffix).map(|(_, power)| *power);
                let power = match power {
                    Some(power) => power,
                    None => suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|n: &i32| n.abs() < 30)?,
                };
                tens(units, scale + 3 + power)?
            }
        },
    };
    Some(if whole.starts_with('-') { -value } else { value })
}

/// `units` times a power of ten, rounded up as Kubernetes rounds.
fn tens(units: i128, power: i32) -> Option<i128> {
    let factor = 10_i128.checked_pow(power.unsigned_abs())?;
    match power {
        0.. => units.checked_mul(factor),
        _ => Some(units / factor + i128::from(units % factor != 0)),
    }
}

/// Whole units, rounded up: bytes.
pub fn whole(text: &str) -> Option<u64> {
    u64::try_from(tens(parse(text)?, -3)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantities() {
        let cases = [
            ("500m", 500),
            ("1", 1000),
            ("1.5", 1500),
            ("0.1m", 1),
            ("1e3", 1_000_000),
            ("1k", 1_000_000),
            (".5", 500),
            ("-2", -2000),
            ("100n", 1),
            ("1Ki", 1_024_000),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        assert_eq!(whole("1Gi"), Some(1 << 30));
        assert_eq!(whole("128M"), Some(128_000_000));
        assert_eq!(whole("1.5Gi"), Some(3 << 29));
        for text in ["", "m", "1x", "1 Gi", "--1", "1e99", "999999999999999999999999999999999999999E", "."] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(whole("-1"), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-+0-9.eEKMGinum]{0,60}") {
            let _ = (parse(&text), whole(&text));
        }
    }
}
