//! The tree of the table: as a tarball for rootlets, and as files for a real user.

use crate::table::{Kind, Node, Owner, Table};
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// Where the attempts are in the tree.
pub const ATTEMPTS: &str = "/attempts.json";

/// Something in the tree, directories before what is in them.
struct Entry<'a> {
    /// Without the slash before it.
    path: &'a str,
    owner: Owner,
    mode: u32,
    what: What,
}

enum What {
    Directory,
    File(Vec<u8>),
    Symlink(&'static str),
}

/// With the probe and the attempts in it, so that a tier without mounts has them, too.
fn entries(table: &Table) -> io::Result<Vec<Entry<'_>>> {
    let attempts: Vec<_> = table.combinations.iter().map(|line| &line.attempt).collect();
    let root = |path, mode, what| Entry { path, owner: (0, 0), mode, what };
    let mut entries: Vec<_> =
        ["etc", "proc", "dev", "tmp"].into_iter().map(|path| root(path, 0o755, What::Directory)).collect();
    entries.push(root("probe", 0o755, What::File(fs::read(rootlet_tests::probe())?)));
    entries.push(root(&ATTEMPTS[1..], 0o644, What::File(serde_json::to_vec(&attempts)?)));
    entries.push(root("etc/passwd", 0o644, What::File(b"root:x:0:0:root:/:/probe\n".into())));
    entries.extend(table.nodes.iter().map(|Node { path, kind, owner, mode }| Entry {
        path: path.trim_start_matches('/'),
        owner: *owner,
        mode: *mode,
        what: match kind {
            Kind::Directory => What::Directory,
            Kind::Program { group } => What::File(program(*group)),
            Kind::Symlink(target) => What::Symlink(target),
        },
    }));
    Ok(entries)
}

/// Writes the tree as a tarball.
pub fn write(table: &Table, tarball: &Path) -> io::Result<()> {
    let mut out = Builder::new(io::BufWriter::new(File::create(tarball)?));
    for Entry { path, owner, mode, what } in entries(table)? {
        let mut header = Header::new_gnu();
        header.set_uid(owner.0.into());
        header.set_gid(owner.1.into());
        header.set_mode(mode);
        header.set_mtime(1_000_000_000);
        header.set_size(0);
        match what {
            What::Directory => {
                header.set_entry_type(EntryType::Directory);
                out.append_data(&mut header, path, io::empty())?;
            }
            What::File(data) => {
                header.set_size(data.len() as u64);
                out.append_data(&mut header, path, &*data)?;
            }
            What::Symlink(target) => {
                header.set_entry_type(EntryType::Symlink);
                out.append_link(&mut header, path, target)?;
            }
        }
    }
    out.into_inner()?.flush()
}

/// Makes the tree in an empty directory, with real owners. (GNU tar takes twenty times as long: it looks for each of many
/// directories in a list.)
pub fn make(table: &Table, directory: &Path) -> io::Result<()> {
    for Entry { path, owner: (uid, gid), mode, what } in entries(table)? {
        let path = directory.join(path);
        match what {
            What::Directory => fs::create_dir(&path)?,
            What::File(data) => fs::write(&path, data)?,
            What::Symlink(target) => {
                symlink(target, &path)?;
                lchown(&path, Some(uid), Some(gid))?;
                continue;
            }
        }
        // In this order: a new owner takes setuid and setgid away.
        chown(&path, Some(uid), Some(gid))?;
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
    }
    fs::set_permissions(directory, Permissions::from_mode(0o755))
}

/// A whole program in less than two hundred bytes (elf(5)): it exits with the last byte of its effective user's number, or
/// its group's. There are thousands of it, each with a mode of its own.
fn program(group: bool) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let (machine, code) = code(group);
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // ET_EXEC, the machine, version 1; entry, program headers, no section headers; flags; sizes and numbers.
    elf.extend([2, 0].into_iter().chain(machine.to_le_bytes()).chain(1_u32.to_le_bytes()));
    [BASE + HEADERS, 64, 0].iter().for_each(|word| elf.extend(word.to_le_bytes()));
    elf.extend(0_u32.to_le_bytes());
    [64_u16, 56, 1, 0, 0, 0].iter().for_each(|half| elf.extend(half.to_le_bytes()));
    // One PT_LOAD, to be read and executed.
    [1_u32, 5].iter().for_each(|word| elf.extend(word.to_le_bytes()));
    let size = HEADERS + code.len() as u64;
    [0, BASE, BASE, size, size, 0x1000].iter().for_each(|word: &u64| elf.extend(word.to_le_bytes()));
    elf.extend(code);
    elf
}

/// The number of the machine (EM_X86_64, EM_AARCH64), and `exit(geteuid())` for it.
fn code(group: bool) -> (u16, Vec<u8>) {
    if cfg!(target_arch = "aarch64") {
        // mov x8, #geteuid or #getegid; svc #0; mov x8, #exit; svc #0
        let ask: u32 = 0xd280_0008 | (if group { 177 } else { 175 }) << 5;
        let words = [ask, 0xd400_0001, 0xd280_0ba8, 0xd400_0001];
        return (183, words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect());
    }
    // mov eax, geteuid or getegid; syscall; mov edi, eax; mov eax, exit; syscall
    let ask = if group { 108 } else { 107 };
    (62, vec![0xb8, ask, 0, 0, 0, 0x0f, 0x05, 0x89, 0xc7, 0xb8, 60, 0, 0, 0, 0x0f, 0x05])
}
