//! A repository of Alpine's kind, with a key of its own: packages as abuild makes them, an index as `apk index` makes it.

#![allow(dead_code, reason = "each test takes what it needs")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rootlet_base::Digest;
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const RELEASE: &str = "v3.20";
pub const ARCH: &str = std::env::consts::ARCH;
/// The mtime of what a test makes.
pub const TIME: u64 = 1_700_000_000;

/// A file of a package: path, kind as in tar, content or target, mode, owner.
#[derive(Clone, Debug)]
pub struct Entry {
    pub path: String,
    pub kind: u8,
    pub content: Vec<u8>,
    pub mode: u32,
    pub ids: (u64, u64),
    pub names: (String, String),
    pub mtime: u64,
}

pub fn entry(path: &str, kind: u8, content: impl Into<Vec<u8>>, mode: u32) -> Entry {
    let (content, root) = (content.into(), || "root".to_owned());
    Entry { path: path.into(), kind, content, mode, ids: (0, 0), names: (root(), root()), mtime: TIME }
}

pub fn file(path: &str, content: &str) -> Entry {
    entry(path, b'0', content, 0o644)
}

pub fn directory(path: &str) -> Entry {
    entry(path, b'5', "", 0o755)
}

pub fn symlink(path: &str, target: &str) -> Entry {
    entry(path, b'2', target, 0o777)
}

/// A package.
#[derive(Clone, Debug, Default)]
pub struct Apk {
    pub name: String,
    pub version: String,
    pub entries: Vec<Entry>,
    /// `post-install` and the like.
    pub scripts: Vec<(String, Vec<u8>, u64)>,
    /// Lines of `.PKGINFO`: `replaces = x`.
    pub info: String,
    /// Lines of the index besides C, P, V, A and S.
    pub index: String,
}

impl Apk {
    pub fn new(name: &str, version: &str) -> Self {
        let index = format!("I:4096\nT:{name}\nU:http://localhost\nL:MIT\no:{name}\nt:{TIME}\n");
        Self { name: name.into(), version: version.into(), index, ..Self::default() }
    }

    pub fn with(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// A line of the index.
    pub fn says(mut self, line: &str) -> Self {
        self.index += &format!("{line}\n");
        self
    }

    pub fn info(mut self, line: &str) -> Self {
        self.info += &format!("{line}\n");
        self
    }

    pub fn script(mut self, kind: &str, text: &str) -> Self {
        self.scripts.push((kind.into(), text.into(), TIME));
        self
    }

    pub fn id(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }

    /// Control part and data, packed.
    pub fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        let data = gzip(&tar(&self.entries, Tar::Data));
        let (name, version, info) = (&self.name, &self.version, &self.info);
        let hash = Digest::of(&data).hex();
        let info = format!(
            "# by a test\npkgname = {name}\npkgver = {version}\narch = {ARCH}\n{info}datahash = {hash}\n"
        );
        let mut control = vec![file(".PKGINFO", &info)];
        control.extend(self.scripts.iter().map(|(kind, text, mtime)| Entry {
            mtime: *mtime,
            ..entry(&format!(".{kind}"), b'0', text.as_slice(), 0o755)
        }));
        (gzip(&tar(&control, Tar::Part)), data)
    }
}

/// A mirror with one repository in it, `v3.20/main`, and the directory of its key.
pub struct Repository {
    pub root: PathBuf,
    pub key: String,
    pub packages: BTreeMap<String, Apk>,
}

impl Repository {
    /// An empty one in `root`, which is made.
    pub fn new(root: &Path) -> Self {
        let key = "test@localhost-1.rsa.pub".to_owned();
        let all = Self { root: root.to_owned(), key, packages: BTreeMap::new() };
        fs::create_dir_all(all.directory()).unwrap();
        fs::create_dir_all(all.keys()).unwrap();
        make_key(&all.private(), &all.keys().join(&all.key));
        all
    }

    /// What every root has, as small as can be.
    pub fn minimal(root: &Path) -> Self {
        let mut all = Self::new(root);
        let passwd = "root:x:0:0:root:/root:/bin/sh\nsam:x:1000:1000::/home/sam:/bin/sh\n";
        let layout = Apk::new("alpine-baselayout", "3.6.5-r0")
            .with(directory("etc"))
            .with(file("etc/passwd", passwd))
            .with(file("etc/group", "root:x:0:\nshadow:x:42:\nsam:x:1000:\n"))
            .with(Entry { mode: 0o1777, ..directory("tmp") });
        let busybox = Apk::new("busybox", "1.36.1-r29").with(entry("bin/busybox", b'0', "#!", 0o755));
        for apk in [
            layout,
            busybox,
            Apk::new("alpine-keys", "2.4-r1"),
            Apk::new("apk-tools", "2.14.4-r0"),
            Apk::new("musl-utils", "1.2.5-r0").says("p:libc-utils=1.2.5-r0"),
        ] {
            all.add(apk);
        }
        all
    }

