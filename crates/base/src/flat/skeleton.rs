//! One root of a pattern, for one user at a time.

use super::Pattern;
use super::compare::{Difference, compare, is_within};
use super::ledger::{self, Ledger};
use super::make::{Maker, Share};
use super::parallel::in_parallel;
use super::restore::restore;
use super::walk::{Entry, Tree, below, list, may_change, remove};
use crate::store::{Locked, remove_tree, unique, write_atomically};
use crate::{Digest, Error, Result};
use rootlet_kernel::Who;
use rustix::fs::{AtFlags, FileType, Mode, mkdirat, renameat, statat};
use std::collections::HashSet;
use std::ffi::{CString, OsStr};
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A root that is like its [`Pattern`], held by nobody else. Dropped, when nothing runs in it any more, it is made what it was, for
/// the next who wants one; or it is removed.
#[derive(Debug)]
pub struct Skeleton {
    pattern: Pattern,
    user: Who,
    place: PathBuf,
    tree: Tree,
    /// The places that the user could change; `None`: not known.
    writable: Option<Vec<PathBuf>>,
    /// What was copied into it from elsewhere.
    brought: Mutex<Vec<PathBuf>>,
    /// Others than the user may have changed files.
    touched: AtomicBool,
    /// It is not worth restoring.
    spoiled: AtomicBool,
    /// When it was taken.
    since: (i64, i64),
    /// Inodes that somebody outside may go on writing.
    distrusted: Mutex<HashSet<u64>>,
    /// A forked child of the process that took it has a copy of this, which is not to give anything back.
    owner: u32,
    _lock: Locked,
}

impl Pattern {
    /// A root for `user`: one that is there and clean, else a new one. What killed processes were making is removed.
    ///
    /// # Locking
    /// Exclusive on the root's directory, until it is dropped.
    pub fn take(&self, user: &Who) -> Result<Skeleton> {
        self.store().sweep_tmp();
        let who = format!("{} {} {:?}", user.uid, user.gid, user.groups);
        let pool = self.place().join(&Digest::of(who.as_bytes()).hex()[..16]);
        let failed = |e| Error::io(format!("failed to make a root in {}", pool.display()), e);
        match DirBuilder::new().mode(0o700).create(&pool) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(failed(e)),
            _ => {}
        }
        for entry in fs::read_dir(&pool).map_err(failed)?.flatten() {
            let place = entry.path();
            if !place.is_dir() {
                continue;
            }
            let Some(lock) = Locked::try_exclusive(&place)? else { continue };
            // Gone as long as it is in use: whoever finds it without, and not locked, knows what to do.
            match fs::remove_file(place.join("clean")) {
                Ok(()) => return self.skeleton(user, place, lock, written(&pool)).map_err(failed),
                Err(_) => drop(remove_tree(&place)),
            }
        }
        self.make(user, &pool).map_err(failed)
    }

    fn make(&self, user: &Who, pool: &Path) -> io::Result<Skeleton> {
        let (place, lock) = loop {
            let place = pool.join(unique());
            DirBuilder::new().mode(0o700).create(&place)?;
            // Between the two, another may have taken it for a leftover.
            if let Some(lock) = Locked::directory(&place).map_err(io::Error::other)? {
                break (place, lock);
            }
        };
        fs::set_permissions(&place, Permissions::from_mode(0o700))?;
        let root = place.join("root");
        DirBuilder::new().mode(0o700).create(&root)?;
        let made = self.skeleton(user, place.clone(), lock, None).and_then(|mut skeleton| {
            let maker = Maker::new(self.tree(), &skeleton.tree, Share::ButFor(user));
            let writable = maker.fill(PathBuf::new())?;
            let list = writable.iter().flat_map(|path| [path.as_os_str().as_bytes(), b"\0"]);
            let list: Vec<u8> = list.flatten().copied().collect();
            write_atomically(&self.store().tmp(), &pool.join("writable"), &list)?;
            maker.ledger.write(&place.join("ledger"))?;
            skeleton.writable = Some(writable);
            skeleton.since = ledger::now();
            Ok(skeleton)
        });
        made.inspect_err(|_| drop(remove_tree(&place)))
    }

    fn skeleton(
        &self,
        user: &Who,
        place: PathBuf,
        lock: Locked,
        writable: Option<Vec<PathBuf>>,
    ) -> io::Result<Skeleton> {
        let tree = Tree::open(&place.join("root"))?;
        Ok(Skeleton {
            pattern: self.clone(),
            user: user.clone(),
            place,
            tree,
            writable,
            brought: Mutex::default(),
            touched: AtomicBool::new(false),
            spoiled: AtomicBool::new(false),
            since: ledger::now(),
            distrusted: Mutex::default(),
            owner: std::process::id(),
            _lock: lock,
        })
    }
}

