//! Environment=, EnvironmentFile= and UnsetEnvironment=.

use super::super::error::Error;
use super::super::{Like, MOST_ENTRIES, Request};
use super::loss;
use super::unit::{Assignment, Settings};
use crate::mount;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub fn read(like: &mut Like, settings: &mut Settings, request: &Request) -> Result<(), Error> {
    let mut all = Vec::new();
    for a in settings.take("Environment") {
        for word in a.words()? {
            let (name, value) = word.split_once('=').ok_or_else(|| a.error("expected NAME=VALUE"))?;
            set(&mut all, &a, name, value)?;
        }
    }
    // Later than all that the unit says itself.
    for a in settings.take("EnvironmentFile") {
        match file(&a, request)? {
            Found::Variables(variables) => {
                variables.iter().try_for_each(|(name, value)| set(&mut all, &a, name, value))?;
            }
            Found::Optional => {}
            Found::Nothing(why) => like.losses.push(loss(&a, why)),
        }
    }
    let mut unset = BTreeSet::new();
    for a in settings.take("UnsetEnvironment") {
        // `NAME=VALUE` takes it away where it has just this value.
        for word in a.words()? {
            match word.split_once('=') {
                Some((name, value)) => all.retain(|known| *known != (name.to_owned(), value.to_owned())),
                None => drop(unset.insert(word)),
            }
        }
    }
    like.spec.env_remove.extend(unset.iter().cloned());
    for (name, value) in all {
        // What the unit says goes before what comes with the account.
        like.spec.env_remove.retain(|removed| *removed != name || unset.contains(&name));
        like.spec.env.retain(|(known, _)| *known != name);
        like.spec.env.push((name, value));
    }
    like.spec.env.retain(|(name, _)| !unset.contains(name));
    Ok(())
}

fn set(all: &mut Vec<(String, String)>, a: &Assignment, name: &str, value: &str) -> Result<(), Error> {
    all.retain(|(known, _)| known != name);
    all.push((name.into(), value.into()));
    match all.len() > MOST_ENTRIES {
        true => Err(a.error(format!("more than {MOST_ENTRIES} variables are set"))),
        false => Ok(()),
    }
}

enum Found {
    Variables(Vec<(String, String)>),
    /// It is not there, and need not be.
    Optional,
    Nothing(&'static str),
}

/// Where units lie in a root.
const PLACES: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// A file of the machine that the unit is for. Which one that is, is only known where the unit lies in its place.
fn file(a: &Assignment, request: &Request) -> Result<Found, Error> {
    let (path, optional) = match a.value.strip_prefix('-') {
        Some(path) => (path, true),
        None => (a.value.as_str(), false),
    };
    if !path.starts_with('/') {
        return Err(a.error("expected an absolute path"));
    }
    if path.contains(['*', '?', '[']) {
        return Ok(Found::Nothing("a pattern, of which no file is read: give them with --env-file"));
    }
    let Some(root) = root(request.around.directory()) else {
        return Ok(Found::Nothing(
            "a file of the machine, which is read only where the unit lies in its place in a tree (…/etc/systemd/system): give it with --env-file",
        ));
    };
    let path = root.join(mount::lexical(path).trim_start_matches('/'));
    match request.around.read(&path).map_err(|why| a.error(why))? {
        Some(bytes) => Ok(Found::Variables(parse(&String::from_utf8_lossy(&bytes)))),
        None if optional => Ok(Found::Optional),
        None => Ok(Found::Nothing(
            "it is not in the tree that the unit lies in: systemd would not start the service",
        )),
    }
}

fn root(directory: &Path) -> Option<PathBuf> {
    let place = PLACES.iter().find(|place| directory.ends_with(place))?;
    directory.ancestors().nth(Path::new(place).components().count()).map(Path::to_owned)
}

/// As systemd.exec(5) has it: lines, comments, quotes as a shell has them, without a shell's variables.
fn parse(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() && all.len() < MOST_ENTRIES {
        let name: String = std::iter::from_fn(|| chars.next_if(|&c| c != '=' && c != '\n')).collect();
        let is_assignment = chars.next() == Some('=');
        let name = name.trim();
        if !is_assignment || name.is_empty() || name.starts_with(['#', ';']) {
            if is_assignment {
                chars.by_ref().find(|&c| c == '\n');
            }
            continue;
        }
        all.push((name.to_owned(), value(&mut chars)));
    }
    all
}

/// Up to the end of its line. Quotes are such at the beginning, and right behind others.
fn value(chars: &mut std::iter::Peekable<std::str::Chars>) -> String {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Before,
        Plain,
        Quoted(char),
    }
    let (mut value, mut state, mut kept) = (String::new(), State::Before, 0);
    while let Some(c) = chars.next() {
        match (state, c) {
            (State::Quoted(quote), c) if c == quote => state = State::Before,
            (State::Quoted('"'), '\\') => match chars.next() {
                // It goes on in the next line.
                Some('\n') | None => {}
                Some(c) if "\"\\`$".contains(c) => value.push(c),
                Some(c) => value.extend(['\\', c]),
            },
            (State::Quoted(_), c) => value.push(c),
            (_, '\n') => break,
            (State::Before, '\'' | '"') => state = State::Quoted(c),
            (_, '\\') => {
                state = State::Plain;
                value.extend(chars.next().filter(|&c| c != '\n'));
            }
            (State::Before, c) if c.is_whitespace() => continue,
            (State::Plain, c) if c.is_whitespace() => {
                value.push(c);
                continue;
            }
            (_, c) => {
                state = State::Plain;
                value.push(c);
            }
        }
        // Blanks at the end are not kept.
        kept = value.len();
    }
    value.truncate(kept);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As systemd 252 reads it.
    #[test]
    fn files_of_variables() {
        let text = "# c=1\n; d=2\nA=1 \n B = two words # no comment\nC='x y\\n'\nD=\"a\\\"b\\nc\"\nE=one\\\n  more\nnothing\nF=\" \"\n=g\nH=\nI=a\\ b\\nc\nJ=\"x\"y 'z'\nK=a\"b c\"d";
        let expected = [
            ("A", "1"),
            ("B", "two words # no comment"),
            ("C", "x y\\n"),
            ("D", "a\"b\\nc"),
            ("E", "one  more"),
            ("F", " "),
            ("H", ""),
            ("I", "a bnc"),
            ("J", "xy 'z'"),
            ("K", "a\"b c\"d"),
        ];
        assert_eq!(parse(text), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn where_a_unit_lies() {
        let of = |directory: &str| root(Path::new(directory)).map(|root| root.to_string_lossy().into_owned());
        assert_eq!(of("/etc/systemd/system").as_deref(), Some("/"));
        assert_eq!(of("/src/pkg/usr/lib/systemd/system").as_deref(), Some("/src/pkg"));
        assert_eq!(of("/src/deploy"), None);
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = parse(&text);
        }
    }
}
