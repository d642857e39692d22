//! The text of a unit (systemd.syntax(7)): sections, settings that may go on in the next line, comments; and its drop-ins.

use super::super::MOST_ENTRIES;
use super::super::error::{Error, Place};
use std::collections::BTreeMap;

/// One assignment.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// `foo.service.d/limits.conf` for one of a drop-in.
    pub file: Option<String>,
    pub place: Place,
    pub section: String,
    pub key: String,
    pub value: String,
}

/// All assignments of a file, in order.
pub fn parse(text: &str, file: Option<&str>) -> Result<Vec<Assignment>, Error> {
    let mut all: Vec<Assignment> = Vec::new();
    let mut section = String::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let place = Place::new(number + 1, line.len() - line.trim_start().len() + 1);
        let line = line.trim();
        let wrong = |what: String| {
            let what = file.map_or(what.clone(), |file| format!("{file}: {what}"));
            Error::at(place, what)
        };
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']').filter(|name| !name.is_empty() && !name.contains(['[', ']']));
            let name = name.ok_or_else(|| {
                wrong(format!("`{line}` is no section"))
                    .with_hint("expected [Unit], [Service], [Install] or the like")
            })?;
            section = name.to_owned();
            continue;
        }
        if all.len() >= MOST_ENTRIES {
            return Err(wrong(format!("more than {MOST_ENTRIES} settings")));
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(wrong(format!("`{line}` has no `=`"))
                .with_hint("expected Name=Value, [Section], or a comment that begins with # or ;"));
        };
        if section.is_empty() {
            return Err(wrong(format!("`{}` stands in no section", key.trim()))
                .with_hint("expected [Service] before it"));
        }
        let mut value = value.trim_start().to_owned();
        while let Some(before) = value.strip_suffix('\\') {
            let mut next = lines.next().map(|(_, line)| line.trim());
            // Comments in between are left out.
            while next.is_some_and(|line| line.starts_with(['#', ';'])) {
                next = lines.next().map(|(_, line)| line.trim());
            }
            value = format!("{before} {}", next.unwrap_or_default());
        }
        let (section, key) = (section.clone(), key.trim().to_owned());
        all.push(Assignment {
            file: file.map(str::to_owned),
            place,
            section,
            key,
            value: value.trim_end().to_owned(),
        });
    }
    Ok(all)
}

/// The settings of one section: the assignments of each name, of which an empty one takes back those before.
pub struct Settings {
    all: BTreeMap<String, Vec<Assignment>>,
}

/// Names that settings had once, and that systemd takes as ever.
const OLD: [(&str, &str); 4] = [
    ("ReadWriteDirectories", "ReadWritePaths"),
    ("ReadOnlyDirectories", "ReadOnlyPaths"),
    ("InaccessibleDirectories", "InaccessiblePaths"),
    ("MemoryLimit", "MemoryMax"),
];

impl Settings {
    pub fn of(section: &str, assignments: Vec<Assignment>) -> Self {
        let mut all: BTreeMap<String, Vec<Assignment>> = BTreeMap::new();
        for assignment in assignments.into_iter().filter(|a| a.section == section) {
            let key =
                OLD.iter().find(|(old, _)| *old == assignment.key).map_or(&*assignment.key, |(_, new)| new);
            let values = all.entry(key.to_owned()).or_default();
            // CapabilityBoundingSet= says something when it is empty: its reader looks for it.
            if assignment.value.is_empty() {
                values.clear();
            }
            values.push(assignment);
        }
        Self { all }
    }

    /// The assignments of this name that are not empty; it counts as read.
    pub fn take(&mut self, key: &str) -> Vec<Assignment> {
        let mut values = self.take_all(key);
        values.retain(|value| !value.value.is_empty());
        values
    }

    /// Likewise, and the empty one that took back those before.
    pub fn take_all(&mut self, key: &str) -> Vec<Assignment> {
        self.all.remove(key).unwrap_or_default()
    }

    /// The last one, which is what counts where there is one value.
    pub fn last(&mut self, key: &str) -> Option<Assignment> {
        self.take(key).pop()
    }

    pub fn truth(&mut self, key: &str) -> Result<Option<bool>, Error> {
        self.last(key).map(|a| a.truth()).transpose()
    }

    /// What nobody has asked for.
    pub fn rest(self) -> impl Iterator<Item = Assignment> {
        self.all.into_values().flatten().filter(|a| !a.value.is_empty())
    }
}

impl Assignment {
    pub fn error(&self, what: impl std::fmt::Display) -> Error {
        let file = self.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        Error::at(self.place, format!("{file}{}={}: {what}", self.key, self.value))
    }

    pub fn truth(&self) -> Result<bool, Error> {
        match self.value.to_ascii_lowercase().as_str() {
            "1" | "yes" | "y" | "true" | "t" | "on" => Ok(true),
            "0" | "no" | "n" | "false" | "f" | "off" => Ok(false),
            _ => Err(self.error("expected yes or no")),
        }
    }

    /// The words of the value.
    pub fn words(&self) -> Result<Vec<String>, Error> {
        super::words::split(&self.value).map_err(|why| self.error(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn assignments() {
        let text = "# c\n[Service]\nA = 1\nB=x \\\n  # in between\n  y\n; c\nA=\nA=2\n[Install]\nC=3\n";
        let all = parse(text, None).unwrap();
        let found: Vec<_> = all.iter().map(|a| (a.place.line, a.key.as_str(), a.value.as_str())).collect();
        assert_eq!(found, [(3, "A", "1"), (4, "B", "x  y"), (8, "A", ""), (9, "A", "2"), (11, "C", "3")]);
        let mut settings = Settings::of("Service", all);
        assert_eq!(settings.take("A").len(), 1);
        assert_eq!(settings.rest().map(|a| a.key).collect::<Vec<_>>(), ["B"]);
    }

    #[test]
    fn what_is_wrong_has_a_place() {
        for (text, line) in [("A=1", 1), ("[S]\nA", 2), ("[S", 1), ("\n[]\n", 2)] {
            let e = parse(text, None).unwrap_err();
            assert_eq!((e.place().unwrap().line, e.hint().is_some()), (line, true), "{text}: {e}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = parse(&text, None);
        }
    }
}
