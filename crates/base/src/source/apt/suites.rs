//! The suites of a base: verified, their indexes read, and what of them is taken.

use super::index::{Index, Package};
use super::manifest::{Manifest, Pinned};
use super::release::{self, Release};
use super::solve::{self, Variant};
use super::sources::{self, Source};
use super::{configure, hold, relation};
use crate::progress::{Step, Task};
use crate::source::download::Wanted;
use crate::source::mirror::Mirror;
use crate::unpack::normalise;
use crate::{Error, ErrorKind, PackageSet, Resolver, Result};
use std::path::Path;

const MERGED: relation::Wants<'static> = relation::Wants { name: "usr-is-merged", version: None };

/// Where the packages of a base are from.
pub(super) struct Suites<'a> {
    resolver: &'a Resolver,
    variant: Variant,
    add: Vec<String>,
    architecture: String,
    all: Vec<Suite>,
}

/// A suite that was verified, and where it is.
pub(super) struct Suite {
    pub source: Source,
    pub mirror: Mirror,
    pub release: Release,
}

impl<'a> Suites<'a> {
    /// Fetches and verifies them. `machine` is the root of the machine whose apt is asked where they are.
    ///
    /// Errors: nobody says where; a mirror cannot be reached, or has no such suite; a signature is not good.
    pub(super) fn fetch(resolver: &'a Resolver, set: &PackageSet, machine: &Path) -> Result<Self> {
        let variant = Variant::read(set.options.get("variant").map_or("minbase", String::as_str))?;
        let _task = Task::begin(&*resolver.progress, "sources", Step::Read, None);
        let mut all = Vec::new();
        for source in sources::of(set, machine)? {
            let mirror = Mirror::new(&source.mirror)?;
            match Release::fetch(&source, &mirror, resolver)? {
                Some(release) => all.push(Suite { source, mirror, release }),
                None if source.optional => {}
                None => {
                    let what = format!("{} has no suite `{}`", mirror.shown(), source.suite);
                    return Err(Error::new(ErrorKind::NotFound, what)
                        .with_hint("look at the spelling, or name another mirror with `?mirror=`"));
                }
            }
        }
        Ok(Self { resolver, variant, add: set.add.clone(), architecture: architecture(resolver), all })
    }

    /// Which packages it is, of which mirrors.
    pub(super) fn manifest(&self) -> Result<Manifest> {
        let index = self.index()?;
        let order = solve::solve(&index, self.variant, &self.add)?;
        let packages: Vec<&Package> = order.iter().map(|&at| &index.packages[at]).collect();
        let merged = packages.iter().any(|package| package.satisfies(&MERGED) || package.name == "usrmerge");
        let epoch = self.all.iter().map(|suite| suite.release.date).max().unwrap_or(0);
        // Without apt nobody reads it.
        let has_apt = packages.iter().any(|package| package.name == "apt");
        let extra = if has_apt { configure::sources_list(&self.all)? } else { Vec::new() };
        let suites =
            self.all.iter().map(|suite| format!("{} of {}", suite.source.suite, suite.mirror.shown()));
        let from = suites.collect::<Vec<_>>().join(", ");
        let pinned = packages.iter().map(|package| self.pinned(package)).collect::<Result<_>>()?;
        Ok(Manifest::new(epoch, merged, from, pinned, extra))
    }

    /// Who has the packages.
    pub(super) fn into_mirrors(self) -> Vec<Mirror> {
        self.all.into_iter().map(|suite| suite.mirror).collect()
    }

    fn pinned(&self, package: &Package) -> Result<Pinned> {
        let path = String::from_utf8_lossy(&normalise(package.file.as_bytes())?).into_owned();
        Ok(Pinned {
            name: package.name.clone(),
            version: package.version.clone(),
            url: format!("{}/{path}", self.all[package.source].mirror.shown()),
            size: package.size,
            sha256: package.digest()?,
        })
    }

    /// Fetches and reads the index of each component.
    fn index(&self) -> Result<Index> {
        let mut files = Vec::new();
        for (at, suite) in self.all.iter().enumerate() {
            let said = &suite.source.components;
            let components = if said.is_empty() { suite.release.components() } else { said.clone() };
            for component in components {
                files.extend(self.indexes(suite, &component)?.into_iter().map(|file| (at, file)));
            }
        }
        let digests = files.iter().map(|(_, file)| file.digest).collect();
        let _held = hold(self.resolver, digests)?;
        for (at, file) in &files {
            self.fetch_index(&self.all[*at], file)?;
        }
        let task = Task::begin(
            &*self.resolver.progress,
            "indexes",
            Step::Read,
            Some(files.iter().map(|(_, file)| file.size).sum()),
        );
        let (mut index, mut done) = (Index::default(), 0);
        for (at, file) in &files {
            index.add(&self.resolver.store.blob_file(file.digest), *at)?;
            done += file.size;
            task.advance(done);
        }
        index.complete();
        Ok(index)
    }

    fn indexes(&self, suite: &Suite, component: &str) -> Result<Vec<release::File>> {
        let all = suite.release.has_index_of_all();
        let architectures = std::iter::once(self.architecture.as_str()).chain(all.then_some("all"));
        let found: Vec<_> = architectures
            .map(|architecture| suite.release.index(component, architecture))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        match found.is_empty() && !suite.source.optional {
            false => Ok(found),
            true => Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "the suite `{}` has no component `{component}` for {}",
                    suite.source.suite, self.architecture
                ),
            )
            .with_hint(format!("it has {}", suite.release.components().join(", ")))),
        }
    }

    /// By its digest, where the mirror has files by their digests.
    fn fetch_index(&self, suite: &Suite, file: &release::File) -> Result<()> {
        let directory = format!("dists/{}", suite.source.suite);
        let name = format!("{} {}", suite.source.suite, file.path);
        let wanted = |place| vec![Wanted { digest: file.digest, size: file.size, name: name.clone(), place }];
        if suite.release.by_hash() {
            let (parent, _) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
            let place = format!("{directory}/{parent}/by-hash/SHA256/{}", file.digest.hex());
            match suite.mirror.download(self.resolver, wanted(place)) {
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                done => return done,
            }
        }
        suite.mirror.download(self.resolver, wanted(format!("{directory}/{}", file.path)))
    }
}

/// Debian's name of the platform.
fn architecture(resolver: &Resolver) -> String {
    let platform = &resolver.platform;
    match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("386", _) => "i386",
        ("arm", Some("v5" | "v6")) => "armel",
        ("arm", _) => "armhf",
        ("ppc64le", _) => "ppc64el",
        (other, _) => other,
    }
    .to_owned()
}