/// The places that the user of a pool could change.
fn written(pool: &Path) -> Option<Vec<PathBuf>> {
    let list = fs::read(pool.join("writable")).ok()?;
    let paths = list.strip_suffix(b"\0").unwrap_or(&list).split(|&b| b == 0);
    Some(paths.map(|path| PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()))).collect())
}

impl Skeleton {
    /// Its root directory.
    pub fn path(&self) -> PathBuf {
        self.place.join("root")
    }

    /// Whom it was made for.
    pub fn user(&self) -> &Who {
        &self.user
    }

    /// Others than its user changed files of it, each made its own before.
    pub fn touched(&self) {
        self.touched.store(true, Ordering::Relaxed);
    }

    /// Whether `who` may run commands in it as it is.
    pub fn is_for(&self, who: &Who) -> bool {
        *who == self.user || self.spoiled.load(Ordering::Relaxed)
    }

    /// These inodes are not to be used again, whatever they look like: somebody outside may have them open.
    pub fn distrust(&self, inodes: HashSet<u64>) {
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).extend(inodes);
    }

    /// It is not to be used again: its user can set the clock, and so the time of a change.
    pub fn spoil(&self) {
        self.spoiled.store(true, Ordering::Relaxed);
    }

    /// Makes all files its own that `who` could change, before that one runs a command in it.
    pub fn separate(&self, who: &Who) -> io::Result<()> {
        let next = AtomicU32::new(0);
        let maker = Maker::new(&self.tree, &self.tree, Share::Nothing);
        in_parallel(PathBuf::new(), |path, more| {
            let dir = self.tree.directory(&path)?;
            for entry in list(dir.as_fd())? {
                match entry.kind {
                    FileType::Directory => more.push(below(&path, &entry.name)),
                    FileType::RegularFile | FileType::Symlink => {
                        let st = statat(&dir, entry.name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
                        if st.st_nlink < 2 || st.st_uid == self.user.uid || !may_change(who, &st) {
                            continue;
                        }
                        let beside = format!(".rootlet-separate-{}", next.fetch_add(1, Ordering::Relaxed));
                        let beside = CString::new(beside).map_err(io::Error::other)?;
                        maker.copy_as(dir.as_fd(), &entry.name, dir.as_fd(), &beside, &st)?;
                        renameat(&dir, beside.as_c_str(), &dir, entry.name.as_c_str())?;
                    }
                    _ => {}
                }
            }
            Ok(())
        })?;
        match who.uid {
            0 => self.spoiled.store(true, Ordering::Relaxed),
            _ => self.touched(),
        }
        Ok(())
    }

    /// Copies a file or directory of the host to `target`, which is there and takes its owner and mode.
    pub fn bring(&self, source: &Path, target: &str) -> io::Result<()> {
        let place = self.tree.resolve(Path::new(target))?;
        self.brought.lock().unwrap_or_else(PoisonError::into_inner).push(place.clone());
        if source.is_dir() {
            let (from, to) = (Tree::open(source)?, Tree::open(&self.path().join(&place))?);
            return Maker::new(&from, &to, Share::Nothing).fill(PathBuf::new()).map(drop);
        }
        let source = fs::canonicalize(source)?;
        let from = Tree::open(source.parent().unwrap_or(Path::new("/")))?;
        let name = c_name(source.file_name().unwrap_or_default())?;
        let ((to, new), dir) = (self.tree.parent(&place)?, from.directory(Path::new(""))?);
        let st = statat(&dir, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW)?;
        let new = c_name(new)?;
        remove(to.as_fd(), &new, false)?;
        Maker::new(&from, &self.tree, Share::Nothing).copy_as(dir.as_fd(), &name, to.as_fd(), &new, &st)
    }

    /// What differs from the pattern; what stands at the `hidden` places, and below them, is passed over.
    pub fn changes(&self, hidden: &[String]) -> io::Result<Vec<Difference>> {
        compare(self.pattern.tree(), &self.tree, &self.places(hidden))
    }

    fn places(&self, inside: &[String]) -> Vec<PathBuf> {
        inside.iter().filter_map(|path| self.pattern.tree().resolve(Path::new(path)).ok()).collect()
    }

    /// Makes the empty directory `to`, in the store, what this root is now, as a base of its own: without what stands at the
    /// `hidden` places, and with the base's own files where they were not changed.
    pub fn copy_to(&self, to: &Path, hidden: &[String]) -> io::Result<()> {
        let (to, hidden) = (Tree::open(to)?, self.places(hidden));
        let (linked, copied) =
            (Maker::new(self.pattern.flat(), &to, Share::All), Maker::new(&self.tree, &to, Share::Nothing));
        in_parallel(PathBuf::new(), |path, more| {
            let (now, into) = (self.tree.directory(&path)?, to.directory(&path)?);
            let pattern = self.pattern.tree().directory(&path).ok();
            let base = self.pattern.flat().directory(&path).ok();
            let find = |dir: &Option<_>| -> io::Result<Vec<Entry>> {
                dir.as_ref().map_or(Ok(Vec::new()), |dir: &std::os::fd::OwnedFd| list(dir.as_fd()))
            };
            let (made, original) = (find(&pattern)?, find(&base)?);
            for entry in list(now.as_fd())? {
                let place = below(&path, &entry.name);
                let known = |list: &[Entry]| list.iter().find(|e| e.name == entry.name).cloned();
                if entry.kind == FileType::Directory {
                    mkdirat(&into, entry.name.as_c_str(), Mode::RWXU)?;
                    if is_within(&place, &hidden) {
                        let dir = self.tree.directory(&place)?;
                        let st = rustix::fs::fstat(&dir)?;
                        super::make::settle(dir.as_fd(), to.directory(&place)?.as_fd(), &st)?;
                    } else {
                        more.push(place);
                    }
                    continue;
                }
                if is_within(&place, &hidden) {
                    continue;
                }
                let unchanged = match (known(&made), &pattern) {
                    (Some(made), Some(dir)) => self.tree.is_same(now.as_fd(), &entry, dir.as_fd(), &made),
                    _ => false,
                };
                match (unchanged, known(&original), &base) {
                    (true, Some(original), Some(base)) if original.kind != FileType::Directory => {
                        linked.entry(base.as_fd(), into.as_fd(), &original)?;
                    }
                    // What rootlet itself put there.
                    (true, ..) => {}
                    (false, ..) => drop(copied.entry(now.as_fd(), into.as_fd(), &entry)?),
                }
            }
            let st = rustix::fs::fstat(&now)?;
            super::make::settle(now.as_fd(), into.as_fd(), &st)
        })
    }

    /// Makes it what it was.
    fn restore(&self) -> io::Result<()> {
        let path = self.place.join("ledger");
        let maker = Maker::new(self.pattern.tree(), &self.tree, Share::ButFor(&self.user)).knowing(
            Ledger::read(&path, self.since, &self.distrusted.lock().unwrap_or_else(PoisonError::into_inner)),
        );
        match &self.writable {
            Some(writable) if !self.touched.load(Ordering::Relaxed) => {
                restore(&maker, writable)?;
                restore(&maker, &self.brought.lock().unwrap_or_else(PoisonError::into_inner))?;
            }
            _ => restore(&maker, &[PathBuf::new()])?,
        }
        maker.ledger.write(&path)
    }
}

