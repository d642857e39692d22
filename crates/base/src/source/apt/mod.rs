//! `apt:SUITE`: Debian or Ubuntu, made of its packages.
//!
//! ```text
//! sources     where packages are from: the name's options, else this machine's own apt
//! release     InRelease of each suite: its signature, its time, the digests of its indexes
//! index       Packages: name, version, relations, digest
//! solve       which packages
//! root        all of them unpacked into one layer, with dpkg's database            the first layer
//! configure   dpkg's own configuration, in a rootlet                               the second layer
//! ```
//!
//! Indexes and packages are blobs of the store, found by their digests: nothing is fetched twice, whichever suite it is of.

mod configure;
mod database;
mod deb;
mod index;
mod relation;
mod release;
mod root;
mod signature;
mod solve;
mod sources;
mod stanza;
mod version;

use super::download::Wanted;
use super::mirror::{Mirror, without_credentials};
use crate::base::{BaseKind, Defaults};
use crate::pack::{self, LayerWriter};
use crate::progress::{Step, Task};
use crate::resolve::Pull;
use crate::store::{Content, Locked};
use crate::unpack::normalise;
use crate::{Base, Digest, Error, ErrorKind, PackageSet, Resolver, Result};
use index::{Index, Package};
use release::Release;
use solve::Variant;
use sources::Source;
use std::collections::BTreeMap;
use std::path::Path;

/// From the store, or made of its packages.
///
/// # Locking
/// Exclusive on `locks/NAME` while it is made: a second one waits, and finds it.
pub(crate) fn resolve(resolver: &Resolver, set: PackageSet) -> Result<Base> {
    let name = resolver.name_for_platform(format!("apt:{}", shown(&set)));
    let ask = |stored: bool| match resolver.pull {
        _ if resolver.offline => false,
        Pull::Missing => !stored,
        Pull::Always => true,
        Pull::Never => false,
    };
    let find = || Ok::<_, Error>(resolver.stored(&name)?.map(|(_, base)| base));
    if let Some(base) = find()?.filter(|_| !ask(true)) {
        return Ok(base);
    }
    if !ask(false) {
        return Err(Error::new(
            ErrorKind::NotInStore,
            format!(
                "failed to find the base `{name}`: it is not in the store, and the network is not to be used"
            ),
        )
        .with_hint(format!("make it where there is a network: `rootlet base pull {name}`")));
    }
    let _turn = resolver.turn(&name)?;
    match find()? {
        Some(base) if resolver.pull == Pull::Missing => Ok(base),
        _ => Build::begin(resolver, &set, Path::new("/"))
            .and_then(|build| build.make(&name))
            .map_err(|e| e.within(format!("failed to make the base `{name}`"))),
    }
}

/// A base is named without anybody's credentials: names are listed and printed.
fn shown(set: &PackageSet) -> PackageSet {
    let mut set = set.clone();
    if let Some(mirror) = set.options.get_mut("mirror") {
        *mirror = without_credentials(mirror);
    }
    set
}

/// What a root is made of.
struct Build<'a> {
    resolver: &'a Resolver,
    variant: Variant,
    add: Vec<String>,
    architecture: String,
    suites: Vec<Suite>,
}

/// A suite that was verified, and where it is.
struct Suite {
    source: Source,
    mirror: Mirror,
    release: Release,
}

impl<'a> Build<'a> {
    fn begin(resolver: &'a Resolver, set: &PackageSet, machine: &Path) -> Result<Self> {
        let variant = Variant::read(set.options.get("variant").map_or("minbase", String::as_str))?;
        let _task = Task::begin(&*resolver.progress, "sources", Step::Read, None);
        let mut suites = Vec::new();
        for source in sources::of(set, machine)? {
            let mirror = Mirror::new(&source.mirror)?;
            match Release::fetch(&source, &mirror, resolver)? {
                Some(release) => suites.push(Suite { source, mirror, release }),
                None if source.optional => {}
                None => {
                    let what = format!("{} has no suite `{}`", mirror.shown(), source.suite);
                    return Err(Error::new(ErrorKind::NotFound, what)
                        .with_hint("look at the spelling, or name another mirror with `?mirror=`"));
                }
            }
        }
        let architecture = architecture(resolver);
        Ok(Self { resolver, variant, add: set.add.clone(), architecture, suites })
    }

