//! File operations inside the root, as the identity that is asked for. pid 1 takes that identity on for the one call
//! (setfsuid(2), which also takes the file capabilities away from everyone but root), and paths are resolved in its
//! own root, without the links of /proc that lead elsewhere.

use crate::gate::{self, Verdict};
use crate::launch;
use crate::links;
use crate::message::{Answer, Message};
use crate::one_id::Owner;
use crate::owner;
use crate::setup::INSIDE;
use crate::sys::{self, Fd, Result, Statx, Str, lit};
use crate::tree::{self, Dirents};
use crate::wire::{Reader, Stat, init, tell};

const MAX_GROUPS: usize = 1024;

/// The room that the head of an answer, and the longest entry of a directory, take.
const ENTRY_ROOM: usize = 5 + 256 + 88;

/// Takes the identity on that the question begins with, and gives it back when it is dropped.
struct As {
    root: bool,
}

/// The identity that a question begins with: user, group, and the groups in `room`.
fn identity<'a>(fields: &mut Reader, room: &'a mut [u32; MAX_GROUPS]) -> Result<(u32, u32, &'a [u32])> {
    let (Some(uid), Some(gid), Some(n)) = (fields.u32(), fields.u32(), fields.u32()) else {
        return Err(sys::EBADMSG);
    };
    let groups = room.get_mut(..n as usize).ok_or(sys::EINVAL)?;
    for group in groups.iter_mut() {
        *group = fields.u32().ok_or(sys::EBADMSG)?;
    }
    Ok((uid, gid, groups))
}

impl As {
    fn asked(fields: &mut Reader) -> Result<Self> {
        let mut room = [0; MAX_GROUPS];
        let (uid, gid, groups) = identity(fields, &mut room)?;
        let root = uid == 0 && gid == 0 && groups.is_empty();
        links::asked_by(uid, gid, groups);
        match owner::one() {
            _ if root => {}
            None => {
                sys::setgroups(groups)?;
                sys::setfsgid(gid);
                sys::setfsuid(uid);
            }
            Some(one) if one.uid == uid => owner::lower_rights()?,
            Some(_) => return Err(sys::EPERM),
        }
        Ok(As { root })
    }
}

impl Drop for As {
    fn drop(&mut self) {
        if self.root {
            return;
        }
        if owner::one().is_some() {
            return owner::raise_rights();
        }
        sys::setfsuid(0);
        sys::setfsgid(0);
        let _ = sys::setgroups(&[]);
    }
}

/// Looks at the truth of a file, which takes pid 1's own rights; it is told whether root asks.
fn with_own_rights<T>(look: impl FnOnce(bool) -> Result<T>) -> Result<T> {
    let root = owner::has_rights();
    if root {
        return look(true);
    }
    owner::raise_rights();
    let found = look(false);
    owner::lower_rights()?;
    found
}

fn string<'a>(fields: &mut Reader<'a>) -> Result<Str<'a>> {
    fields.c_str().ok_or(sys::EBADMSG).and_then(Str::new)
}

fn number(fields: &mut Reader) -> Result<u32> {
    fields.u32().ok_or(sys::EBADMSG)
}

/// The directory that paths are resolved in: 0 is the root itself, the others were kept open by the plan.
fn tree_of(fields: &mut Reader, trees: &[Fd]) -> Result<Fd> {
    match number(fields)? as usize {
        0 => Ok(sys::AT_FDCWD),
        i => trees.get(i - 1).copied().filter(|&fd| fd >= 0).ok_or(sys::EINVAL),
    }
}

/// A path resolved inside; the empty path and `/` are the tree's own root.
fn open(tree: Fd, path: Str, flags: usize, mode: u32) -> Result<Fd> {
    let path = if path.is_empty() { lit(c"/") } else { path };
    sys::openat2(tree, path, flags, mode, INSIDE)
}

