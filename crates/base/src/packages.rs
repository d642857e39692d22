//! The part of a name that says which packages a root is made of: `trixie+curl+g++?mirror=http://…&variant=apt`.

use crate::{Error, ErrorKind, Result};
use std::collections::BTreeMap;
use std::fmt;

/// A release of a distribution, what is added to it, and where it is from.
///
/// ```
/// use rootlet_base::BaseName;
/// let name: BaseName = "apt:trixie+g+++curl?variant=apt".parse()?;
/// let BaseName::Apt(packages) = name else { unreachable!() };
/// assert_eq!(packages.release, "trixie");
/// assert_eq!(packages.add, ["g++", "curl"]);
/// assert_eq!(packages.options["variant"], "apt");
/// # Ok::<(), rootlet_base::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PackageSet {
    /// `trixie`, `v3.20`.
    pub release: String,
    /// Packages besides those of the variant, in the order of writing.
    pub add: Vec<String>,
    /// What was said behind the `?`.
    pub options: BTreeMap<String, String>,
}

impl PackageSet {
    /// Reads what stands behind the scheme; `text` is the whole name, and `known` are the options that there are.
    ///
    /// A single `+`, or the third of three, begins a package; two belong to a name, such as `libstdc++6`.
    pub(crate) fn parse(text: &str, rest: &str, known: &[&str]) -> Result<Self> {
        let (packages, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut names = split(packages).into_iter();
        let release = names.next().unwrap_or_default();
        let release_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if release.is_empty() || release.starts_with(['.', '-']) || !release.bytes().all(release_byte) {
            return Err(
                wrong(text, "it names no release").with_hint("write it as `apt:trixie` or `apk:v3.20`")
            );
        }
        let add: Vec<String> = names.collect();
        if let Some(bad) = add.iter().find(|name| !is_package(name)) {
            return Err(wrong(text, &format!("`{bad}` is not the name of a package")));
        }
        let mut options = BTreeMap::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            if !known.contains(&key) {
                return Err(wrong(text, &format!("there is no option `{key}`"))
                    .with_hint(format!("it is one of `{}`", known.join("`, `"))));
            }
            if value.is_empty() || options.insert(key.to_owned(), value.to_owned()).is_some() {
                return Err(wrong(text, &format!("the option `{key}` needs one value")));
            }
        }
        Ok(Self { release, add, options })
    }

    /// Whether a package could have this name (Debian Policy 5.6.1; Alpine has names of one letter, too).
    pub fn is_package(name: &str) -> bool {
        is_package(name)
    }
}

impl fmt::Display for PackageSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.release)?;
        self.add.iter().try_for_each(|name| write!(f, "+{name}"))?;
        let mut before = '?';
        for (key, value) in &self.options {
            // What it is called is kept and shown.
            let value = if key == "mirror" { without_credentials(value) } else { value.clone() };
            write!(f, "{before}{key}={value}")?;
            before = '&';
        }
        Ok(())
    }
}

/// A URL as it may be shown: `https://USER:PASSWORD@HOST/` without the first two.
pub(crate) fn without_credentials(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            format!("{scheme}://{}{path}", host.rsplit_once('@').map_or(host, |(_, host)| host))
        }
        None => url.to_owned(),
    }
}

fn is_package(name: &str) -> bool {
    let byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'_' | b':');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.bytes().all(byte)
}

fn split(packages: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut run = 0;
    for (at, character) in packages.char_indices() {
        if character != '+' {
            run = 0;
            names.last_mut().expect("there is one").push(character);
            continue;
        }
        run += 1;
        let ends = !packages[at + 1..].starts_with('+');
        match ends && run % 2 == 1 {
            true => names.push(String::new()),
            false => names.last_mut().expect("there is one").push('+'),
        }
    }
    names
}

fn wrong(text: &str, why: &str) -> Error {
    Error::new(ErrorKind::InvalidName, format!("`{text}` is not the name of a base: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Result<PackageSet> {
        PackageSet::parse(&format!("apt:{rest}"), rest, &["mirror", "variant"])
    }

    #[test]
    fn plus_signs_are_told_apart() {
        for (rest, add) in [
            ("trixie", &[][..]),
            ("trixie+curl", &["curl"]),
            ("trixie+g++", &["g++"]),
            ("trixie+g+++libstdc++6+curl", &["g++", "libstdc++6", "curl"]),
            ("trixie+libxml++2.6-2v5", &["libxml++2.6-2v5"]),
        ] {
            let set = parse(rest).unwrap();
            assert_eq!(
                (set.release.as_str(), set.add.as_slice()),
                ("trixie", &add.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..])
            );
            assert_eq!(set.to_string(), rest);
        }
        assert_eq!(parse("a?variant=apt&mirror=http://h/?x=1").unwrap().options["mirror"], "http://h/?x=1");
    }

    #[test]
    fn credentials_are_not_shown() {
        for (url, shown) in [
            ("http://me:se@cret@host/a@b", "http://host/a@b"),
            ("https://host", "https://host"),
            ("file:/srv/m", "file:/srv/m"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
        let set = parse("trixie?mirror=http://me:secret@host/debian").unwrap();
        assert_eq!(set.to_string(), "trixie?mirror=http://host/debian");
        assert_eq!(set.options["mirror"], "http://me:secret@host/debian");
    }

    #[test]
    fn refuses_with_a_reason() {
        for (rest, why) in [
            ("", "no release"),
            ("+curl", "no release"),
            ("../x", "no release"),
            ("trixie+", "not the name of a package"),
            ("trixie+-x", "not the name of a package"),
            ("trixie+a b", "not the name of a package"),
            ("trixie?miror=x", "no option `miror`"),
            ("trixie?mirror", "needs one value"),
            ("trixie?mirror=a&mirror=b", "needs one value"),
        ] {
            let error = parse(rest).unwrap_err();
            assert!(error.to_string().contains(why), "{rest}: {error}");
        }
    }
}
