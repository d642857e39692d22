//! A path, part by part: as root sees it inside, while who named it is stopped.

use super::cause::Component;
use rootlet_kernel::{Init, Who};
use std::collections::VecDeque;

/// Symlinks in one path, as the kernel counts them.
const MAX_LINKS: usize = 40;

/// A part of a path, and whether the right to search it was needed.
#[derive(Clone, Debug)]
pub struct Part {
    pub component: Component,
    pub searched: bool,
    pub acl: Vec<Entry>,
}

/// A path that was walked.
#[derive(Clone, Debug, Default)]
pub struct Walk {
    /// Absolute, as it was named.
    pub path: String,
    pub parts: Vec<Part>,
    /// Which part is what the path names; `None` where that is not there.
    pub last: Option<usize>,
    /// Which part is the directory that the last name lies in.
    pub parent: Option<usize>,
}

/// An entry of an access control list: tag, rights, id (acl(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub tag: u16,
    pub rights: u16,
    pub id: u32,
}

/// Walks from the directory `from`, which was reached before, or from the root.
pub fn walk(init: &Init, from: &[u8], path: &[u8], stays: bool, process: u32) -> Walk {
    let absolute = path.starts_with(b"/");
    let mut named = if absolute { Vec::new() } else { from.to_vec() };
    if !absolute && !named.ends_with(b"/") && !path.is_empty() {
        named.push(b'/');
    }
    named.extend_from_slice(path);
    let mut walker = Walker { init, process, at: Vec::new(), walk: Walk::default(), links: 0 };
    walker.walk.path = String::from_utf8_lossy(&named).into_owned();
    walker.enter_root(absolute);
    if !absolute {
        walker.go(from, false, false);
        if let (Some(part), false) = (walker.walk.last, path.is_empty()) {
            walker.walk.parts[part].searched = true;
        }
    }
    if absolute || !path.is_empty() {
        walker.go(path, true, stays);
    }
    walker.walk
}

struct Walker<'a> {
    init: &'a Init,
    process: u32,
    /// The directory that is reached; empty is the root.
    at: Vec<u8>,
    walk: Walk,
    links: usize,
}

impl Walker<'_> {
    fn enter_root(&mut self, searched: bool) {
        self.at.clear();
        self.look(b"/".to_vec(), searched);
    }

    /// Adds what is there; whether there is something.
    fn look(&mut self, path: Vec<u8>, searched: bool) -> Option<&'static str> {
        let Ok(stat) = self.init.stat(&Who::default(), 0, &path, false) else {
            self.walk.last = None;
            return None;
        };
        let kind = match stat.mode as u32 & libc::S_IFMT {
            libc::S_IFDIR => "directory",
            libc::S_IFREG => "file",
            libc::S_IFLNK => "symlink",
            libc::S_IFSOCK => "socket",
            libc::S_IFIFO => "fifo",
            _ => "device",
        };
        let acl = match kind {
            "symlink" => Vec::new(),
            _ => {
                self.init.get_xattr(&Who::default(), 0, &path, "system.posix_acl_access").unwrap_or_default()
            }
        };
        let acl = entries(&acl);
        let target = (kind == "symlink").then(|| self.target(&path));
        let component = Component {
            path: String::from_utf8_lossy(&path).into_owned(),
            kind,
            uid: stat.uid as u32,
            gid: stat.gid as u32,
            mode: stat.mode as u32 & 0o7777,
            target: target.map(|target| String::from_utf8_lossy(&target).into_owned()),
            acl: (!acl.is_empty()).then(|| written(&acl)),
        };
        self.walk.last = Some(self.walk.parts.len());
        self.walk.parts.push(Part { component, searched: searched && kind == "directory", acl });
        Some(kind)
    }

    fn target(&self, path: &[u8]) -> Vec<u8> {
        // It is pid 1 that reads it, and not who asked.
        match path {
            b"/proc/self" => self.process.to_string().into_bytes(),
            b"/proc/thread-self" => format!("{0}/task/{0}", self.process).into_bytes(),
            _ => self.init.read_link(&Who::default(), 0, path).unwrap_or_default(),
        }
    }

    fn go(&mut self, path: &[u8], searched: bool, stays: bool) {
        let names = |path: &[u8]| -> VecDeque<Vec<u8>> {
            path.split(|&b| b == b'/')
                .filter(|name| !name.is_empty() && *name != b".")
                .map(<[u8]>::to_vec)
                .collect()
        };
        let mut rest = names(path);
        let must_be_directory = path.ends_with(b"/");
        while let Some(name) = rest.pop_front() {
            let parent = self.walk.parts.iter().rposition(|part| part.component.kind == "directory");
            if name == b".." {
                let end = self.at.iter().rposition(|&b| b == b'/').unwrap_or(0);
                self.at.truncate(end);
                let up = if self.at.is_empty() { b"/".to_vec() } else { self.at.clone() };
                self.look(up, searched && !rest.is_empty());
                continue;
            }
            self.walk.parent = parent;
            let mut here = self.at.clone();
            here.push(b'/');
            here.extend_from_slice(&name);
            match self.look(here.clone(), searched && !rest.is_empty()) {
                None => return,
                Some("symlink") if !stays || !rest.is_empty() || must_be_directory => {
                    self.links += 1;
                    if self.links > MAX_LINKS {
                        return;
                    }
                    let target = self.target(&here);
                    for name in names(&target).into_iter().rev() {
                        rest.push_front(name);
                    }
                    if target.starts_with(b"/") {
                        self.enter_root(searched && !rest.is_empty());
                    }
                }
                Some("directory") => self.at = here,
                Some(_) => {
                    if !rest.is_empty() {
                        self.walk.last = None;
                        return;
                    }
                }
            }
        }
    }
}

/// The value of `system.posix_acl_access`: a version, then tag, rights and id of each entry.
fn entries(value: &[u8]) -> Vec<Entry> {
    let Some(list) = value.strip_prefix(&2u32.to_le_bytes()) else { return Vec::new() };
    let entry = |e: &[u8]| Entry {
        tag: u16::from_le_bytes([e[0], e[1]]),
        rights: u16::from_le_bytes([e[2], e[3]]),
        id: u32::from_le_bytes([e[4], e[5], e[6], e[7]]),
    };
    list.chunks_exact(8).map(entry).collect()
}

fn written(acl: &[Entry]) -> String {
    let entry = |e: &Entry| {
        let rights: String = [(4, 'r'), (2, 'w'), (1, 'x')]
            .iter()
            .map(|&(bit, c)| if e.rights & bit != 0 { c } else { '-' })
            .collect();
        match e.tag {
            0x01 => format!("user::{rights}"),
            0x02 => format!("user:{}:{rights}", e.id),
            0x04 => format!("group::{rights}"),
            0x08 => format!("group:{}:{rights}", e.id),
            0x10 => format!("mask::{rights}"),
            _ => format!("other::{rights}"),
        }
    };
    acl.iter().map(entry).collect::<Vec<_>>().join(",")
}
