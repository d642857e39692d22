//! `Packages`: what a component has.

use super::relation::{Wants, groups};
use super::stanza::{Stanza, Stanzas};
use super::version;
use crate::unpack::decoder;
use crate::{Digest, Error, ErrorKind, Result};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// Fifty times Debian's main, in bytes.
const LARGEST: u64 = 4 << 30;

/// A package that can be had.
#[derive(Clone, Debug, Default)]
pub(super) struct Package {
    pub name: String,
    pub version: String,
    pub essential: bool,
    /// `required`, `important`, `standard`, `optional`, `extra`.
    pub priority: Priority,
    /// Pre-Depends and Depends.
    pub depends: String,
    pub provides: String,
    /// Conflicts and Breaks.
    pub conflicts: String,
    /// Its file, from the mirror's root.
    pub file: String,
    pub size: u64,
    pub digest: Option<Digest>,
    /// Which source it is of, by number.
    pub source: usize,
}

/// How much a package belongs to any system (Debian Policy 2.5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Priority {
    Required,
    Important,
    Standard,
    #[default]
    Optional,
    Extra,
}

/// All packages of all sources, the newest of each name.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub packages: Vec<Package>,
    by_name: HashMap<String, usize>,
    /// Who provides a name, by number.
    providers: HashMap<String, Vec<usize>>,
}

impl Index {
    /// Adds what a file of a Packages index says, packed or not.
    ///
    /// Errors: the file cannot be read or is damaged.
    pub(super) fn add(&mut self, path: &Path, source: usize) -> Result<()> {
        let failed = |e| Error::io("failed to read an index of packages", e);
        let file = File::open(path).map_err(failed)?;
        let text = decoder(BufReader::with_capacity(128 << 10, file))?.take(LARGEST);
        let mut stanzas = Stanzas::new(BufReader::with_capacity(256 << 10, text));
        while let Some(stanza) = stanzas.next().map_err(failed)? {
            if let Some(package) = Package::read(stanza, source) {
                self.insert(package);
            }
        }
        Ok(())
    }

    /// The newest of a name wins, and of equals the first: apt's order, where nothing is pinned.
    pub(super) fn insert(&mut self, package: Package) {
        match self.by_name.get(&package.name) {
            Some(&at) if version::compare(&package.version, &self.packages[at].version).is_gt() => {
                self.packages[at] = package;
            }
            Some(_) => {}
            None => {
                self.by_name.insert(package.name.clone(), self.packages.len());
                self.packages.push(package);
            }
        }
    }

    /// Everything was added: who provides what?
    pub(super) fn complete(&mut self) {
        for (at, package) in
            self.packages.iter().enumerate().filter(|(_, package)| !package.provides.is_empty())
        {
            for provided in groups(&package.provides).flatten() {
                self.providers.entry(provided.name.to_owned()).or_default().push(at);
            }
        }
    }

    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Who would do for it: the package of that name first, then who provides it, by priority and name.
    pub(super) fn candidates(&self, wants: &Wants<'_>) -> Vec<usize> {
        let own = self.find(wants.name).filter(|&at| wants.allows(&self.packages[at].version));
        let mut provide: Vec<usize> = self.providers.get(wants.name).cloned().unwrap_or_default();
        provide.retain(|&at| Some(at) != own && self.packages[at].provides(wants));
        provide.sort_by_key(|&at| (self.packages[at].priority, &self.packages[at].name));
        provide.dedup();
        own.into_iter().chain(provide).collect()
    }
}

impl Package {
    /// `None` for what lacks the fields that every package has.
    fn read(stanza: Stanza<'_>, source: usize) -> Option<Self> {
        let mut package = Self { source, ..Self::default() };
        let join = |list: &mut String, value: &str| {
            if !list.is_empty() {
                list.push_str(", ");
            }
            list.push_str(value);
        };
        for (field, value) in stanza.fields() {
            match field {
                "Package" => package.name = value.to_owned(),
                "Version" => package.version = value.to_owned(),
                "Essential" => package.essential = value == "yes",
                "Priority" => package.priority = Priority::read(value),
                "Depends" | "Pre-Depends" => join(&mut package.depends, value),
                "Provides" => package.provides = value.to_owned(),
                "Conflicts" | "Breaks" => join(&mut package.conflicts, value),
                "Filename" => package.file = value.to_owned(),
                "Size" => package.size = value.parse().ok()?,
                "SHA256" => package.digest = format!("sha256:{value}").parse().ok(),
                _ => {}
            }
        }
        let whole = !package.name.is_empty() && !package.version.is_empty() && !package.file.is_empty();
        Some(package).filter(|_| whole)
    }

    /// Whether it does for what is wanted, by its own name or by what it provides.
    pub(super) fn satisfies(&self, wants: &Wants<'_>) -> bool {
        (self.name == wants.name && wants.allows(&self.version)) || self.provides(wants)
    }

    fn provides(&self, wants: &Wants<'_>) -> bool {
        groups(&self.provides).flatten().any(|provided| wants.allows_provided(&provided))
    }

    /// The digest of its file.
    ///
    /// Errors: the index does not say it.
    pub(super) fn digest(&self) -> Result<Digest> {
        self.digest.ok_or_else(|| {
            let what = format!("the index has no SHA256 of the package `{}`", self.name);
            Error::new(ErrorKind::Corrupt, what)
        })
    }
}

impl Priority {
    fn read(text: &str) -> Self {
        match text {
            "required" => Self::Required,
            "important" => Self::Important,
            "standard" => Self::Standard,
            "extra" => Self::Extra,
            _ => Self::Optional,
        }
    }
}
