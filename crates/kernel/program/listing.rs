//! What a directory holds.

use crate::sys::{self, Fd, Result, Str};

/// How deep a tree is walked: each level holds a descriptor and a piece of the stack.
pub const MAX_DEPTH: u32 = 1000;

/// Calls `f` with the name of each entry; `.` and `..` are left out.
pub fn each_entry(dir: Fd, mut f: impl FnMut(Str) -> Result<()>) -> Result<()> {
    let mut buffer = [0u8; 2048];
    loop {
        let n = sys::getdents64(dir, &mut buffer)?;
        if n == 0 {
            return Ok(());
        }
        for entry in Dirents(&buffer[..n]) {
            if !matches!(entry.name.bytes(), b"." | b"..") {
                f(entry.name)?;
            }
        }
    }
}

/// struct linux_dirent64, one after the other.
pub struct Dirents<'a>(pub &'a [u8]);

pub struct Dirent<'a> {
    pub name: Str<'a>,
    pub next: u64,
}

impl<'a> Iterator for Dirents<'a> {
    type Item = Dirent<'a>;

    fn next(&mut self) -> Option<Dirent<'a>> {
        let head = self.0.get(..19)?;
        let next = u64::from_ne_bytes(head[8..16].try_into().ok()?);
        let len = usize::from(u16::from_ne_bytes(head[16..18].try_into().ok()?));
        let (entry, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        let name = &entry[19..];
        let end = name.iter().position(|&b| b == 0)?;
        Some(Dirent { name: Str::new(&name[..=end]).ok()?, next })
    }
}