/// Answers a question about files; `None` when it is none.
pub fn serve(socket: Fd, message: &mut Message, trees: &[Fd]) -> bool {
    let fields = &mut message.fields();
    let done = match message.kind {
        init::OPEN => {
            let opened = links::separating(*fields, |fields| open_file(fields, trees));
            return answer_open(socket, opened);
        }
        init::LIST => return answer_data(socket, |answer| list(fields, trees, answer)),
        init::STAT => return answer_data(socket, |answer| stat(fields, trees, answer)),
        init::READLINK => return answer_data(socket, |answer| read_link(fields, trees, answer)),
        init::GETXATTR => return answer_data(socket, |answer| get_xattr(fields, trees, answer)),
        init::MKDIR => make_directory(fields),
        init::UNLINK => change(fields, |fields, path| {
            let flags = number(fields)? as usize;
            tree::with_parent(sys::AT_FDCWD, path, |dir, name| {
                with_own_rights(|root| gate::remove(dir, name, root))?;
                sys::unlinkat(dir, name, flags)
            })
        }),
        init::REMOVE_ALL => change(fields, |_, path| {
            tree::with_parent(sys::AT_FDCWD, path, |dir, name| {
                sys::statx(dir, name, sys::AT_SYMLINK_NOFOLLOW)?;
                tree::remove(dir, name).map(|()| 0)
            })
        }),
        init::RENAME => change(fields, |fields, from| {
            let to = string(fields)?;
            tree::with_parent(sys::AT_FDCWD, from, |from_dir, from| {
                tree::with_parent(sys::AT_FDCWD, to, |dir, name| {
                    with_own_rights(|root| gate::remove(from_dir, from, root))?;
                    with_own_rights(|root| gate::remove(dir, name, root))?;
                    sys::renameat(from_dir, from, dir, name)
                })
            })
        }),
        init::SYMLINK => change(fields, |fields, path| {
            let target = string(fields)?;
            tree::with_parent(sys::AT_FDCWD, path, |dir, name| sys::symlinkat(target, dir, name))
        }),
        init::LINK => change(fields, |fields, path| {
            let existing = string(fields)?;
            tree::with_parent(sys::AT_FDCWD, existing, |from_dir, from| {
                tree::with_parent(sys::AT_FDCWD, path, |dir, name| sys::linkat(from_dir, from, dir, name))
            })
        }),
        init::CHMOD => change_file(*fields, |fields, path| {
            let mode = number(fields)?;
            on_target(path, true, |fd| match with_own_rights(|root| gate::chmod(fd, mode, root))? {
                Verdict::Kernel => owner::chmod(fd, mode),
                _ => Ok(()),
            })
        }),
        init::CHOWN => change_file(*fields, |fields, path| {
            let (uid, gid, follow) = (number(fields)?, number(fields)?, number(fields)?);
            on_target(path, follow != 0, |fd| {
                match with_own_rights(|root| gate::chown(fd, uid, gid, root))? {
                    Verdict::Kernel => sys::fchownat(fd, lit(c""), uid, gid, sys::AT_EMPTY_PATH).map(|_| ()),
                    _ => Ok(()),
                }
            })
        }),
        init::UTIMES => change_file(*fields, |fields, path| {
            let mut times = [0i64; 4];
            for t in &mut times {
                *t = fields.u64().ok_or(sys::EBADMSG)? as i64;
            }
            on_target(path, true, |fd| {
                with_own_rights(|root| gate::set_times(fd, false, root))?;
                sys::utimensat(fd, lit(c""), &times, sys::AT_EMPTY_PATH).map(|_| ())
            })
        }),
        _ => return false,
    };
    let answer = match done {
        Ok(()) => Answer::new(tell::ANSWER),
        Err(errno) => Answer::failed(tell::ANSWER, 0, errno),
    };
    let _ = answer.send(socket);
    true
}

fn answer_open(socket: Fd, opened: Result<Fd>) -> bool {
    match opened {
        Ok(fd) => {
            let _ = Answer::new(tell::ANSWER).send_with(socket, Some(fd));
            sys::close(fd);
        }
        Err(errno) => drop(Answer::failed(tell::ANSWER, 0, errno).send(socket)),
    }
    true
}

fn answer_data(socket: Fd, fill: impl FnOnce(&mut Answer) -> Result<()>) -> bool {
    let mut answer = Answer::new(tell::ANSWER);
    if let Err(errno) = fill(&mut answer) {
        drop(answer);
        answer = Answer::failed(tell::ANSWER, 0, errno);
    }
    let _ = answer.send(socket);
    true
}

fn change<T>(fields: &mut Reader, f: impl FnOnce(&mut Reader, Str) -> Result<T>) -> Result<()> {
    let _as = As::asked(fields)?;
    let path = string(fields)?;
    f(fields, path).map(|_| ())
}

