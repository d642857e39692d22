//! Where the packages are, and whom that is believed: a mirror, its repositories, the keys.

use super::index::{self, Package};
use super::keys::{Key, Keys};
use super::members;
use crate::source::mirror::Mirror;
use crate::{Error, ErrorKind, PackageSet, Platform, Resolver, Result};
use std::fs;
use std::path::Path;

/// The largest repository has 3 MiB, and 20 unpacked.
const INDEX_BYTES: u64 = 64 << 20;
const UNPACKED_BYTES: u64 = 512 << 20;

/// The repositories of a release.
pub(super) struct Repositories {
    pub mirror: Mirror,
    /// The processor, in Alpine's words.
    pub arch: &'static str,
    /// `v3.20/main`; those that there are.
    pub directories: Vec<String>,
    pub packages: Vec<Package>,
    /// Who signed them.
    pub keys: Vec<Key>,
}

impl Repositories {
    /// Reads and verifies the indexes.
    ///
    /// Errors: no mirror or no keys are known; the mirror cannot be reached or has no such release; an index is not signed by
    /// somebody who is trusted.
    pub fn read(resolver: &Resolver, set: &PackageSet) -> Result<Self> {
        let here = Path::new("/etc/apk");
        let arch = arch(&resolver.platform)?;
        let mirror = Mirror::new(&mirror(set, &here.join("repositories"))?)?;
        let keys = keys(set, &[here.join("keys").as_path(), Path::new("/usr/share/apk/keys")])?;
        let mut all = Self { mirror, arch, directories: Vec::new(), packages: Vec::new(), keys: Vec::new() };
        let asked = set.options.get("repositories");
        for repository in asked.map_or("main,community", String::as_str).split(',') {
            let directory = format!("{}/{repository}", set.release);
            let path = format!("{directory}/{arch}/APKINDEX.tar.gz");
            let context = || format!("failed to read {}/{path}", all.mirror.shown());
            match all.mirror.document(&path, INDEX_BYTES)? {
                Some(bytes) => {
                    let (text, key) = open(&keys, &bytes).map_err(|e| e.within(context()))?;
                    let place = all.directories.len();
                    let packages = index::parse(&text, &format!("{directory}/{arch}"), place);
                    all.packages.extend(packages.map_err(|e| e.within(context()))?);
                    all.directories.push(directory);
                    if !all.keys.contains(&key) {
                        all.keys.push(key);
                    }
                }
                None if asked.is_none() => {}
                None => return Err(all.lacks(&path)),
            }
        }
        match all.directories.is_empty() {
            true => Err(all.lacks(&format!("{}/main/{arch}/APKINDEX.tar.gz", set.release))),
            false => Ok(all),
        }
    }

    fn lacks(&self, path: &str) -> Error {
        let mirror = self.mirror.shown();
        Error::new(
            ErrorKind::NotFound,
            format!("failed to read {mirror}/{path}: the mirror does not have it"),
        )
        .with_hint("releases are written as `v3.20` or `edge`, and lie beside each other at the mirror")
    }
}

/// The text of a signed index, and who signed it.
fn open(keys: &Keys, bytes: &[u8]) -> Result<(String, Key)> {
    const SIGNATURE_BYTES: u64 = 64 << 10;
    if bytes.starts_with(b"ADB") {
        return Err(Error::new(ErrorKind::Unsupported, "the index has the format of apk 3"));
    }
    let (signatures, length) = members::first(bytes, SIGNATURE_BYTES)?;
    let signed = &bytes[length..];
    let signatures = members::files(&signatures)?;
    let signatures = signatures.iter().filter(|file| file.name.starts_with(".SIGN."));
    // One of somebody who is trusted is enough; of several errors the first is told.
    let verified = signatures.map(|file| keys.verify(&file.name, &file.content, signed));
    let unsigned = || Err(Error::new(ErrorKind::Untrusted, "the index is not signed"));
    let key =
        verified.reduce(|known, other| known.or_else(|e| other.map_err(|_| e))).unwrap_or_else(unsigned)?;
    let (tar, length) = members::first(signed, UNPACKED_BYTES)?;
    if length != signed.len() {
        return Err(Error::new(ErrorKind::Corrupt, "the index goes on behind its end"));
    }
    let index = members::files(&tar)?.into_iter().find(|file| file.name == "APKINDEX");
    let index = index.ok_or_else(|| Error::new(ErrorKind::Corrupt, "it holds no APKINDEX"))?;
    let text = String::from_utf8(index.content);
    Ok((text.map_err(|_| Error::new(ErrorKind::Corrupt, "the index is not text"))?, key))
}

