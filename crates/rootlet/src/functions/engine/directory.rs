//! Directories: of this machine, of a container, or put together from nothing.

use super::memo::key;
use super::pattern::Patterns;
use super::place::{Kind, Place};
use super::write::Write;
use super::{Engine, Result};
use crate::Rootlet;
use crate::functions::Failed;
use rootlet_base::Base;
use rootlet_spec::mount::lexical;
use rootlet_spec::pipeline::{
    Changes, Copied, Directory, DirectoryOrigin, DirectoryStep, FileStep, HostPath,
};
use rootlet_spec::{GroupSpec, Net, UserSpec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where in a root of its own a directory is put together.
const WORKSHOP: &str = "/directory";

impl Engine {
    /// Where a directory is.
    pub(super) fn place(&self, directory: &Directory) -> Result<Place> {
        self.0.places.get_or(key(directory), || self.place_after(directory.from.as_ref(), &directory.steps))
    }

    fn place_after(&self, from: Option<&DirectoryOrigin>, steps: &[DirectoryStep]) -> Result<Place> {
        let Some((last, before)) = steps.split_last() else {
            return match from {
                Some(from) => self.origin(from),
                None => self.workshop(vec![Write::directory(WORKSHOP)], None),
            };
        };
        let rest = |before: &[DirectoryStep]| Directory { from: from.cloned(), steps: before.to_vec() };
        match last {
            DirectoryStep::Files(_) => {
                let own =
                    steps.iter().rev().take_while(|step| matches!(step, DirectoryStep::Files(_))).count();
                let (before, own) = steps.split_at(steps.len() - own);
                let base = self.in_workshop(&self.place(&rest(before))?)?;
                let own = own.iter().filter_map(|step| match step {
                    DirectoryStep::Files(step) => Some(moved(step)),
                    _ => None,
                });
                let state = super::state::State::plain(base);
                self.workshop(Vec::new(), Some(self.written(&state, own.collect())?.base))
            }
            DirectoryStep::WithTimestamps { timestamp } => {
                let base = self.in_workshop(&self.place(&rest(before))?)?;
                self.workshop(vec![Write::timestamps(WORKSHOP, *timestamp)], Some(base))
            }
            DirectoryStep::Filter { include, exclude } => {
                let patterns = Patterns::new(include, exclude)?;
                let all = Write::all(self.place(&rest(before))?, patterns, WORKSHOP)?;
                self.workshop(vec![Write::directory(WORKSHOP), all], None)
            }
            DirectoryStep::Diff { other } => {
                let (old, new) = (self.place(&rest(before))?, self.place(other)?);
                let Differences { added, modified, .. } = differences(&old, &new)?;
                let some = Write::some(new, [added, modified].concat(), WORKSHOP)?;
                self.workshop(vec![Write::directory(WORKSHOP), some], None)
            }
        }
    }

    fn origin(&self, from: &DirectoryOrigin) -> Result<Place> {
        match from {
            DirectoryOrigin::Host(HostPath { path, include, exclude }) => {
                let path = self.0.directory.join(path);
                Ok(Place::Host { path, patterns: Patterns::new(include, exclude)? })
            }
            DirectoryOrigin::Container { container, path, expand } => {
                let state = self.state(container)?;
                let path = state.place(&state.expanded(path, *expand));
                Ok(Place::Inside { root: self.reader(&state.base)?, path })
            }
            DirectoryOrigin::Directory { directory, path } => Ok(self.place(directory)?.join(path)),
            DirectoryOrigin::Git(tree) => {
                Ok(Place::Host { path: self.git_tree(tree)?, patterns: Patterns::default() })
            }
            DirectoryOrigin::Call(call) => self.place(&self.called(call)?),
        }
    }

    /// A base in which a directory lies in the workshop.
    fn in_workshop(&self, place: &Place) -> Result<Base> {
        if let Place::Inside { root, path } = place
            && path == WORKSHOP
        {
            return Ok(root.base().clone());
        }
        let all = Write::all(place.clone(), Patterns::default(), WORKSHOP)?;
        self.write(&self.0.resolver.nothing()?, vec![all])
    }

    fn workshop(&self, writes: Vec<Write>, base: Option<Base>) -> Result<Place> {
        let base = base.map_or_else(|| Ok(self.0.resolver.nothing()?), Ok::<Base, Failed>)?;
        let base = if writes.is_empty() { base } else { self.write(&base, writes)? };
        Ok(Place::Inside { root: self.reader(&base)?, path: WORKSHOP.into() })
    }

    /// A directory as a whole root.
    pub(super) fn as_root(&self, directory: &Directory) -> Result<Base> {
        let all = Write::all(self.place(directory)?, Patterns::default(), "/")?;
        self.write(&self.0.resolver.nothing()?, vec![all])
    }

    /// A root of a base in which files are only read.
    pub(super) fn reader(&self, base: &Base) -> Result<Arc<Rootlet>> {
        self.0.readers.get_or(key(&base.id()), || {
            let mut builder = Rootlet::builder(base).net(Net::None).workdir("/");
            builder.spec.user = Some(UserSpec::Id(0, Some(GroupSpec::Id(0))));
            Ok(Arc::new(builder.spawn()?))
        })
    }

    pub(super) fn changes(&self, changes: &Changes) -> Result<Differences> {
        differences(&self.place(&changes.from)?, &self.place(&changes.of)?)
    }
}

/// What differs between two directories: paths below them, sorted.
#[derive(Default)]
pub(super) struct Differences {
    pub added: Vec<PathBuf>,
    pub modified: Vec<PathBuf>,
    pub removed: Vec<PathBuf>,
}

fn differences(old: &Place, new: &Place) -> Result<Differences> {
    let all = |place: &Place| -> Result<BTreeMap<PathBuf, super::place::Found>> {
        let found = place.walk(&Patterns::default())?.into_iter();
        Ok(found.filter(|f| !f.relative.as_os_str().is_empty()).map(|f| (f.relative.clone(), f)).collect())
    };
    let (before, after) = (all(old)?, all(new)?);
    let mut differences = Differences::default();
    for (path, now) in &after {
        let Some(was) = before.get(path) else {
            differences.added.push(path.clone());
            continue;
        };
        let same = (&was.kind, was.mode, was.uid, was.gid) == (&now.kind, now.mode, now.uid, now.gid)
            && (now.kind != Kind::File || (was.size == now.size && same_contents(old, new, path)?));
        if !same {
            differences.modified.push(path.clone());
        }
    }
    differences.removed = before.into_keys().filter(|path| !after.contains_key(path)).collect();
    Ok(differences)
}

fn same_contents(old: &Place, new: &Place, path: &Path) -> Result<bool> {
    let digest = |place: &Place| {
        let read = place.open(path).and_then(rootlet_base::Digest::of_reader);
        read.map_err(|e| place.failed("read", path, e))
    };
    Ok(digest(old)? == digest(new)?)
}

/// A step of a directory as one of the root in which it is put together. Nothing leads out of the directory.
fn moved(step: &FileStep) -> FileStep {
    let below = |path: &String| format!("{WORKSHOP}{}", lexical(path));
    let mut step = step.clone();
    match &mut step {
        FileStep::WithFile { path, .. }
        | FileStep::WithFiles { path, .. }
        | FileStep::WithNewFile { path, .. }
        | FileStep::WithNewDirectory { path, .. }
        | FileStep::WithoutFile { path }
        | FileStep::WithoutDirectory { path }
        | FileStep::WithSymlink { link_name: path, .. }
        | FileStep::WithDirectory(Copied { path, .. }) => *path = below(path),
        FileStep::WithoutFiles { paths } => paths.iter_mut().for_each(|path| *path = below(path)),
    }
    step
}