/// A change of a file itself, which must not be shared.
fn change_file(fields: Reader, f: impl Fn(&mut Reader, Str) -> Result<()>) -> Result<()> {
    links::separating(fields, |fields| change(fields, &f))
}

fn on_target<T>(path: Str, follow: bool, f: impl FnOnce(Fd) -> Result<T>) -> Result<T> {
    let flags = sys::O_PATH | if follow { 0 } else { sys::O_NOFOLLOW };
    let fd = open(sys::AT_FDCWD, path, flags, 0)?;
    let done = links::own(fd).and_then(|()| f(fd));
    sys::close(fd);
    done
}

/// Opening never waits: not for the other end of a FIFO either, which would stop the whole rootlet.
fn open_file(fields: &mut Reader, trees: &[Fd]) -> Result<Fd> {
    let _as = As::asked(fields)?;
    let tree = tree_of(fields, trees)?;
    let (path, flags, mode) = (string(fields)?, number(fields)? as usize, number(fields)?);
    let flags = flags | sys::O_NOCTTY;
    let fd = match links::careful(flags) {
        // Nothing is written before it is known what was opened: a path may lead elsewhere the next time.
        Some((careful, empty)) => {
            let fd = open_or_make(tree, path, careful | sys::O_NONBLOCK, mode)?;
            let ready = links::own(fd).and_then(|()| if empty { sys::ftruncate(fd) } else { Ok(0) });
            if let Err(errno) = ready {
                sys::close(fd);
                return Err(errno);
            }
            fd
        }
        None => open_or_make(tree, path, flags | sys::O_NONBLOCK, mode)?,
    };
    if flags & (sys::O_NONBLOCK | sys::O_PATH) == 0 {
        let now = sys::get_flags(fd)?;
        sys::set_flags(fd, now & !sys::O_NONBLOCK)?;
    }
    Ok(fd)
}

/// What root makes becomes root's, and what is there stays whose it is.
fn open_or_make(tree: Fd, path: Str, flags: usize, mode: u32) -> Result<Fd> {
    if flags & sys::O_CREAT == 0 || !owner::acts_as_another_root() {
        return open(tree, path, flags, mode);
    }
    if flags & sys::O_EXCL == 0 {
        match open(tree, path, flags & !sys::O_CREAT, 0) {
            Err(sys::ENOENT) => {}
            r => return r,
        }
    }
    let fd = open(tree, path, flags | sys::O_EXCL, mode)?;
    let mode_around = tree::with_parent(tree, path, |dir, _| Ok(u32::from(sys::fstat(dir)?.mode)))?;
    if mode_around & 0o1000 != 0 {
        launch::set_beside_others();
    }
    owner::give(fd, Owner { uid: 0, gid: 0, mode })?;
    Ok(fd)
}

fn make_directory(fields: &mut Reader) -> Result<()> {
    let _as = As::asked(fields)?;
    let (path, mode, parents) = (string(fields)?, number(fields)?, number(fields)?);
    let here = sys::AT_FDCWD;
    if parents == 0 {
        return tree::with_parent(here, path, |dir, name| owner::make_directory(dir, name, mode));
    }
    tree::make_parents(here, path)?;
    match tree::with_parent(here, path, |dir, name| owner::make_directory(dir, name, mode)) {
        // As std::fs::create_dir_all: a directory that is there already is fine.
        Err(sys::EEXIST) => {
            let fd = open(here, path, sys::O_PATH | sys::O_DIRECTORY, 0).map_err(|_| sys::EEXIST)?;
            sys::close(fd);
            Ok(())
        }
        r => r,
    }
}

/// What the library is told of a file.
fn tell_stat(st: &Statx, truth: Option<Owner>) -> Stat {
    // makedev(3).
    let device = |major: u32, minor: u32| {
        let (major, minor) = (u64::from(major), u64::from(minor));
        (major & 0xfff) << 8 | (major & !0xfff) << 32 | (minor & 0xff) | (minor & !0xff) << 12
    };
    Stat {
        dev: device(st.dev_major, st.dev_minor),
        ino: st.ino,
        mode: u64::from(truth.map_or(u32::from(st.mode), |t| u32::from(st.mode) & !0o7777 | t.mode)),
        nlink: u64::from(st.nlink),
        uid: u64::from(truth.map_or(st.uid, |t| t.uid)),
        gid: u64::from(truth.map_or(st.gid, |t| t.gid)),
        size: st.size,
        rdev: device(st.rdev_major, st.rdev_minor),
        blocks: st.blocks,
        mtime: st.mtime[0],
        mtime_nsec: st.mtime[1] & 0xffff_ffff,
    }
}