/// The mirror that was named, else the one that this machine has, if it is an Alpine.
fn mirror(set: &PackageSet, here: &Path) -> Result<String> {
    if let Some(mirror) = set.options.get("mirror") {
        return Ok(mirror.clone());
    }
    // `URL/RELEASE/REPOSITORY`; `@TAG` before it and directories are for special ends.
    let of_line = |line: &str| {
        let (mirror, _) = line.trim().trim_end_matches('/').rsplit_once('/')?.0.rsplit_once('/')?;
        mirror.contains("://").then(|| mirror.to_owned())
    };
    let text = fs::read_to_string(here).unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with(['#', '@']));
    lines.filter_map(of_line).next().ok_or_else(|| {
        Error::new(
            ErrorKind::Configuration,
            format!("no mirror of Alpine is known: {} names none", here.display()),
        )
        .with_hint(format!("name one: `apk:{}?mirror=https://HOST/alpine`", set.release))
    })
}

/// The keys that were named, else those of this machine.
fn keys(set: &PackageSet, here: &[&Path]) -> Result<Keys> {
    if let Some(named) = set.options.get("keys") {
        let named = Path::new(named);
        return match named.is_absolute() {
            true => Keys::open(named),
            false => Err(Error::new(
                ErrorKind::Configuration,
                format!("the directory of keys `{}` is not absolute", named.display()),
            )
            .with_hint("a base has one name wherever it is used: write the path from `/` on")),
        };
    }
    let found = here.iter().find(|path| path.is_dir());
    found.map(|path| Keys::open(path)).unwrap_or_else(|| {
        let looked: Vec<String> = here.iter().map(|path| path.display().to_string()).collect();
        Err(Error::new(
            ErrorKind::Configuration,
            format!("no keys of Alpine are known: {} are not there", looked.join(" and ")),
        )
        .with_hint(
            "name a directory of `*.rsa.pub`: `?keys=/DIR`; an Alpine image has them in /etc/apk/keys, and Debian \
                has no package of them",
        ))
    })
}

/// A platform's processor as Alpine writes it.
fn arch(platform: &Platform) -> Result<&'static str> {
    let variant = platform.variant.as_deref();
    Ok(match (platform.architecture.as_str(), variant) {
        ("amd64", _) => "x86_64",
        ("arm64", _) => "aarch64",
        ("386", _) => "x86",
        ("arm", None | Some("v7")) => "armv7",
        ("arm", Some("v6")) => "armhf",
        ("ppc64le", _) => "ppc64le",
        ("s390x", _) => "s390x",
        ("riscv64", _) => "riscv64",
        ("loong64", _) => "loongarch64",
        _ => {
            let what = format!("Alpine is not made for the platform {platform}");
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(options: &[(&str, &str)]) -> PackageSet {
        let options = options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        PackageSet { release: "v3.20".into(), options, ..PackageSet::default() }
    }

    #[test]
    fn the_machines_own_mirror_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("repositories");
        let error = mirror(&set(&[]), &file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(error.hint().unwrap().contains("?mirror="), "{error:?}");
        fs::write(
            &file,
            "# http://no/v1/main\n@edge http://no/v1/main\n/media/cdrom/apks\nhttp://host/al/v3.18/main/\n",
        )
        .unwrap();
        assert_eq!(mirror(&set(&[]), &file).unwrap(), "http://host/al");
        assert_eq!(mirror(&set(&[("mirror", "file:/m")]), &file).unwrap(), "file:/m");
    }

    #[test]
    fn keys_are_looked_for() {
        let directory = tempfile::tempdir().unwrap();
        let gone = directory.path().join("gone");
        let error = keys(&set(&[]), &[&gone]).unwrap_err();
        assert!(error.hint().unwrap().contains("?keys="), "{error:?}");
        assert!(keys(&set(&[]), &[&gone, directory.path()]).is_ok());
        assert_eq!(keys(&set(&[("keys", "x")]), &[]).unwrap_err().kind(), ErrorKind::Configuration);
        let gone = keys(&set(&[("keys", gone.to_str().unwrap())]), &[]).unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn processors_have_other_names() {
        let of = |text: &str| arch(&text.parse().unwrap());
        assert_eq!(of("linux/amd64").unwrap(), "x86_64");
        assert_eq!(of("linux/arm/v6").unwrap(), "armhf");
        assert_eq!(of("linux/mips").unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
