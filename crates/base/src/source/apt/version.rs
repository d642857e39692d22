//! The order of Debian's versions (Debian Policy 5.6.12).

use std::cmp::Ordering;
use std::iter::Peekable;
use std::str::Bytes;

/// Which of two versions is newer.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (epoch_a, upstream_a, revision_a) = parts(a);
    let (epoch_b, upstream_b, revision_b) = parts(b);
    epoch_a
        .cmp(&epoch_b)
        .then_with(|| part(upstream_a, upstream_b))
        .then_with(|| part(revision_a, revision_b))
}

fn parts(version: &str) -> (u64, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
        None => (0, version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    (epoch, upstream, revision)
}

/// Text and numbers in turn; a tilde comes before everything, even before the end.
fn part(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.bytes().peekable(), b.bytes().peekable());
    loop {
        let rank = |bytes: &mut Peekable<Bytes<'_>>| match bytes.peek() {
            None => 0,
            Some(byte) if byte.is_ascii_digit() => 0,
            Some(b'~') => -1,
            Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
            Some(byte) => i32::from(*byte) + 256,
        };
        let (one, other) = (rank(&mut a), rank(&mut b));
        if one != other {
            return one.cmp(&other);
        }
        if one != 0 {
            a.next();
            b.next();
            continue;
        }
        let order = number(&mut a).cmp(&number(&mut b));
        if order != Ordering::Equal || (a.peek().is_none() && b.peek().is_none()) {
            return order;
        }
    }
}

/// Digits without leading zeros, in an order that needs no arithmetic: the longer is the larger.
fn number(bytes: &mut Peekable<Bytes<'_>>) -> (usize, Vec<u8>) {
    let mut digits = Vec::new();
    while let Some(digit) = bytes.next_if(u8::is_ascii_digit) {
        if digit != b'0' || !digits.is_empty() {
            digits.push(digit);
        }
    }
    (digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `dpkg --compare-versions` says of each pair.
    #[test]
    fn orders_as_dpkg_does() {
        for (a, b) in [
            ("1.0~rc1", "1.0"),
            ("1.0~~", "1.0~"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0+"),
            ("1.0", "1.0-1"),
            ("1.9", "1.10"),
            ("9", "1:0"),
            ("1.0-1", "1.0-1+deb12u1"),
            ("2.36-9+deb12u9", "2.36-9+deb12u10"),
            ("1.2-3-4", "1.2-3-5"),
            ("0", "0.1"),
            ("1.0.1", "1.0.a"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b, a), Ordering::Greater, "{b} {a}");
        }
        for (a, b) in [("1.0", "0:1.0"), ("1.0", "1.0-0"), ("1.01", "1.1"), ("", "0")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    /// Against the real thing, where it is there.
    #[test]
    fn agrees_with_dpkg_on_odd_ones() {
        let odd = ["1", "1.0", "1.0~", "1-1", "1:1", "a", "1a~b", "1.00", "1+", "1.+", "1~-1", "1-~"];
        for a in odd {
            for b in odd {
                let says = |operator: &str| {
                    let asked = std::process::Command::new("dpkg")
                        .args(["--compare-versions", a, operator, b])
                        .output();
                    asked.ok().map(|output| output.status.success())
                };
                let Some(less) = says("lt") else { return };
                assert_eq!(compare(a, b) == Ordering::Less, less, "{a} lt {b}");
                assert_eq!(Some(compare(a, b) == Ordering::Equal), says("eq"), "{a} eq {b}");
            }
        }
    }
}
