//! Files of a rootlet, with the names of `std::fs`.

use rootlet_kernel::{Init, Stat, Who};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// File operations inside a rootlet, as one identity. They are done by the rootlet's own pid 1, in its own root, with
/// that identity: permissions and owners are what they are inside, and neither `..` nor a symlink nor /proc leads out.
///
/// Paths are absolute; a relative one starts at `/`. Errors are those of `std::fs`.
#[derive(Clone, Debug)]
pub struct Files {
    init: Arc<Init>,
    who: Who,
}

/// What a file is, seen from inside. As `std::fs::Metadata`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata(pub(crate) Stat);

/// How a file is opened. As `std::fs::OpenOptions`.
#[derive(Clone, Debug)]
pub struct OpenOptions<'a> {
    files: &'a Files,
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    custom_flags: i32,
}

/// An entry of a directory.
#[derive(Clone, Debug)]
pub struct DirEntry {
    path: PathBuf,
    metadata: Metadata,
}

fn bytes(path: &Path) -> io::Result<&[u8]> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() {
        return Err(io::Error::from_raw_os_error(libc::ENOENT));
    }
    if bytes.contains(&0) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path contains a NUL byte"));
    }
    if bytes.len() >= 4096 {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    }
    Ok(bytes)
}

impl Files {
    pub(crate) fn new(init: Arc<Init>, who: Who) -> Self {
        Self { init, who }
    }

    /// Opens a file for reading.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.options().read(true).open(path)
    }

    /// Opens a file for writing; made where it is missing, emptied where it is not.
    pub fn create(&self, path: impl AsRef<Path>) -> io::Result<File> {
        self.options().write(true).create(true).truncate(true).open(path)
    }

    /// Other ways to open a file. It is a real one, and the rootlet's end leaves it open. Opening never waits for the other
    /// end of a FIFO: without a reader, opening one for writing is `ENXIO`.
    pub fn options(&self) -> OpenOptions<'_> {
        OpenOptions {
            files: self,
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            custom_flags: 0,
        }
    }

    /// The whole contents of a file.
    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let mut contents = Vec::new();
        self.open(path)?.read_to_end(&mut contents)?;
        Ok(contents)
    }

    /// The whole contents of a file, as text.
    pub fn read_to_string(&self, path: impl AsRef<Path>) -> io::Result<String> {
        let mut contents = String::new();
        self.open(path)?.read_to_string(&mut contents)?;
        Ok(contents)
    }

    /// Writes a whole file, made where it is missing: mode 0644.
    pub fn write(&self, path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> io::Result<()> {
        self.create(path)?.write_all(contents.as_ref())
    }

    /// Copies a file within the rootlet, with its permission bits.
    pub fn copy(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<u64> {
        let mode = self.metadata(&from)?.mode() & 0o7777;
        let copied = io::copy(&mut self.open(from)?, &mut self.create(&to)?)?;
        self.set_permissions(to, mode)?;
        Ok(copied)
    }

    /// Whether a path leads to something. False also where that may not be known.
    pub fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.metadata(path).is_ok()
    }

    /// Whether a path leads to a directory.
    pub fn is_dir(&self, path: impl AsRef<Path>) -> bool {
        self.metadata(path).is_ok_and(|m| m.is_dir())
    }

    /// Whether a path leads to a regular file.
    pub fn is_file(&self, path: impl AsRef<Path>) -> bool {
        self.metadata(path).is_ok_and(|m| m.is_file())
    }

    /// What a path leads to.
    pub fn metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        self.init.stat(&self.who, 0, bytes(path.as_ref())?, true).map(Metadata)
    }

    /// What a path is; a symlink is not followed.
    pub fn symlink_metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        self.init.stat(&self.who, 0, bytes(path.as_ref())?, false).map(Metadata)
    }

    /// Makes a directory, 0755.
    pub fn create_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.init.mkdir(&self.who, bytes(path.as_ref())?, 0o755, false)
    }

    /// Makes a directory and its missing parents, 0755.
    pub fn create_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        match bytes(path.as_ref())?.iter().all(|&b| b == b'/') {
            true => Ok(()),
            false => self.init.mkdir(&self.who, bytes(path.as_ref())?, 0o755, true),
        }
    }

    /// Makes a symlink at `link` that says `original`.
    pub fn symlink(&self, original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
        self.init.symlink(&self.who, bytes(original.as_ref())?, bytes(link.as_ref())?)
    }

    /// Makes `link` another name of the file `original`.
    pub fn hard_link(&self, original: impl AsRef<Path>, link: impl AsRef<Path>) -> io::Result<()> {
        self.init.hard_link(&self.who, bytes(original.as_ref())?, bytes(link.as_ref())?)
    }

    /// What a symlink says.
    pub fn read_link(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        let target = self.init.read_link(&self.who, 0, bytes(path.as_ref())?)?;
        Ok(OsString::from_vec(target).into())
    }

    /// Sets the permission bits (07777).
    pub fn set_permissions(&self, path: impl AsRef<Path>, mode: u32) -> io::Result<()> {
        self.init.chmod(&self.who, bytes(path.as_ref())?, mode & 0o7777)
    }

    /// Changes the owner, the group, or both, as ids inside.
    pub fn chown(&self, path: impl AsRef<Path>, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let id = |id: Option<u32>| id.unwrap_or(u32::MAX);
        self.init.chown(&self.who, bytes(path.as_ref())?, id(uid), id(gid), true)
    }

    /// As [`Files::chown`], of a symlink itself.
    pub fn lchown(&self, path: impl AsRef<Path>, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let id = |id: Option<u32>| id.unwrap_or(u32::MAX);
        self.init.chown(&self.who, bytes(path.as_ref())?, id(uid), id(gid), false)
    }

    /// Sets the time of the last modification and access.
    pub fn set_modified(&self, path: impl AsRef<Path>, time: SystemTime) -> io::Result<()> {
        let (sec, nsec) = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => (after.as_secs() as i64, i64::from(after.subsec_nanos())),
            Err(before) => (-(before.duration().as_secs() as i64), 0),
        };
        self.init.set_times(&self.who, bytes(path.as_ref())?, [sec, nsec, sec, nsec])
    }

    /// Gives a file another name, in place of what has it.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
        self.init.rename(&self.who, bytes(from.as_ref())?, bytes(to.as_ref())?)
    }

    /// Removes a file or a symlink.
    pub fn remove_file(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.init.unlink(&self.who, bytes(path.as_ref())?, false)
    }

    /// Removes an empty directory.
    pub fn remove_dir(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.init.unlink(&self.who, bytes(path.as_ref())?, true)
    }

    /// Removes what is there, and all below it; symlinks are not followed.
    pub fn remove_dir_all(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.init.remove_all(&self.who, bytes(path.as_ref())?)
    }

    /// The entries of a directory, sorted by name.
    pub fn read_dir(&self, path: impl AsRef<Path>) -> io::Result<Vec<DirEntry>> {
        let path = path.as_ref();
        let mut entries: Vec<_> = self
            .init
            .list(&self.who, 0, bytes(path)?)?
            .into_iter()
            .map(|(name, stat)| DirEntry {
                path: path.join(OsString::from_vec(name)),
                metadata: Metadata(stat),
            })
            .collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }
}