impl Drop for Skeleton {
    fn drop(&mut self) {
        if self.owner != std::process::id() {
            return;
        }
        let clean = !self.spoiled.load(Ordering::Relaxed)
            && self.restore().and_then(|()| File::create(self.place.join("clean"))).is_ok();
        if !clean {
            // What cannot be removed now is removed by the next who wants a root.
            let _ = remove_tree(&self.place);
        }
    }
}

/// Removes the roots below `home` that killed processes left, and those that nobody has asked for lately.
///
/// # Locking
/// Exclusive on each while it is removed; what is in use is passed over.
pub(crate) fn sweep(home: &Path, keep_recent: Duration, problems: &mut Vec<Error>) {
    let inner = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let patterns = inner(&home.join("patterns"));
    let pools = patterns.flat_map(|pattern| inner(&pattern).collect::<Vec<_>>());
    for pool in pools.filter(|pool| pool.is_dir() && !pool.ends_with("root")) {
        for place in inner(&pool).filter(|place| place.is_dir()) {
            let clean = fs::metadata(place.join("clean")).and_then(|m| m.modified());
            let recent = clean.is_ok_and(|since| since.elapsed().unwrap_or_default() < keep_recent);
            match Locked::try_exclusive(&place) {
                Ok(Some(_lock)) if !recent => problems.extend(remove_tree(&place).err()),
                Ok(_) => {}
                Err(e) => problems.push(e),
            }
        }
    }
}

fn c_name(name: &OsStr) -> io::Result<CString> {
    CString::new(name.as_bytes()).map_err(io::Error::other)
}
