//! Whether somebody may do something with a file: path_resolution(7), acl(5), capabilities(7). Pure.

use super::cause::{Asker, Cause, Component, caps};
use super::look::{Entry, Part, Walk};

pub const READ: u16 = 4;
pub const WRITE: u16 = 2;
pub const EXECUTE: u16 = 1;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct No {
    pub by: Option<Component>,
    pub missing: String,
    pub cause: Cause,
}

impl No {
    pub fn new(by: Option<&Part>, missing: impl Into<String>, cause: Cause) -> Self {
        Self { by: by.map(|part| part.component.clone()), missing: missing.into(), cause }
    }

    pub fn capability(number: u32) -> Self {
        Self::new(None, format!("CAP_{}", caps::name(number)), Cause::MissingCapability)
    }
}

impl Asker {
    pub(super) fn has(&self, capability: u32) -> bool {
        self.effective & 1 << capability != 0
    }

    fn is_member(&self, gid: u32) -> bool {
        self.fsgid == gid || self.groups.contains(&gid)
    }

    /// Whether it is treated as the owner: it is, or may act as if.
    pub(super) fn owns(&self, component: &Component) -> bool {
        self.fsuid == component.uid || (self.has(caps::FOWNER) && !is_unmapped(component))
    }
}

/// No rights of root's reach what belongs to an id that the root's namespace has not.
fn is_unmapped(component: &Component) -> bool {
    component.uid == 65534 || component.gid == 65534
}

/// Which rights the bits, or the list, give.
fn granted(who: &Asker, part: &Part) -> (u16, bool) {
    let c = &part.component;
    let mode = c.mode as u16;
    if who.fsuid == c.uid {
        return (mode >> 6 & 7, false);
    }
    if part.acl.is_empty() {
        return (if who.is_member(c.gid) { mode >> 3 & 7 } else { mode & 7 }, false);
    }
    let of = |tag: u16| part.acl.iter().filter(move |e| e.tag == tag);
    let mask = of(0x10).next().map_or(7, |e| e.rights);
    if let Some(user) = of(0x02).find(|e| e.id == who.fsuid) {
        return (user.rights & mask, true);
    }
    let mut groups = of(0x04).filter(|_| who.is_member(c.gid)).chain(of(0x08).filter(|e| who.is_member(e.id))).peekable();
    if groups.peek().is_some() {
        // The kernel wants one that gives all that is wanted; a union says as much for a single right.
        return (groups.fold(0, |all, e: &Entry| all | e.rights) & mask, true);
    }
    (of(0x20).next().map_or(mode & 7, |e| e.rights), true)
}

/// Whether these rights are there.
pub fn allows(who: &Asker, part: &Part, wanted: u16) -> Result<(), No> {
    let (granted, by_acl) = granted(who, part);
    let lacking = wanted & !granted;
    if lacking == 0 {
        return Ok(());
    }
    let c = &part.component;
    let directory = c.kind == "directory";
    let executable = directory || c.mode & 0o111 != 0;
    let overrides = who.has(caps::DAC_OVERRIDE) && (lacking & EXECUTE == 0 || executable);
    let searches = who.has(caps::DAC_READ_SEARCH)
        && (lacking == READ || directory && lacking & WRITE == 0);
    if overrides || searches {
        return match is_unmapped(c) {
            false => Ok(()),
            true => Err(No::new(Some(part), right(lacking, directory), Cause::UnmappedId)),
        };
    }
    let cause = if by_acl { Cause::Acl } else { Cause::Mode };
    Err(No::new(Some(part), right(lacking, directory), cause))
}

fn right(lacking: u16, directory: bool) -> String {
    let names = [(READ, "read"), (WRITE, "write"), (EXECUTE, if directory { "search" } else { "execute" })];
    let names: Vec<_> = names.iter().filter(|(bit, _)| lacking & bit != 0).map(|(_, name)| *name).collect();
    names.join(" and ")
}

impl Walk {
    pub fn last(&self) -> Option<&Part> {
        self.last.map(|i| &self.parts[i])
    }

    pub fn parent(&self) -> Option<&Part> {
        self.parent.map(|i| &self.parts[i])
    }

    /// Every directory on the way can be searched.
    pub fn reaches(&self, who: &Asker) -> Result<(), No> {
        self.parts.iter().filter(|part| part.searched).try_for_each(|part| allows(who, part, EXECUTE))
    }

    /// A name can be made or taken away in the directory.
    pub fn changes(&self, who: &Asker) -> Result<(), No> {
        self.parent().map_or(Ok(()), |parent| allows(who, parent, WRITE | EXECUTE))
    }

    /// The name that is there can be taken away from a directory that is sticky.
    pub fn takes_away(&self, who: &Asker) -> Result<(), No> {
        let (Some(parent), Some(last)) = (self.parent(), self.last()) else { return Ok(()) };
        let sticky = parent.component.mode & 0o1000 != 0;
        if sticky && who.fsuid != parent.component.uid && !who.owns(&last.component) {
            return Err(No::new(Some(parent), "ownership of the file, or of the directory", Cause::Sticky));
        }
        Ok(())
    }
}
