//! Files: where they are, what they hold, and how they come to this machine.

use super::pattern::Patterns;
use super::place::{Found, Kind, Place};
use super::{Engine, Result};
use crate::functions::{Failed, Outcome};
use crate::{Error, functions::engine::memo::key};
use rootlet_base::{Digest, ExportTarget};
use rootlet_spec::pipeline::{Changes, Container, DirectoryStep, Fetched, File, FileOrigin, HostPath};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

impl Engine {
    /// Where a file is.
    pub(super) fn file_place(&self, file: &File) -> Result<Place> {
        let host = |path: PathBuf| Place::Host { path, patterns: Patterns::default() };
        match &file.from {
            FileOrigin::Container { container, path, expand } => {
                let state = self.state(container)?;
                let path = state.place(&state.expanded(path, *expand));
                Ok(Place::Inside { root: self.reader(&state.base)?, path })
            }
            FileOrigin::Directory { directory, path } => Ok(self.place(directory)?.join(path)),
            FileOrigin::Host(HostPath { path, .. }) => Ok(host(self.0.directory.join(path))),
            FileOrigin::New(new) => {
                let path = self.scratch(&key(new).hex(), |path| {
                    fs::write(path, &new.contents)?;
                    fs::set_permissions(path, fs::Permissions::from_mode(new.permissions.unwrap_or(0o644)))
                })?;
                Ok(host(path))
            }
            FileOrigin::Tarball(container) => {
                let place = self.0.tarballs.get_or(key(container), || self.tarball(container))?;
                Ok(host(place))
            }
            FileOrigin::Url(url) => Ok(host(self.0.fetched.get_or_try(key(url), || self.fetch(url))?)),
            FileOrigin::Call(call) => self.file_place(&self.called(call)?),
        }
    }

    /// Once in a session, so that it is the same for all who ask.
    fn fetch(&self, wanted: &Fetched) -> Result<PathBuf> {
        let name = last_of_url(&wanted.url);
        let id = self.0.begin(&format!("fetch {}", rootlet_spec::printable(&name)));
        let began = Instant::now();
        let done = self.fetch_to(wanted);
        let outcome = if done.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.0.hears.end(id, outcome, began.elapsed());
        done
    }

    fn fetch_to(&self, wanted: &Fetched) -> Result<PathBuf> {
        let path = self.scratch_path(&key(wanted).hex())?;
        let failed = |e| Error::io(format!("failed to write {}", path.display()), e);
        let mut file = fs::File::create(&path).map_err(failed)?;
        let digest = self.0.resolver.fetch(&wanted.url, &mut file)?.to_string();
        if let Some(promised) = wanted.checksum.as_ref().filter(|promised| **promised != digest) {
            let what = rootlet_spec::printable(promised);
            let failed =
                Failed::query(format!("what was fetched is not what was promised: {digest}, not {what}"));
            return Err(failed.with_hint("the file is another one now, or was changed on its way"));
        }
        let mode = wanted.permissions.unwrap_or(0o600) & 0o7777;
        file.set_permissions(fs::Permissions::from_mode(mode)).map_err(failed)?;
        Ok(path)
    }

    fn tarball(&self, container: &Container) -> Result<PathBuf> {
        let path = self.scratch_path(&key(container).hex())?;
        self.whole(container)?.export(&ExportTarget::OciArchive(path.clone(), "latest".into()))?;
        Ok(path)
    }

    /// A file of the session's own.
    fn scratch(&self, name: &str, make: impl FnOnce(&Path) -> io::Result<()>) -> Result<PathBuf> {
        let path = self.scratch_path(name)?;
        make(&path).map_err(|e| Error::io(format!("failed to write {}", path.display()), e))?;
        Ok(path)
    }

    pub(super) fn file_name(&self, file: &File) -> Result<String> {
        if let Some(name) = &file.name {
            return Ok(name.clone());
        }
        let last = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        Ok(match &file.from {
            FileOrigin::Container { path, .. } | FileOrigin::Directory { path, .. } => last(path),
            FileOrigin::Host(HostPath { path, .. }) => last(path),
            FileOrigin::New(new) => new.name.clone(),
            FileOrigin::Tarball(_) => "container.tar".into(),
            FileOrigin::Url(url) => last_of_url(&url.url),
            FileOrigin::Call(call) => self.file_name(&self.called(call)?)?,
        })
    }

    pub(super) fn file_found(&self, file: &File) -> Result<(Place, Found)> {
        let place = self.file_place(file)?;
        let found = place.look(Path::new("")).map_err(|e| place.failed("read", Path::new(""), e))?;
        match found.kind {
            Kind::File => Ok((place, found)),
            _ => Err(Failed::query(format!("{} is not a file", place.told()))),
        }
    }

    pub(super) fn contents(&self, file: &File) -> Result<String> {
        let (place, _) = self.file_found(file)?;
        let mut text = Vec::new();
        let read = place.open(Path::new("")).and_then(|mut file| file.read_to_end(&mut text));
        read.map_err(|e| place.failed("read", Path::new(""), e))?;
        String::from_utf8(text).map_err(|_| {
            Failed::query(format!("{} is not text", place.told())).with_hint("`export` takes any file")
        })
    }