    pub fn directory(&self) -> PathBuf {
        self.root.join("mirror").join(RELEASE).join("main").join(ARCH)
    }

    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    fn private(&self) -> PathBuf {
        self.root.join("key.pem")
    }

    pub fn add(&mut self, apk: Apk) {
        self.packages.insert(apk.id(), apk);
    }

    pub fn file(&self, id: &str) -> PathBuf {
        self.directory().join(format!("{id}.apk"))
    }

    /// Writes packages and index.
    pub fn publish(&self) {
        let mut index = String::new();
        for apk in self.packages.values() {
            let (control, data) = apk.parts();
            let whole = [self.sign(&control, "sha1"), control.clone(), data].concat();
            fs::write(self.file(&apk.id()), &whole).unwrap();
            let (name, version) = (&apk.name, &apk.version);
            index += &format!("C:{}\nP:{name}\nV:{version}\nA:{ARCH}\nS:{}\n", q1(&control), whole.len());
            index += &format!("{}\n", apk.index);
        }
        self.publish_index(&index, "sha1");
    }

    pub fn index_file(&self) -> PathBuf {
        self.directory().join("APKINDEX.tar.gz")
    }

    pub fn publish_index(&self, index: &str, hash: &str) {
        let body = gzip(&tar(&[file("DESCRIPTION", "test"), file("APKINDEX", index)], Tar::Whole));
        fs::write(self.index_file(), [self.sign(&body, hash), body].concat()).unwrap();
    }

    /// The member with the signature of what follows.
    pub fn sign(&self, signed: &[u8], hash: &str) -> Vec<u8> {
        gzip(&tar(&[self.signature(signed, hash)], Tar::Part))
    }

    pub fn signature(&self, signed: &[u8], hash: &str) -> Entry {
        let key = self.private();
        let signature =
            pipe("openssl", &["dgst", &format!("-{hash}"), "-sign", key.to_str().unwrap()], signed);
        let kind = if hash == "sha1" { "RSA" } else { "RSA256" };
        entry(&format!(".SIGN.{kind}.{}", self.key), b'0', signature, 0o644)
    }

    /// The name of a root, with `more` behind the release.
    pub fn name(&self, more: &str) -> String {
        let (mirror, keys) = (self.root.join("mirror"), self.keys());
        format!("apk:{RELEASE}{more}?keys={}&mirror=file:{}", keys.display(), mirror.display())
    }
}

/// Makes a pair of keys.
pub fn make_key(private: &Path, public: &Path) {
    let (private, public) = (private.to_str().unwrap(), public.to_str().unwrap());
    pipe("openssl", &["genrsa", "-out", private, "2048"], b"");
    pipe("openssl", &["rsa", "-in", private, "-pubout", "-out", public], b"");
}

/// A checksum as apk writes it.
pub fn q1(bytes: &[u8]) -> String {
    format!("Q1{}", STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes)))
}

/// Which tar it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Tar {
    /// Without its end, so that more can follow.
    Part,
    Whole,
    /// Whole, and the files have their checksums beside them.
    Data,
}

/// A tar as abuild makes it.
pub fn tar(entries: &[Entry], kind: Tar) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::new(entry.kind));
        header.set_mode(entry.mode);
        header.set_uid(entry.ids.0);
        header.set_gid(entry.ids.1);
        header.set_username(&entry.names.0).unwrap();
        header.set_groupname(&entry.names.1).unwrap();
        header.set_mtime(entry.mtime);
        let is_link = matches!(entry.kind, b'1' | b'2');
        let data = if is_link { &[][..] } else { &entry.content };
        header.set_size(data.len() as u64);
        let old = header.as_old_mut();
        // Not by the crate's own functions: they refuse what a hostile package holds.
        old.name[..entry.path.len()].copy_from_slice(entry.path.as_bytes());
        if is_link {
            old.linkname[..entry.content.len()].copy_from_slice(&entry.content);
        }
        header.set_cksum();
        if kind == Tar::Data && matches!(entry.kind, b'0' | b'2') {
            let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &entry.content);
            let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let record = format!(" APK-TOOLS.checksum.SHA1={hex}\n");
            let record = format!("{}{record}", record.len() + 2);
            // Not the crate's own: apk takes a header without a name for the end.
            let mut pax = tar::Header::new_ustar();
            pax.set_path("PaxHeaders/file").unwrap();
            pax.set_entry_type(tar::EntryType::XHeader);
            pax.set_size(record.len() as u64);
            pax.set_cksum();
            tar.append(&pax, record.as_bytes()).unwrap();
        }
        tar.append(&header, data).unwrap();
    }
    let mut bytes = tar.into_inner().unwrap();
    if kind == Tar::Part {
        bytes.truncate(bytes.len() - 1024);
    }
    bytes
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[track_caller]
fn pipe(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success(), "{program} {arguments:?}");
    output
}