    fn make(&self, name: &str) -> Result<Base> {
        let index = self.index()?;
        let order = solve::solve(&index, self.variant, &self.add)?;
        let packages: Vec<&Package> = order.iter().map(|&at| &index.packages[at]).collect();
        let digests = packages.iter().map(|package| package.digest()).collect::<Result<Vec<_>>>()?;
        let epoch = self.suites.iter().map(|suite| suite.release.date).max().unwrap_or(0);
        let extra = configure::sources_list(&self.suites)?;
        let key = self.key(&digests, &extra);
        if let Some(base) = self.resolver.stored_manifest(name, key)? {
            return Ok(base);
        }
        let _held = self.hold(digests.clone())?;
        self.fetch(&packages)?;

        let merged = packages.iter().any(|package| package.satisfies(&MERGED) || package.name == "usrmerge");
        let mut layer = LayerWriter::begin(&self.resolver.store)?;
        let mut debs: Vec<_> = packages.iter().zip(&digests).collect();
        // Its directories are those of the whole system.
        debs.sort_by_key(|(package, _)| (package.name != "base-files", &package.name));
        let store = &self.resolver.store;
        let packed = |(package, digest): &(&&Package, &Digest)| root::Packed {
            name: package.name.clone(),
            path: store.blob_file(**digest),
            size: package.size,
        };
        let debs: Vec<_> = debs.iter().map(packed).collect();
        let has_apt = packages.iter().any(|package| package.name == "apt");
        let extra = if has_apt { extra } else { Vec::new() };
        let controls = root::write(&debs, merged, epoch, &extra, &mut layer, &*self.resolver.progress)?;
        let unpacked = pack::put(self.resolver, self.content(), vec![layer.finish()?], None, "", None)?;

        let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
        let script = configure::script(name, &controls, &names, epoch, self.resolver.limits.script_time);
        let task = Task::begin(&*self.resolver.progress, "configure", Step::SetUp, None);
        let configured = self.resolver.set_up(&unpacked, &script)?;
        drop(task);
        let how = format!("made of {} packages of {}", packages.len(), self.from());
        let mut content = unpacked.content();
        content.documents.extend(digests);
        pack::put(self.resolver, content, vec![configured], Some(name), &how, Some(key))
    }

    /// Fetches and reads the index of each component.
    fn index(&self) -> Result<Index> {
        let mut files = Vec::new();
        for (at, suite) in self.suites.iter().enumerate() {
            let said = &suite.source.components;
            let components = if said.is_empty() { suite.release.components() } else { said.clone() };
            for component in components {
                files.extend(self.indexes(suite, &component)?.into_iter().map(|file| (at, file)));
            }
        }
        let digests = files.iter().map(|(_, file)| file.digest).collect();
        let _held = self.hold(digests)?;
        for (at, file) in &files {
            self.fetch_index(&self.suites[*at], file)?;
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

    /// Brings the packages into the store.
    fn fetch(&self, packages: &[&Package]) -> Result<()> {
        let mut by_suite: BTreeMap<usize, Vec<Wanted>> = BTreeMap::new();
        for package in packages {
            let place = String::from_utf8_lossy(&normalise(package.file.as_bytes())?).into_owned();
            let name = format!("{} {}", package.name, package.version);
            let wanted = Wanted { digest: package.digest()?, size: package.size, name, place };
            by_suite.entry(package.source).or_default().push(wanted);
        }
        by_suite.into_iter().try_for_each(|(suite, wanted)| {
            self.suites[suite].mirror.download(self.resolver, wanted).map_err(|e| match e.kind() {
                // Between the index and the package, the mirror has moved on.
                ErrorKind::NotFound => e.with_hint("the mirror was just updated: try again"),
                _ => e,
            })
        })
    }

    /// What the root depends on: the packages, in their order, and what is written besides.
    fn key(&self, digests: &[Digest], extra: &[root::Extra]) -> Digest {
        let extra: Vec<_> = extra.iter().map(|file| (&file.path, Digest::of(&file.bytes))).collect();
        let text = serde_json::to_vec(&("apt 1", digests, extra));
        Digest::of(&text.expect("plain data has a JSON form"))
    }

    /// Keeps blobs from being collected before the base names them.
    ///
    /// # Locking
    /// Shared on a content that is nothing else.
    fn hold(&self, blobs: Vec<Digest>) -> Result<Locked> {
        let mut content = self.content();
        let list = serde_json::to_vec(&blobs).expect("plain data has a JSON form");
        content.defaults.labels.insert("rootlet.fetching".into(), Digest::of(&list).to_string());
        content.documents = blobs;
        self.resolver.store.hold_new_content(&content)
    }

    fn content(&self) -> Content {
        let platform = Some(self.resolver.platform.to_string());
        Content {
            bottom: BaseKind::Layers,
            layers: Vec::new(),
            defaults: Defaults { platform, ..Defaults::default() },
            documents: Vec::new(),
        }
    }

    fn from(&self) -> String {
        let suites =
            self.suites.iter().map(|suite| format!("{} of {}", suite.source.suite, suite.mirror.shown()));
        suites.collect::<Vec<_>>().join(", ")
    }
}

const MERGED: relation::Wants<'static> = relation::Wants { name: "usr-is-merged", version: None };

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
