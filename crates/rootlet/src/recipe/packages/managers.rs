//! Package managers that fetch for themselves. What they fetched is kept in the store, and handed to the next build of the same
//! distribution before its own begins.
//!
//! Of what it is handed, a package manager takes only what has the checksum that its repository's index promises. The index is
//! fetched by each build: so whoever is root of one build cannot give another one what its repositories would not.

use crate::recipe::perform::Runner;
use crate::{Error, Result, Rootlet};
use rootlet_base::{PackageCache, Store};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// No build is handed more bytes than this, or leaves more behind: they are copied.
const SHARED_BYTES: u64 = 1 << 30;

/// Who knows what is installed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Database {
    Apk,
    Pacman,
    Rpm,
}

/// A package manager. Its commands find the names of packages in `$@`.
pub(super) struct Manager {
    pub program: &'static str,
    pub database: Database,
    /// Where it keeps packages that it fetched.
    caches: &'static [&'static str],
    /// Brings packages there, and changes nothing else; empty where `install` keeps them.
    fetch: &'static str,
    install: &'static str,
}

pub(super) const MANAGERS: [Manager; 5] = [
    Manager {
        program: "/sbin/apk",
        database: Database::Apk,
        caches: &["/var/cache/apk"],
        // A file in the cache that is not what it should be ends `apk add`, rather than being fetched again.
        fetch: r#"for file in /var/cache/apk/*.apk; do [ ! -e "$file" ] || apk verify -q "$file" || rm -f "$file"; done"#,
        // Version 3 keeps packages only when it is told to, which version 2 does not understand.
        install: r#"keep=; if apk add --help 2>&1 | grep -q -e --cache-packages; then keep=--cache-packages; fi
            apk add -U --no-progress --cache-dir /var/cache/apk $keep "$@""#,
    },
    Manager {
        program: "/usr/bin/dnf",
        database: Database::Rpm,
        caches: &["/var/cache/dnf", "/var/cache/libdnf5"],
        fetch: "",
        install: r#"dnf -y --setopt=install_weak_deps=False --setopt=keepcache=True install "$@""#,
    },
    Manager {
        program: "/usr/bin/microdnf",
        database: Database::Rpm,
        caches: &["/var/cache/yum", "/var/cache/dnf", "/var/cache/libdnf5"],
        fetch: "",
        install: r#"microdnf -y --setopt=install_weak_deps=0 --setopt=keepcache=1 install "$@""#,
    },
    Manager {
        program: "/usr/bin/zypper",
        database: Database::Rpm,
        caches: &["/var/cache/zypp/packages"],
        fetch: r#"zypper --non-interactive install --no-recommends --download-only "$@""#,
        // 102 and 103 say that all went well, and that something should be started again.
        install: r#"zypper --non-interactive --no-refresh install --no-recommends "$@" || { code=$?; [ $code = 102 ] || [ $code = 103 ] || exit $code; }"#,
    },
    Manager {
        program: "/usr/bin/pacman",
        database: Database::Pacman,
        caches: &["/var/cache/pacman/pkg"],
        fetch: r#"pacman -Syw --noconfirm --needed "$@""#,
        // The time is part of its database, and SOURCE_DATE_EPOCH not what it asks for it.
        install: r#"touch /tmp/rootlet-before
            pacman -S --noconfirm --needed "$@"
            find /var/lib/pacman/local -name desc -newer /tmp/rootlet-before -exec sed -i "/^%INSTALLDATE%\$/{n;s/.*/$SOURCE_DATE_EPOCH/}" {} +"#,
    },
];

/// What SQLite shares between processes is made anew from nothing, and is else of other bytes each time. Without the file, only root
/// could read rpm's database.
const AFTER_RPM: &str = "for shared in /var/lib/rpm /usr/lib/sysimage/rpm; do
    shared=$shared/rpmdb.sqlite-shm; [ ! -s $shared ] || : > $shared
done";

/// A package in a cache of the root's, as it was when we looked.
#[derive(Debug, PartialEq)]
struct Seen {
    path: PathBuf,
    size: u64,
    modified: SystemTime,
    inode: u64,
}

