//! `tar:PATH`: a tarball, which stays where it is. The store remembers its digest, and knows it again by its
//! [`Stamp`].

use crate::base::{BaseKind, Defaults};
use crate::progress::{Step, Task};
use crate::store::{Content, Layer, Origin, Stamp};
use crate::{Base, BaseName, Digest, Error, ErrorKind, Resolver, Result};
use sha2::{Digest as _, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};

/// `path` is absolute and exists.
pub(crate) fn resolve(resolver: &Resolver, path: PathBuf) -> Result<Base> {
    let name = BaseName::Tar(path.clone()).to_string();
    let stamp = Stamp::of(&path)?;
    if let Some(base) = resolver.stored_file(&name, &stamp)? {
        return Ok(base);
    }
    check(&path, &name)?;
    let digest = digest(resolver, &path, &name)?;
    if Stamp::of(&path)? != stamp {
        return Err(Error::new(
            ErrorKind::Io,
            format!("failed to read `{name}`: the file changes while it is read"),
        ));
    }
    let origin = Origin::File { path, digest };
    let content = Content {
        bottom: BaseKind::Layers,
        layers: vec![Layer { key: digest, diff_id: None, origin }],
        defaults: Defaults::default(),
        documents: Vec::new(),
    };
    resolver.keep(name, &content, "read from the file".into(), None, Some(stamp))
}

fn digest(resolver: &Resolver, path: &Path, name: &str) -> Result<Digest> {
    let failed = |e| Error::io(format!("failed to read `{name}`"), e);
    let mut file = super::open_file(path)?;
    let size = file.metadata().ok().map(|m| m.len());
    let task = Task::begin(&*resolver.progress, name, Step::Read, size);
    let (mut hasher, mut buffer, mut done) = (Sha256::new(), vec![0; 256 << 10], 0);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => break,
            n => {
                hasher.update(&buffer[..n]);
                done += n as u64;
                task.advance(done);
            }
        }
    }
    Ok(Digest::finish(hasher))
}

/// Refuses at once what is plainly no tarball; the whole of it is looked at when it is unpacked.
fn check(path: &Path, name: &str) -> Result<()> {
    let m = std::fs::metadata(path).map_err(|e| Error::io(format!("failed to read `{name}`"), e))?;
    if m.is_dir() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("failed to use `{name}` as a base: it is a directory"),
        )
        .with_hint(format!("for a directory write `dir:{}`", path.display())));
    }
    if !m.is_file() {
        return Err(Error::new(
            ErrorKind::NotFound,
            format!("failed to use `{name}` as a base: it is not a file"),
        ));
    }
    #[cfg(feature = "tarball")]
    crate::unpack::check_tar(path).map_err(|e| e.within(format!("failed to use `{name}` as a base")))?;
    Ok(())
}
