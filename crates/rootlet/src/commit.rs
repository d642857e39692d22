//! What a rootlet changed, as a layer that serves every id map: owners and modes as they are inside.

use crate::{Change, ChangeKind, Error, Files, Result, Rootlet};
use rootlet_base::{LayerWriter, PackEntry, PackKind, PackedLayer};
use rootlet_kernel::Who;
use rustix::fs::flistxattr;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// What becomes of changes on their way into a layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Commit {
    /// No file is younger, in seconds since 1970; 0: as they are.
    pub epoch: u64,
    /// Places, absolute, that are left out with all below them.
    pub leave_out: Vec<String>,
}

impl Rootlet {
    /// Ends all commands, and writes what was changed into `layer`.
    pub(crate) fn commit(&self, commit: &Commit, mut layer: LayerWriter) -> Result<PackedLayer> {
        let failed = |e| Error::io("failed to read what was changed", e);
        // A file that somebody still writes would be read half.
        self.init().kill_all(libc::SIGKILL).map_err(failed)?;
        let mut links = HashMap::new();
        for change in self.changes()? {
            if commit.leave_out.iter().any(|place| change.path.starts_with(place)) {
                continue;
            }
            self.write(&change, commit.epoch, &mut links, &mut layer)?;
        }
        Ok(layer.finish()?)
    }

    fn write(
        &self,
        change: &Change,
        epoch: u64,
        links: &mut HashMap<u64, Vec<u8>>,
        layer: &mut LayerWriter,
    ) -> Result<()> {
        let path = change.path.as_os_str().as_bytes();
        let path = path.strip_prefix(b"/").unwrap_or(path).to_vec();
        if change.kind == ChangeKind::Removed {
            return Ok(layer.remove(&path)?);
        }
        let failed = |e| Error::io(format!("failed to read {}", change.path.display()), e);
        let files: &Files = self;
        let metadata = files.symlink_metadata(&change.path).map_err(failed)?;
        let mut data: Box<dyn Read> = Box::new(io::empty());
        let mut xattrs = Vec::new();
        let first = (metadata.nlink() > 1 && metadata.is_file())
            .then(|| links.get(&metadata.ino()).cloned())
            .flatten();
        let kind = match metadata.mode() & libc::S_IFMT {
            libc::S_IFREG if first.is_some() => PackKind::HardLink(first.unwrap_or_default()),
            libc::S_IFREG => {
                let file = files.open(&change.path).map_err(failed)?;
                xattrs = self.attributes(&change.path, &file).map_err(failed)?;
                links.insert(metadata.ino(), path.clone());
                data = Box::new(file);
                PackKind::File(metadata.len())
            }
            libc::S_IFDIR => PackKind::Directory,
            libc::S_IFLNK => {
                let target = files.read_link(&change.path).map_err(failed)?;
                PackKind::Symlink(target.as_os_str().as_bytes().to_vec())
            }
            libc::S_IFIFO => PackKind::Fifo,
            // Sockets end with who listens, and devices are made anew.
            _ => return Ok(()),
        };
        let mtime = metadata.modified().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mtime = if epoch == 0 { mtime } else { mtime.min(epoch) };
        let (mode, uid, gid) = (metadata.mode() & 0o7777, metadata.uid(), metadata.gid());
        layer.append(&PackEntry { path, kind, mode, uid, gid, mtime, xattrs }, &mut *data)?;
        Ok(())
    }

    /// The capabilities of a file, as its root inside has them, and what users keep beside it.
    fn attributes(&self, path: &Path, file: &File) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut names = vec![0; 64 << 10];
        let size = match flistxattr(file, &mut names) {
            Err(rustix::io::Errno::NOTSUP) => 0,
            listed => listed?,
        };
        let names = names[..size].split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
        let ours = |name: &&str| name.starts_with("user.overlay.") || *name == "user.rootlet";
        let kept = |name: &&str| *name == "security.capability" || (name.starts_with("user.") && !ours(name));
        let mut found = Vec::new();
        for name in names.filter(kept) {
            let value = self.init().get_xattr(&Who::default(), 0, path.as_os_str().as_bytes(), name)?;
            found.push((name.to_owned(), value));
        }
        found.sort();
        Ok(found)
    }
}