impl Manager {
    /// Installs packages, given as words of a shell.
    pub(super) fn install(&self, store: &Store, runner: &Runner<'_>, words: &str) -> Result<()> {
        let root = runner.root;
        let cache = store.package_cache(&format!("{} {}", self.program, distribution(root)));
        let mut known = hand_in(root, &cache)?;
        let script = |text: &str| format!("set -e\nset -- {words}\n{text}\n");
        let fetch = script(self.fetch);
        if known.is_empty() {
            runner.script(&fetch, None, &[])?;
        } else if runner.attempt(&fetch)?.is_some() {
            // What was handed in may be to blame: pacman gives up where it finds something else than it expects.
            known.iter().for_each(|seen| drop(root.remove_file(&seen.path)));
            runner.script(&fetch, None, &[])?;
            known.drain(..).for_each(|seen| cache.remove(&seen.path));
        }
        self.keep(root, &cache, &mut known);
        runner.script(&script(&format!("{}\n{AFTER_RPM}", self.install)), None, &[])?;
        self.keep(root, &cache, &mut known);
        Ok(())
    }

    /// Keeps the packages that are not known as they are. What cannot be kept is fetched again by others.
    fn keep(&self, root: &Rootlet, cache: &PackageCache, known: &mut Vec<Seen>) {
        let mut left = SHARED_BYTES;
        for seen in self.caches.iter().flat_map(|place| packages(root, Path::new(place))) {
            if known.contains(&seen) || seen.size > left {
                continue;
            }
            left -= seen.size;
            let kept = root.open(&seen.path).map(|file| cache.add(&seen.path, &mut file.take(seen.size)));
            drop(kept);
            known.push(seen);
        }
    }
}

/// Puts what the store has into the root's caches, the newest first.
fn hand_in(root: &Rootlet, cache: &PackageCache) -> Result<Vec<Seen>> {
    let failed = |e| Error::io("failed to hand packages to the package manager", e);
    let (mut handed, mut left) = (Vec::new(), SHARED_BYTES);
    for (path, mut file) in cache.files() {
        let size = file.metadata().map_err(failed)?.len();
        if size > left {
            break;
        }
        left -= size;
        root.create_dir_all(path.parent().unwrap_or(&path)).map_err(failed)?;
        root.create(&path).and_then(|mut to| io::copy(&mut file, &mut to)).map_err(failed)?;
        let metadata = root.symlink_metadata(&path).map_err(failed)?;
        handed.push(Seen { size, modified: metadata.modified(), inode: metadata.ino(), path });
    }
    Ok(handed)
}

/// The files of packages below a place.
fn packages(root: &Rootlet, place: &Path) -> Vec<Seen> {
    let (mut found, mut left) = (Vec::new(), vec![place.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in root.read_dir(&directory).unwrap_or_default() {
            let (path, metadata) = (entry.path().to_owned(), entry.metadata());
            if metadata.is_dir() {
                left.push(path);
            } else if metadata.is_file() && is_package(&path) {
                let (size, modified, inode) = (metadata.len(), metadata.modified(), metadata.ino());
                found.push(Seen { path, size, modified, inode });
            }
        }
    }
    found
}

/// Not an index, of which each build has its own.
fn is_package(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".rpm")
        || name.ends_with(".apk")
        || (name.contains(".pkg.tar") && !name.ends_with(".part"))
}

/// `fedora 41`, by the root's own os-release.
fn distribution(root: &Rootlet) -> String {
    let release = root.read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        let found = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
    };
    format!("{} {}", value("ID"), value("VERSION_ID"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_told_from_indexes() {
        let is = |name: &str| is_package(Path::new(name));
        assert!(is("/c/x-1.rpm") && is("/c/x-1-r0.0123abcd.apk") && is("/c/x-1-1-any.pkg.tar.zst"));
        assert!(is("/c/x-1-1-any.pkg.tar.zst.sig"));
        assert!(!is("/c/APKINDEX.0123abcd.tar.gz") && !is("/c/repomd.xml") && !is("/c/x.pkg.tar.zst.part"));
    }
}
