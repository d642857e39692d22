//! Whether somebody may do something with a file: path_resolution(7), acl(5), capabilities(7). Pure.

use super::cause::{Asker, Cause, Component, caps};
use super::look::{Entry, Part, Walk};

pub const READ: u16 = 4;
pub const WRITE: u16 = 2;
pub const EXECUTE: u16 = 1;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct No {
    pub by: Option<Box<Component>>,
    pub missing: String,
    pub cause: Cause,
}

impl No {
    pub fn new(by: Option<&Part>, missing: impl Into<String>, cause: Cause) -> Self {
        Self { by: by.map(|part| Box::new(part.component.clone())), missing: missing.into(), cause }
    }

    /// Production would let it through.
    pub fn not_here(why: &str) -> Self {
        Self::new(None, why, Cause::NotReproduced)
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
    let mut groups =
        of(0x04).filter(|_| who.is_member(c.gid)).chain(of(0x08).filter(|e| who.is_member(e.id))).peekable();
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
    let searches = who.has(caps::DAC_READ_SEARCH) && (lacking == READ || directory && lacking & WRITE == 0);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: &'static str, uid: u32, gid: u32, mode: u32, acl: &[(u16, u16, u32)]) -> Part {
        let component = Component { path: "/x".into(), kind, uid, gid, mode, target: None, acl: None };
        let acl = acl.iter().map(|&(tag, rights, id)| Entry { tag, rights, id }).collect();
        Part { component, searched: false, acl }
    }

    fn who(fsuid: u32, fsgid: u32, groups: &[u32], effective: u64) -> Asker {
        Asker { fsuid, fsgid, groups: groups.to_vec(), effective, ..Asker::default() }
    }

    #[test]
    fn the_first_class_that_fits_decides() {
        // An owner who may not, though others may.
        let file = part("file", 1000, 1000, 0o047, &[]);
        assert!(allows(&who(1000, 1000, &[], 0), &file, READ).is_err());
        assert!(allows(&who(1, 1, &[1000], 0), &file, READ).is_ok());
        assert!(allows(&who(1, 1, &[1000], 0), &file, WRITE).is_err());
        assert!(allows(&who(1, 1, &[], 0), &file, WRITE).is_ok());
    }

    #[test]
    fn capabilities_lift_what_they_lift() {
        let root = |cap: u32| who(0, 0, &[], 1 << cap);
        let (file, directory) = (part("file", 1, 1, 0o000, &[]), part("directory", 1, 1, 0o000, &[]));
        assert!(allows(&root(caps::DAC_OVERRIDE), &file, READ | WRITE).is_ok());
        assert!(allows(&root(caps::DAC_OVERRIDE), &file, EXECUTE).is_err());
        assert!(allows(&root(caps::DAC_OVERRIDE), &directory, EXECUTE).is_ok());
        assert!(allows(&root(caps::DAC_READ_SEARCH), &file, READ).is_ok());
        assert!(allows(&root(caps::DAC_READ_SEARCH), &file, WRITE).is_err());
        assert!(allows(&root(caps::DAC_READ_SEARCH), &directory, EXECUTE).is_ok());
        let unmapped = part("file", 65534, 65534, 0o600, &[]);
        let no = allows(&root(caps::DAC_OVERRIDE), &unmapped, READ).unwrap_err();
        assert_eq!(no.cause, Cause::UnmappedId);
    }

    #[test]
    fn lists_name_users_and_groups_behind_a_mask() {
        let acl = [(1, 7, 0), (2, 6, 1000), (4, 4, 0), (8, 6, 50), (0x10, 4, 0), (0x20, 0, 0)];
        let file = part("file", 0, 0, 0o640, &acl);
        assert!(allows(&who(1000, 1000, &[], 0), &file, READ).is_ok());
        let no = allows(&who(1000, 1000, &[], 0), &file, WRITE).unwrap_err();
        assert_eq!((no.cause, no.missing.as_str()), (Cause::Acl, "write"));
        assert!(allows(&who(7, 7, &[50], 0), &file, READ).is_ok());
        assert!(allows(&who(7, 7, &[], 0), &file, READ).is_err());
    }
}
