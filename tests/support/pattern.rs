//! Patterns for tables of what may differ.

/// Whether a text is what a pattern says, where `*` stands for any text and `?` for a character.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (mut wanted, mut there) = (pattern.chars(), text.chars());
    match (wanted.next(), there.next()) {
        (None, None) => true,
        (Some('*'), Some(_)) => matches(wanted.as_str(), text) || matches(pattern, there.as_str()),
        (Some('*'), None) => matches(wanted.as_str(), text),
        (Some('?'), Some(_)) => matches(wanted.as_str(), there.as_str()),
        (Some(one), Some(other)) => one == other && matches(wanted.as_str(), there.as_str()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_no_more_than_they_say() {
        assert!(matches("can./dev*.stat.?id", "can./dev/null.stat.uid") && matches("*", ""));
        assert!(
            matches("a*b*c", "a-bb-c") && !matches("a*b", "a-bc") && !matches("", "a") && !matches("?", "")
        );
    }
}
