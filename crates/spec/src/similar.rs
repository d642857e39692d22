//! Did you mean …?

/// The name most like the one that was written, if one is like it at all: at most a third of its letters differ.
///
/// ```
/// use rootlet_spec::similar::nearest;
/// assert_eq!(nearest("pakcages", ["packages", "python"]), Some("packages"));
/// assert_eq!(nearest("xyz", ["packages", "python"]), None);
/// ```
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = written.chars().count().div_ceil(3);
    let close = |name: &&'a str| name.len().abs_diff(written.len()) <= most;
    let ranked = names.into_iter().filter(close).map(|name| (strsim::osa_distance(written, name), name));
    ranked.filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}
