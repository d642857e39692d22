//! Files of the project, and of the time zone, are written into a root.

use super::key::{SourceKind, sources};
use crate::{Error, ErrorKind, Result, Rootlet};
use rootlet_spec::recipe::CopyIn;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where this host's time zones are.
const ZONES: &str = "/usr/share/zoneinfo";

/// Copies a file, or what is in a directory, into a root, as its root.
pub(super) fn into(root: &Rootlet, copy: &CopyIn, directory: &Path) -> Result<()> {
    if !copy.to.starts_with('/') {
        return Err(Error::new(ErrorKind::Recipe, format!("`{}` is not absolute", copy.to))
            .with_hint("write where it is to be from the root on: `/usr/local/bin/`"));
    }
    let mode = copy.mode.as_deref().map(octal).transpose()?;
    let owner = copy.owner.as_deref().map(|owner| root.identity(owner)).transpose()?;
    let path = directory.join(&copy.from);
    let mut target = PathBuf::from(&copy.to);
    if copy.to.ends_with('/')
        && path.is_file()
        && let Some(name) = path.file_name()
    {
        target.push(name);
    }
    let failed =
        |path: &Path, e: io::Error| Error::io(format!("failed to write {} inside", path.display()), e);
    if let Some(parent) = target.parent() {
        root.create_dir_all(parent).map_err(|e| failed(parent, e))?;
    }
    for source in sources(&path)? {
        let place = match source.relative.as_os_str().is_empty() {
            true => target.clone(),
            false => target.join(&source.relative),
        };
        let done = match &source.kind {
            SourceKind::Directory if root.is_dir(&place) => continue,
            SourceKind::Directory => root.create_dir_all(&place),
            SourceKind::Symlink(to) => root.symlink(to, &place),
            SourceKind::File => write(root, &source.path, &place),
        };
        done.map_err(|e| failed(&place, e))?;
        if let Some(owner) = &owner {
            root.lchown(&place, Some(owner.uid), Some(owner.gid)).map_err(|e| failed(&place, e))?;
        }
        // Last, since a new owner takes set-user-id away.
        if source.kind == SourceKind::File {
            let mode = mode.unwrap_or(source.mode & 0o755);
            root.set_permissions(&place, mode).map_err(|e| failed(&place, e))?;
        }
    }
    Ok(())
}

fn write(root: &Rootlet, from: &Path, to: &Path) -> io::Result<()> {
    // What another name leads to stays as it is.
    match root.remove_file(to) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    io::copy(&mut fs::File::open(from)?, &mut root.create(to)?).map(drop)
}

fn octal(text: &str) -> Result<u32> {
    let bits = u32::from_str_radix(text.trim_start_matches("0o"), 8).ok().filter(|bits| *bits <= 0o7777);
    bits.ok_or_else(|| {
        Error::new(ErrorKind::Recipe, format!("`{text}` is not a mode"))
            .with_hint("write it in octal: `0755`")
    })
}

/// Sets the time zone: a link to the root's own file of it, else a copy of this host's.
pub(super) fn timezone(root: &Rootlet, zone: &str) -> Result<()> {
    let plain = !zone.is_empty() && zone.split('/').all(|part| !matches!(part, "" | "." | ".."));
    let inside = format!("{ZONES}/{zone}");
    let failed = |e| Error::io(format!("failed to set the time zone {zone}"), e);
    if !plain || (!root.is_file(&inside) && !Path::new(&inside).is_file()) {
        return Err(Error::new(ErrorKind::Recipe, format!("there is no time zone `{zone}`"))
            .with_hint("it is written as `Europe/Paris`; the package `tzdata` has them all"));
    }
    if let Err(e) = root.remove_file("/etc/localtime")
        && e.kind() != io::ErrorKind::NotFound
    {
        return Err(failed(e));
    }
    match root.is_file(&inside) {
        true => root.symlink(&inside, "/etc/localtime"),
        false => fs::read(&inside).and_then(|file| root.write("/etc/localtime", file)),
    }
    .and_then(|()| root.write("/etc/timezone", format!("{zone}\n")))
    .map_err(failed)
}
