//! dpkg's database of packages that are unpacked and wait to be configured (dpkg(1), deb-triggers(5)).
//!
//! ```text
//! /var/lib/dpkg/status                 a paragraph for each package, `install ok unpacked`
//!               info/format            1
//!               info/NAME[:ARCH].list  what it owns; beside it its control files: postinst, md5sums …
//!               triggers/File, TRIGGER who wants to be told of changes
//! ```

use super::deb::ControlFile;
use super::stanza::Stanza;
use crate::{Error, ErrorKind, Result};
use md5::{Digest as _, Md5};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A package, as its control files describe it.
#[derive(Debug)]
pub(super) struct Control {
    /// The paragraph of `control`.
    pub text: String,
    pub name: String,
    pub version: String,
    pub files: Vec<ControlFile>,
    /// What its control files are called: its name, with its architecture where several may be there.
    pub info: String,
}

impl Control {
    /// Errors: a field that every package has is missing.
    pub(super) fn read(files: Vec<ControlFile>) -> Result<Self> {
        let text = files
            .iter()
            .find(|file| file.name == "control")
            .map(|file| file.bytes.clone())
            .unwrap_or_default();
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        let stanza = Stanza::of(&text);
        let field = |name: &str| stanza.get(name).map(str::to_owned);
        let (Some(name), Some(version), Some(architecture)) =
            (field("Package"), field("Version"), field("Architecture"))
        else {
            return Err(Error::new(
                ErrorKind::Corrupt,
                "its control file names no package, version or architecture",
            ));
        };
        if !crate::PackageSet::is_package(&name)
            || !crate::PackageSet::is_package(&format!("a{architecture}"))
        {
            return Err(Error::new(ErrorKind::Hostile, format!("its control file says that it is `{name}`")));
        }
        let info = match field("Multi-Arch").as_deref() {
            Some("same") => format!("{name}:{architecture}"),
            _ => name.clone(),
        };
        Ok(Self { text, name, version, files, info })
    }

    /// Errors: it is another package's than the index said.
    pub(super) fn of(self, name: &str) -> Result<Self> {
        match self.name == name {
            true => Ok(self),
            false => Err(Error::new(ErrorKind::Corrupt, format!("it says that it is `{}`", self.name))),
        }
    }

    pub(super) fn field(&self, name: &str) -> &str {
        Stanza::of(&self.text).get(name).unwrap_or_default()
    }

    /// A control file as text.
    pub(super) fn file(&self, name: &str) -> Option<String> {
        let file = self.files.iter().find(|file| file.name == name)?;
        Some(String::from_utf8_lossy(&file.bytes).into_owned())
    }

    /// Configuration files, which dpkg asks about before it replaces them; absolute.
    pub(super) fn conffiles(&self) -> Vec<String> {
        let list = self.file("conffiles").unwrap_or_default();
        // `remove-on-upgrade PATH` names one that is no longer there.
        list.lines().map(str::trim).filter(|line| line.starts_with('/')).map(str::to_owned).collect()
    }
}

/// The MD5 of a configuration file, by which dpkg sees whether it was changed.
pub(super) fn md5(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// `status`: what is there, by name. `sums` are those of the configuration files.
pub(super) fn status(packages: &[Control], sums: &BTreeMap<String, String>) -> String {
    let mut sorted: Vec<&Control> = packages.iter().collect();
    sorted.sort_by(|a, b| a.info.cmp(&b.info));
    let mut status = String::new();
    for control in sorted {
        let (head, rest) = control.text.split_once('\n').unwrap_or((&control.text, ""));
        let _ = writeln!(status, "{head}\nStatus: install ok unpacked\n{rest}");
        let known = control.conffiles().into_iter().filter_map(|path| Some((sums.get(&path)?, path)));
        let lines: String = known.map(|(sum, path)| format!(" {path} {sum}\n")).collect();
        if !lines.is_empty() {
            let _ = write!(status, "Conffiles:\n{lines}");
        }
        status.push('\n');
    }
    status
}

/// The files of `triggers/`: name and text.
pub(super) fn triggers(packages: &[Control]) -> BTreeMap<String, String> {
    let mut all =
        BTreeMap::from([("File".to_owned(), String::new()), ("Unincorp".to_owned(), String::new())]);
    for control in packages {
        let text = control.file("triggers").unwrap_or_default();
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
            let mut words = line.split_whitespace();
            let (Some(how), Some(trigger)) = (words.next(), words.next()) else { continue };
            let tail = match how {
                "interest" | "interest-await" => "",
                "interest-noawait" => "/noawait",
                _ => continue,
            };
            match trigger.starts_with('/') {
                true => all
                    .entry("File".into())
                    .or_default()
                    .push_str(&format!("{trigger} {}{tail}\n", control.info)),
                // What becomes the name of a file is none of a directory.
                false if trigger.contains('/') || trigger.starts_with('.') => {}
                false => {
                    all.entry(trigger.into()).or_default().push_str(&format!("{}{tail}\n", control.info))
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(text: &str, files: &[(&str, &str)]) -> Result<Control> {
        let file =
            |(name, text): (&str, &str)| ControlFile { name: name.into(), bytes: text.into(), mtime: 1 };
        Control::read([("control", text)].iter().chain(files).map(|pair| file(*pair)).collect())
    }

    #[test]
    fn writes_what_dpkg_reads() {
        let a = control(
            "Package: aa\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\n",
            &[
                ("conffiles", "/etc/a\nremove-on-upgrade /etc/old\n"),
                ("triggers", "interest-noawait ldconfig\ninterest /usr/lib # x\nactivate y\n"),
            ],
        )
        .unwrap();
        let b = control("Package: bb\nVersion: 2\nArchitecture: all\nDescription: x\n y\n", &[]).unwrap();
        assert_eq!(a.info, "aa:amd64");
        let sums = BTreeMap::from([("/etc/a".to_owned(), md5(b""))]);
        let all = [b, a];
        assert_eq!(
            status(&all, &sums),
            "Package: aa\nStatus: install ok unpacked\nVersion: 1\nArchitecture: amd64\nMulti-Arch: same\nConffiles:\n \
             /etc/a d41d8cd98f00b204e9800998ecf8427e\n\nPackage: bb\nStatus: install ok unpacked\nVersion: 2\nArchitecture: all\n\
             Description: x\n y\n\n"
        );
        let triggers = triggers(&all);
        assert_eq!(triggers["File"], "/usr/lib aa:amd64\n");
        assert_eq!(triggers["ldconfig"], "aa:amd64/noawait\n");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let error = control("Package: ../../x\nVersion: 1\nArchitecture: all\n", &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Hostile);
        let error = control("Package: ab\nVersion: 1\nArchitecture: a/b\n", &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Hostile);
        assert_eq!(control("Version: 1\n", &[]).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