fn stat(fields: &mut Reader, trees: &[Fd], answer: &mut Answer) -> Result<()> {
    let _as = As::asked(fields)?;
    let tree = tree_of(fields, trees)?;
    let (path, follow) = (string(fields)?, number(fields)?);
    let flags = sys::O_PATH | if follow != 0 { 0 } else { sys::O_NOFOLLOW };
    let fd = open(tree, path, flags, 0)?;
    let told = sys::fstat(fd).and_then(|st| Ok(tell_stat(&st, with_own_rights(|_| gate::told(fd))?)));
    sys::close(fd);
    answer.stat(&told?);
    Ok(())
}

fn read_link(fields: &mut Reader, trees: &[Fd], answer: &mut Answer) -> Result<()> {
    let _as = As::asked(fields)?;
    let tree = tree_of(fields, trees)?;
    let path = string(fields)?;
    let fd = open(tree, path, sys::O_PATH | sys::O_NOFOLLOW, 0)?;
    let mut target = [0u8; 4096];
    // readlinkat(2): an empty path is the link itself that the descriptor names; ENOENT then means "no link".
    let n = sys::readlinkat(fd, lit(c""), &mut target);
    sys::close(fd);
    let n = n.map_err(|e| if e == sys::ENOENT { sys::EINVAL } else { e })?;
    answer.bytes(&target[..n]);
    Ok(())
}

fn get_xattr(fields: &mut Reader, trees: &[Fd], answer: &mut Answer) -> Result<()> {
    let _as = As::asked(fields)?;
    let tree = tree_of(fields, trees)?;
    let (path, name) = (string(fields)?, string(fields)?);
    let fd = open(tree, path, sys::O_RDONLY | sys::O_NONBLOCK | sys::O_NOCTTY | sys::O_NOFOLLOW, 0)?;
    let mut value = [0u8; 4096];
    let n = sys::fgetxattr(fd, name, &mut value);
    sys::close(fd);
    answer.bytes(&value[..n?]);
    Ok(())
}

/// One answer's worth of a directory: where to go on (0 at the end), then names and stats.
fn list(fields: &mut Reader, trees: &[Fd], answer: &mut Answer) -> Result<()> {
    let _as = As::asked(fields)?;
    let tree = tree_of(fields, trees)?;
    let path = string(fields)?;
    let cookie = fields.u64().ok_or(sys::EBADMSG)?;
    let dir = open(tree, path, sys::O_RDONLY | sys::O_DIRECTORY, 0)?;
    let done = list_open(dir, cookie, answer);
    sys::close(dir);
    done
}

fn list_open(dir: Fd, cookie: u64, answer: &mut Answer) -> Result<()> {
    if cookie != 0 {
        sys::lseek(dir, cookie)?;
    }
    answer.u64(0);
    let mut next = cookie;
    let mut buffer = [0u8; 8192];
    loop {
        let n = sys::getdents64(dir, &mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        for entry in Dirents(&buffer[..n]) {
            if answer.room_left() < ENTRY_ROOM {
                answer.patch_u64(0, next);
                return Ok(());
            }
            next = entry.next;
            if matches!(entry.name.bytes(), b"." | b"..") {
                continue;
            }
            match stat_entry(dir, entry.name) {
                Ok(stat) => {
                    answer.bytes(entry.name.bytes());
                    answer.stat(&stat);
                }
                // Removed since it was listed.
                Err(sys::ENOENT) => {}
                // A directory that may be listed but not entered: the names are known, nothing else is.
                Err(sys::EACCES) => {
                    answer.bytes(entry.name.bytes());
                    answer.stat(&Stat::default());
                }
                Err(e) => return Err(e),
            }
        }
    }
}

fn stat_entry(dir: Fd, name: Str) -> Result<Stat> {
    let st = sys::statx(dir, name, sys::AT_SYMLINK_NOFOLLOW)?;
    if owner::one().is_none() {
        return Ok(tell_stat(&st, None));
    }
    let fd = sys::openat(dir, name, sys::O_PATH | sys::O_NOFOLLOW, 0)?;
    let truth = with_own_rights(|_| gate::told(fd));
    sys::close(fd);
    Ok(tell_stat(&st, truth?))
}