    pub(super) fn file_digest(&self, file: &File) -> Result<Digest> {
        let (place, _) = self.file_found(file)?;
        let read = place.open(Path::new("")).and_then(Digest::of_reader);
        Ok(read.map_err(|e| place.failed("read", Path::new(""), e))?)
    }

    /// Writes a file to this machine; into a directory, under its own name. Gives where.
    pub(super) fn export_file(&self, file: &File, to: &str) -> Result<PathBuf> {
        let (place, found) = self.file_found(file)?;
        let mut path = self.0.directory.join(to);
        if path.is_dir() || to.ends_with('/') {
            path.push(self.file_name(file)?);
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)
                .map_err(|e| Error::io(format!("failed to make {}", parent.display()), e))?;
        }
        write_out(&place, &found, &path)?;
        Ok(path)
    }

    /// Does to a directory of this machine what was done between two: what is new or other is written, and what is gone removed.
    pub(super) fn export_changes(&self, changes: &Changes, to: &str) -> Result<PathBuf> {
        let mut layer = changes.from.clone();
        layer.steps.push(DirectoryStep::Diff { other: Box::new(changes.of.clone()) });
        let removed = self.changes(changes)?.removed;
        let top = self.export_directory(&self.place(&layer)?, to, false)?;
        // What is in a directory before the directory.
        for path in removed.iter().rev() {
            remove_below(&top, path)
                .map_err(|e| Error::io(format!("failed to remove {}", top.join(path).display()), e))?;
        }
        Ok(top)
    }

    /// Writes what is in a directory to this machine; with `wipe`, what else is there is removed.
    pub(super) fn export_directory(&self, place: &Place, to: &str, wipe: bool) -> Result<PathBuf> {
        let top = self.0.directory.join(to);
        let failed = |path: &Path, e| Error::io(format!("failed to write {}", path.display()), e);
        if wipe && top.is_dir() {
            for entry in fs::read_dir(&top).map_err(|e| failed(&top, e))? {
                let path = entry.map_err(|e| failed(&top, e))?.path();
                let is_directory = fs::symlink_metadata(&path).is_ok_and(|m| m.is_dir());
                let removed = if is_directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.map_err(|e| failed(&path, e))?;
            }
        }
        fs::create_dir_all(&top).map_err(|e| failed(&top, e))?;
        for found in place.walk(&Patterns::default())? {
            if found.relative.as_os_str().is_empty() {
                continue;
            }
            let path = top.join(&found.relative);
            let is = fs::symlink_metadata(&path).ok();
            match &found.kind {
                // A symlink that stands where a directory is to be would lead what comes next elsewhere.
                Kind::Directory if is.as_ref().is_some_and(fs::Metadata::is_dir) => {}
                Kind::Directory => {
                    let cleared = if is.is_some() { fs::remove_file(&path) } else { Ok(()) };
                    cleared.and_then(|()| fs::create_dir(&path)).map_err(|e| failed(&path, e))?;
                }
                Kind::Symlink(target) => {
                    let cleared = if is.is_some() { fs::remove_file(&path) } else { Ok(()) };
                    cleared
                        .and_then(|()| std::os::unix::fs::symlink(target, &path))
                        .map_err(|e| failed(&path, e))?;
                }
                Kind::File => write_out(place, &found, &path)?,
                Kind::Other => {}
            }
        }
        Ok(top)
    }
}

/// The last part of its path.
fn last_of_url(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let last = path.trim_end_matches('/').split('/').skip(1).last().unwrap_or_default();
    if last.is_empty() { "index".into() } else { last.to_owned() }
}

/// Removes a file, or a directory that nobody else has put something into, if it is there. No symlink on the way leads elsewhere.
fn remove_below(top: &Path, path: &Path) -> io::Result<()> {
    let is_directory = |path: &Path| fs::symlink_metadata(path).map(|m| m.is_dir());
    let removed = match path.ancestors().skip(1).all(|above| is_directory(&top.join(above)).unwrap_or(false))
    {
        false => return Ok(()),
        true => is_directory(&top.join(path)).and_then(|is_directory| match is_directory {
            true => fs::remove_dir(top.join(path)),
            false => fs::remove_file(top.join(path)),
        }),
    };
    match removed {
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => Ok(()),
        removed => removed,
    }
}

/// Beside its place first, so that nobody sees the half of it, and what a symlink there leads to stays as it is.
fn write_out(place: &Place, found: &Found, path: &Path) -> Result<()> {
    let failed = |e| Error::io(format!("failed to write {}", path.display()), e);
    let mut beside = path.as_os_str().to_owned();
    beside.push(".rootlet-new");
    let beside = PathBuf::from(beside);
    let _ = fs::remove_file(&beside);
    let mut from = place.open(&found.relative).map_err(|e| place.failed("read", &found.relative, e))?;
    let written = fs::File::create_new(&beside).and_then(|mut to| {
        io::copy(&mut from, &mut to)?;
        // Nothing that was made inside raises anybody here.
        to.set_permissions(fs::Permissions::from_mode(found.mode & 0o777))
    });
    let done = written.and_then(|()| fs::rename(&beside, path));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    Ok(done.map_err(failed)?)
}
