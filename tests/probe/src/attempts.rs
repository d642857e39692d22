//! Trying things, one after the other, and saying how each ended.
#![expect(
    clippy::disallowed_methods,
    reason = "this process tries what a process can do, its own state included"
)]

use rootlet_probe::attempt::{Attempt, Operation};
use rootlet_probe::errno::outcome;
use rustix::fs::{
    Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, RenameFlags, Timestamps, Uid, XattrFlags,
};
use rustix::thread::{set_thread_gid, set_thread_groups, set_thread_uid};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// How each of the attempts in a file ended: `ok`, more where there is more to say, or an errno's name.
pub fn attempts(file: &str) -> io::Result<Vec<String>> {
    let attempts: Vec<Attempt> = serde_json::from_slice(&fs::read(file)?)?;
    // What is made has the mode that production's own umask leaves, whoever started this.
    rustix::process::umask(Mode::from_raw_mode(0o022));
    Ok(attempts.iter().map(attempt).collect())
}

fn attempt(attempt: &Attempt) -> String {
    let Attempt { operation, path, other, look } = attempt;
    let result = perform(operation, path, other);
    let mut said = outcome(&result);
    if let Ok(more) = result {
        said += &more;
        if *look {
            said += &looks(if other.is_empty() { path } else { other });
        }
    }
    said
}

fn looks(path: &str) -> String {
    match fs::symlink_metadata(path) {
        Ok(found) => format!(" {}:{} {:04o}", found.uid(), found.gid(), found.mode() & 0o7777),
        Err(error) => format!(" {}", outcome::<()>(&Err(error))),
    }
}

/// Gives what there is to say besides that it worked.
fn perform(operation: &Operation, path: &str, other: &str) -> io::Result<String> {
    let open = |flags: OFlags| rustix::fs::open(path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o666));
    let rename = |flags| rustix::fs::renameat_with(CWD, path, CWD, other, flags);
    let make = |kind| rustix::fs::mknodat(CWD, path, kind, Mode::from_raw_mode(0o666), 0);
    let times = |times: &Timestamps| rustix::fs::utimensat(CWD, path, times, AtFlags::empty());
    let chown = |user: &Option<u32>, group: &Option<u32>, flags| {
        rustix::fs::chownat(CWD, path, user.map(Uid::from_raw), group.map(Gid::from_raw), flags)
    };
    match operation {
        Operation::Read => open(OFlags::RDONLY).map(drop)?,
        Operation::ReadNoAtime => open(OFlags::RDONLY | OFlags::NOATIME).map(drop)?,
        Operation::Write => rustix::io::write(open(OFlags::WRONLY)?, b"\x7f").map(drop)?,
        Operation::Append => open(OFlags::WRONLY | OFlags::APPEND).map(drop)?,
        Operation::Truncate => open(OFlags::WRONLY | OFlags::TRUNC).map(drop)?,
        Operation::OpenOrCreate => open(OFlags::WRONLY | OFlags::CREATE).map(drop)?,
        Operation::Access(what) => rustix::fs::access(path, Access::from_bits_retain((*what).into()))?,
        Operation::List => fs::read_dir(path)?.try_for_each(|entry| entry.map(drop))?,
        Operation::Stat => fs::metadata(path).map(drop)?,
        Operation::Chdir => {
            rustix::process::chdir(path)?;
            rustix::process::chdir("/")?;
        }
        Operation::Exec => return exec(path),
        Operation::Create => open(OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL).map(drop)?,
        Operation::Nameless => open(OFlags::WRONLY | OFlags::TMPFILE).map(drop)?,
        Operation::Mkdir => rustix::fs::mkdir(path, Mode::from_raw_mode(0o777))?,
        Operation::Mkfifo => make(FileType::Fifo)?,
        Operation::Symlink => rustix::fs::symlink(other, path)?,
        Operation::Link => rustix::fs::link(path, other)?,
        Operation::Unlink => rustix::fs::unlink(path)?,
        Operation::Rmdir => rustix::fs::rmdir(path)?,
        Operation::Rename => rustix::fs::rename(path, other)?,
        Operation::RenameNoReplace => rename(RenameFlags::NOREPLACE)?,
        Operation::Exchange => rename(RenameFlags::EXCHANGE)?,
        Operation::Chmod(mode) => rustix::fs::chmod(path, Mode::from_raw_mode(*mode))?,
        Operation::Fchmod(mode) => {
            rustix::fs::fchmod(open(OFlags::RDONLY)?, Mode::from_raw_mode(*mode))?;
        }
        Operation::Chown(user, group) => chown(user, group, AtFlags::empty())?,
        Operation::Lchown(user, group) => chown(user, group, AtFlags::SYMLINK_NOFOLLOW)?,
        Operation::Touch => times(&both(0, rustix::fs::UTIME_NOW))?,
        Operation::SetTimes => times(&both(1_000_000_000, 0))?,
        Operation::SetAttribute => rustix::fs::setxattr(path, "user.probe", b"x", XattrFlags::empty())?,
        Operation::SetUid(id) => apart(|| set_thread_uid(Uid::from_raw(*id)))?,
        Operation::SetGid(id) => apart(|| set_thread_gid(Gid::from_raw(*id)))?,
        Operation::SetGroups(ids) => {
            let ids: Vec<Gid> = ids.iter().copied().map(Gid::from_raw).collect();
            apart(|| set_thread_groups(&ids))?;
        }
    }
    Ok(String::new())
}

/// Both times now are what the kernel takes NULL for: it asks for the right to write, not for the owner.
fn both(tv_sec: i64, tv_nsec: i64) -> Timestamps {
    let time = rustix::fs::Timespec { tv_sec, tv_nsec: tv_nsec as _ };
    Timestamps { last_access: time, last_modification: time }
}

fn exec(path: &str) -> io::Result<String> {
    // With our own streams: a tree may have no /dev/null, and the program says nothing.
    let status = Command::new(path).status()?;
    Ok(format!(" {}", status.code().map_or_else(|| status.to_string(), |code| code.to_string())))
}

/// On a thread of its own: to the kernel ids are a thread's, and the next attempt is to have those that we came with.
fn apart(act: impl FnOnce() -> rustix::io::Result<()> + Send) -> io::Result<()> {
    let done = std::thread::scope(|scope| scope.spawn(act).join());
    done.map_err(|_| io::Error::other("the thread panicked"))?.map_err(io::Error::from)
}
