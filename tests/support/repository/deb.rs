//! A package's file: made by dpkg-deb, or by hand where dpkg-deb would make none like it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use tar::{EntryType, Header};

/// A package, as it is to be.
#[derive(Clone, Debug)]
pub struct Deb {
    pub(super) name: String,
    pub(super) version: String,
    fields: Vec<(String, String)>,
    files: Vec<File>,
    /// Maintainer scripts and other control files.
    control: Vec<(String, String)>,
    packed: &'static str,
    /// The tar of its files, where no honest program makes it.
    tar: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
struct File {
    path: String,
    kind: Kind,
    mode: u32,
}

#[derive(Clone, Debug)]
enum Kind {
    File(Vec<u8>),
    Directory,
    Symlink(String),
}

impl Deb {
    /// Version 1, for all architectures, without files.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            version: "1".into(),
            fields: Vec::new(),
            files: Vec::new(),
            control: Vec::new(),
            packed: "xz",
            tar: None,
        }
    }

    /// Of this version.
    pub fn version(mut self, version: &str) -> Self {
        self.version = version.into();
        self
    }

    /// With a field: `Depends`, `Essential`.
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// With a file of text.
    pub fn file(self, path: &str, text: &str, mode: u32) -> Self {
        self.bytes(path, text.as_bytes(), mode)
    }

    /// With a file.
    pub fn bytes(self, path: &str, bytes: &[u8], mode: u32) -> Self {
        self.with(path, Kind::File(bytes.into()), mode)
    }

    /// With a directory.
    pub fn directory(self, path: &str, mode: u32) -> Self {
        self.with(path, Kind::Directory, mode)
    }

    /// With a symlink.
    pub fn symlink(self, path: &str, to: &str) -> Self {
        self.with(path, Kind::Symlink(to.into()), 0o777)
    }

    fn with(mut self, path: &str, kind: Kind, mode: u32) -> Self {
        self.files.push(File { path: path.into(), kind, mode });
        self
    }

    /// With a maintainer script, or another control file.
    pub fn script(mut self, name: &str, text: &str) -> Self {
        self.control.push((name.into(), text.into()));
        self
    }

    /// Its members packed as dpkg-deb calls it: `xz`, `gzip`, `zstd`, `none`.
    pub fn packed(mut self, how: &'static str) -> Self {
        self.packed = how;
        self
    }

    /// With exactly these entries, whatever they are: path, kind, target of a link, contents. Nobody's dpkg-deb makes them.
    pub fn entries(mut self, entries: &[(&str, EntryType, &str, &str)]) -> Self {
        let tar = self.tar.get_or_insert_default();
        for (path, kind, to, text) in entries {
            let mut header = Header::new_gnu();
            // Past `set_path`, which refuses what is odd.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.as_old_mut().linkname[..to.len()].copy_from_slice(to.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(if *kind == EntryType::Directory { 0o755 } else { 0o644 });
            header.set_uid(0);
            header.set_gid(0);
            header.set_size(text.len() as u64);
            header.set_cksum();
            tar.extend(header.as_bytes());
            tar.extend(text.as_bytes());
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        self
    }

    /// Its paragraph of `control`.
    pub(super) fn control(&self) -> String {
        let mut text = format!("Package: {}\nVersion: {}\n", self.name, self.version);
        for (name, value) in &self.fields {
            text += &format!("{name}: {value}\n");
        }
        text + "Architecture: all\nMaintainer: Tests <tests@invalid>\nDescription: a test's\n"
    }

    pub(super) fn build(&self) -> Vec<u8> {
        self.tar.as_ref().map_or_else(|| self.by_dpkg(), |tar| self.by_hand(tar))
    }

    fn by_dpkg(&self) -> Vec<u8> {
        let scratch = tempfile::tempdir().unwrap();
        let to = scratch.path().join("x.deb");
        let tree = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        mode(tree.path(), 0o755);
        for file in &self.files {
            let path = tree.path().join(&file.path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match &file.kind {
                Kind::File(bytes) => fs::write(&path, bytes).unwrap(),
                Kind::Directory => fs::create_dir_all(&path).unwrap(),
                Kind::Symlink(target) => {
                    symlink(target, &path).unwrap();
                    continue;
                }
            }
            mode(&path, file.mode);
        }
        let about = tree.path().join("DEBIAN");
        fs::create_dir(&about).unwrap();
        fs::write(about.join("control"), self.control()).unwrap();
        for (name, text) in &self.control {
            fs::write(about.join(name), text).unwrap();
            mode(&about.join(name), if name == "conffiles" { 0o644 } else { 0o755 });
        }
        let mut build = Command::new("dpkg-deb");
        build.args(["--root-owner-group", &format!("-Z{}", self.packed), "-z1", "--build"]);
        build.arg(tree.path()).arg(&to).env("SOURCE_DATE_EPOCH", "1600000000").stdout(Stdio::null());
        assert!(build.status().unwrap().success());
        fs::read(to).unwrap()
    }

    fn by_hand(&self, tar: &[u8]) -> Vec<u8> {
        let mut control = tar::Builder::new(Vec::new());
        let text = self.control();
        let mut header = Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        control.append_data(&mut header, "control", text.as_bytes()).unwrap();
        let control = control.into_inner().unwrap();
        let mut data = tar.to_vec();
        data.resize(data.len() + 1024, 0);
        let mut ar = b"!<arch>\n".to_vec();
        for (name, bytes) in
            [("debian-binary", &b"2.0\n"[..]), ("control.tar", &control), ("data.tar", &data)]
        {
            let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 100_644, bytes.len());
            ar.extend(header.as_bytes());
            ar.extend(bytes);
            ar.resize(ar.len().next_multiple_of(2), b'\n');
        }
        ar
    }
}