impl OpenOptions<'_> {
    /// Read access.
    pub fn read(&mut self, read: bool) -> &mut Self {
        self.read = read;
        self
    }

    /// Write access.
    pub fn write(&mut self, write: bool) -> &mut Self {
        self.write = write;
        self
    }

    /// Write access at the end.
    pub fn append(&mut self, append: bool) -> &mut Self {
        self.append = append;
        self
    }

    /// Empty the file.
    pub fn truncate(&mut self, truncate: bool) -> &mut Self {
        self.truncate = truncate;
        self
    }

    /// Make the file where it is missing.
    pub fn create(&mut self, create: bool) -> &mut Self {
        self.create = create;
        self
    }

    /// Make the file; an error where it is there.
    pub fn create_new(&mut self, create_new: bool) -> &mut Self {
        self.create_new = create_new;
        self
    }

    /// Permission bits of a file that is made, before the umask 022.
    pub fn mode(&mut self, mode: u32) -> &mut Self {
        self.mode = mode;
        self
    }

    /// Further flags of open(2).
    pub fn custom_flags(&mut self, flags: i32) -> &mut Self {
        self.custom_flags = flags;
        self
    }

    /// Opens the file.
    pub fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let access = match (self.read, self.write, self.append) {
            (true, false, false) => libc::O_RDONLY,
            (false, true, false) => libc::O_WRONLY,
            (true, true, false) => libc::O_RDWR,
            (false, _, true) => libc::O_WRONLY | libc::O_APPEND,
            (true, _, true) => libc::O_RDWR | libc::O_APPEND,
            (false, false, false) => return Err(io::Error::from_raw_os_error(libc::EINVAL)),
        };
        let mut flags = access | self.custom_flags & !libc::O_ACCMODE;
        for (wanted, flag) in [
            (self.truncate, libc::O_TRUNC),
            (self.create, libc::O_CREAT),
            (self.create_new, libc::O_CREAT | libc::O_EXCL),
        ] {
            if wanted {
                flags |= flag;
            }
        }
        let files = self.files;
        files.init.open(&files.who, 0, bytes(path.as_ref())?, flags as u32, self.mode & 0o7777 & !0o022)
    }
}

impl Metadata {
    /// Owner, as an id inside.
    pub fn uid(&self) -> u32 {
        self.0.uid as u32
    }

    /// Group, as an id inside.
    pub fn gid(&self) -> u32 {
        self.0.gid as u32
    }

    /// Type and permission bits (`st_mode`).
    pub fn mode(&self) -> u32 {
        self.0.mode as u32
    }

    /// Bytes.
    #[allow(clippy::len_without_is_empty, reason = "as std::fs::Metadata")]
    pub fn len(&self) -> u64 {
        self.0.size
    }

    /// Hard links.
    pub fn nlink(&self) -> u64 {
        self.0.nlink
    }

    /// Inode number.
    pub fn ino(&self) -> u64 {
        self.0.ino
    }

    /// Device of a device node.
    pub fn rdev(&self) -> u64 {
        self.0.rdev
    }

    /// Device that it lies on.
    pub fn dev(&self) -> u64 {
        self.0.dev
    }

    /// Blocks of 512 bytes that it takes.
    pub fn blocks(&self) -> u64 {
        self.0.blocks
    }

    /// When it was last modified.
    pub fn modified(&self) -> SystemTime {
        UNIX_EPOCH + Duration::new(self.0.mtime, self.0.mtime_nsec as u32)
    }

    fn kind(&self) -> u32 {
        self.mode() & libc::S_IFMT
    }

    /// Whether it is a directory.
    pub fn is_dir(&self) -> bool {
        self.kind() == libc::S_IFDIR
    }

    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind() == libc::S_IFREG
    }

    /// Whether it is a symlink.
    pub fn is_symlink(&self) -> bool {
        self.kind() == libc::S_IFLNK
    }
}

impl DirEntry {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name.
    pub fn file_name(&self) -> &std::ffi::OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// What it is; a symlink is not followed. A mode of 0: the directory may be listed but not entered, and nothing but the
    /// name may be known.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}
