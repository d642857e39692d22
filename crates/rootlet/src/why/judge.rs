//! Which rule refused a call: the rules that the kernel applies to it, in its order, until one says no. Pure.

use super::calls::{Does, Known};
use super::cause::{Asker, Cause, caps};
use super::look::{Part, Walk};
use super::process::Mount;
use super::rights::{EXECUTE, No, READ, WRITE, allows};

/// What an address of a socket names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// A port of IP.
    Port(u16),
    /// The path that was walked.
    Path,
    Other,
}

/// A call that was refused.
#[derive(Debug)]
pub struct Asked<'a> {
    pub known: &'a Known,
    pub arguments: [u64; 6],
    /// Of a call that opens.
    pub flags: i32,
    pub errno: i32,
    /// The paths that it names.
    pub walks: &'a [Walk],
    pub address: Address,
    /// Of a call about an extended attribute: its name.
    pub attribute: &'a str,
    pub mounts: &'a [Mount],
    /// The network is the host's, over which no capability of this root's has power.
    pub in_hosts_network: bool,
}

impl Asked<'_> {
    /// What refused it.
    pub fn refusal(&self, who: &Asker) -> No {
        self.refusal_of(who).unwrap_or_else(|| No::new(None, "", Cause::Unknown))
    }

    /// What would have refused it to somebody else.
    pub fn refusal_of(&self, who: &Asker) -> Option<No> {
        self.check(who).err()
    }

    /// Why the system call filter refused it: for a capability that lifts that and is needed, or whatever the rights.
    pub fn filtered(&self, who: &Asker) -> No {
        // Namespaces can be had without a capability, together with a user namespace.
        let needed = match self.known.does {
            Does::Capability(cap) if self.known.number != libc::SYS_unshare => Some(cap),
            _ => None,
        };
        let lifted_by = crate::seccomp::lifted_by(self.known.number as u64);
        let missing = needed.filter(|cap| lifted_by == Some(*cap) && !who.has(*cap));
        let missing = missing.map_or(String::new(), |cap| format!("CAP_{}", caps::name(cap)));
        No { by: None, missing, cause: Cause::Filter }
    }

    fn check(&self, who: &Asker) -> Result<(), No> {
        self.check_files(who)?;
        // What another process shows of itself in /proc, the bits do not say.
        let of_another = |walk: &Walk| {
            // What is seen of a link there, such as ns/mnt, leads nowhere.
            let Some(rest) = walk.parts.last().and_then(|last| last.component.path.strip_prefix("/proc/"))
            else {
                return false;
            };
            rest.starts_with(|c: char| c.is_ascii_digit()) && rest.contains('/')
        };
        match self.walks.iter().any(of_another) && !who.has(caps::SYS_PTRACE) {
            true => Err(No::new(self.walks[0].last(), "CAP_SYS_PTRACE", Cause::OtherUser)),
            false => Ok(()),
        }
    }

    fn check_files(&self, who: &Asker) -> Result<(), No> {
        match self.errno {
            libc::EROFS => return Err(self.read_only()),
            libc::ETXTBSY => return Err(No::new(self.walks.first().and_then(Walk::last), "", Cause::Busy)),
            _ => {}
        }
        self.walks.iter().try_for_each(|walk| walk.reaches(who))?;
        match self.known.does {
            Does::Open => self.opens(who),
            Does::Look => Ok(()),
            Does::Access => self.with_last(who, self.access_mode()),
            Does::Execute => self.walks.iter().try_for_each(|walk| self.executes(who, walk)),
            Does::Enter => self.with_last(who, EXECUTE),
            Does::Make => self.makes(who),
            Does::Remove => self.removes(who),
            Does::Write => self.with_last(who, WRITE),
            Does::Own => self.owns(who),
            Does::ReadAttribute => self.reads_attribute(who),
            Does::WriteAttribute => self.writes_attribute(who),
            Does::Chown => needs(who, caps::CHOWN),
            Does::Bind => match self.address {
                Address::Port(_) if !who.has(caps::NET_BIND_SERVICE) => {
                    Err(No::new(None, "CAP_NET_BIND_SERVICE", Cause::Port))
                }
                Address::Port(_) if self.in_hosts_network => Err(No::not_here(HOSTS_NETWORK)),
                Address::Path => self.walks.iter().try_for_each(|walk| walk.changes(who)),
                _ => Ok(()),
            },
            Does::Connect => self.with_last(who, WRITE),
            Does::Kill if who.has(caps::KILL) => Ok(()),
            Does::Kill => Err(No::new(None, "CAP_KILL", Cause::OtherUser)),
            Does::Ptrace => self.traces(who),
            Does::Capability(_) if self.pings() => {
                let missing = "a group within net.ipv4.ping_group_range";
                Err(No::new(None, missing, Cause::MissingCapability))
            }
            Does::Capability(number) => {
                needs(who, number)?;
                match number == caps::NET_RAW && self.in_hosts_network {
                    true => Err(No::not_here(HOSTS_NETWORK)),
                    false => Ok(()),
                }
            }
            Does::Filter => match who.no_new_privs {
                true => Ok(()),
                false => needs(who, caps::SYS_ADMIN),
            },
        }
    }

    /// A socket for ICMP's echo, which no capability gives.
    fn pings(&self) -> bool {
        let [family, kind, ..] = self.arguments.map(|argument| argument as i32);
        let is_inet = family == libc::AF_INET || family == libc::AF_INET6;
        self.known.name == "socket" && is_inet && kind & 0xf == libc::SOCK_DGRAM
    }

    fn with_last(&self, who: &Asker, wanted: u16) -> Result<(), No> {
        self.walks.first().and_then(Walk::last).map_or(Ok(()), |last| allows(who, last, wanted))
    }

    fn access_mode(&self) -> u16 {
        let mode = self.known.args.iter().position(|arg| *arg == super::calls::Arg::AccessMode);
        mode.map_or(0, |i| self.arguments[i] as u16 & 7)
    }

    fn opens(&self, who: &Asker) -> Result<(), No> {
        let Some(walk) = self.walks.first() else { return Ok(()) };
        if self.flags & libc::O_PATH != 0 {
            return Ok(());
        }
        let Some(last) = walk.last() else {
            return if self.flags & libc::O_CREAT != 0 { walk.changes(who) } else { Ok(()) };
        };
        if self.flags & libc::O_TMPFILE == libc::O_TMPFILE {
            return allows(who, last, WRITE | EXECUTE);
        }
        let mut wanted = match self.flags & libc::O_ACCMODE {
            libc::O_WRONLY => WRITE,
            libc::O_RDWR => READ | WRITE,
            _ => READ,
        };
        if self.flags & libc::O_TRUNC != 0 {
            wanted |= WRITE;
        }
        allows(who, last, wanted)?;
        if self.flags & libc::O_NOATIME != 0 && !who.owns(&last.component) {
            return Err(No::new(Some(last), "ownership", Cause::Ownership));
        }
        // fs.protected_regular and fs.protected_fifos.
        let sticky = walk.parent().filter(|parent| parent.component.mode & 0o1000 != 0);
        match sticky {
            Some(parent)
                if self.flags & libc::O_CREAT != 0
                    && last.component.uid != who.fsuid
                    && last.component.uid != parent.component.uid =>
            {
                Err(No::new(Some(last), "ownership", Cause::Sticky))
            }
            _ => Ok(()),
        }
    }

    fn executes(&self, who: &Asker, walk: &Walk) -> Result<(), No> {
        let Some(last) = walk.last() else { return Ok(()) };
        if last.component.kind != "file" {
            return Err(No::new(Some(last), "", Cause::NoProgram));
        }
        allows(who, last, EXECUTE)?;
        match Mount::of(&last.component.path, self.mounts).is_some_and(|mount| mount.has("noexec")) {
            true => Err(No::new(Some(last), "execute", Cause::NoExec)),
            false => Ok(()),
        }
    }

    fn removes(&self, who: &Asker) -> Result<(), No> {
        self.walks.iter().try_for_each(|walk| {
            walk.changes(who)?;
            walk.takes_away(who)
        })?;
        // A directory that comes into another one gets another `..`, which is written in it.
        match self.walks {
            [from, to] if from.parent().map(at) != to.parent().map(at) => {
                let moved = [from, to].into_iter().filter_map(Walk::last);
                moved
                    .filter(|part| part.component.kind == "directory")
                    .try_for_each(|part| allows(who, part, WRITE))
            }
            _ => Ok(()),
        }
    }

    /// xattr(7).
    fn reads_attribute(&self, who: &Asker) -> Result<(), No> {
        match self.attribute.starts_with("user.") {
            true => self.with_last(who, READ),
            false => Ok(()),
        }
    }

    fn writes_attribute(&self, who: &Asker) -> Result<(), No> {
        let (class, name) = self.attribute.split_once('.').unwrap_or_default();
        match (class, name) {
            ("user", _) => {
                let last = self.walks.first().and_then(Walk::last);
                let sticky = last.filter(|last| last.component.mode & 0o1000 != 0);
                match sticky.filter(|last| self.errno == libc::EPERM && !who.owns(&last.component)) {
                    Some(last) => Err(No::new(Some(last), "ownership", Cause::Ownership)),
                    None => self.with_last(who, WRITE),
                }
            }
            ("system", _) => self.owns(who),
            ("security", "capability") => needs(who, caps::SETFCAP),
            _ => needs(who, caps::SYS_ADMIN),
        }
    }

    fn makes(&self, who: &Asker) -> Result<(), No> {
        // fs.protected_hardlinks, which is looked at before the directory.
        if let ([existing, _], libc::EPERM) = (self.walks, self.errno)
            && let Some(last) = existing.last().filter(|last| !who.owns(&last.component))
        {
            return Err(No::new(Some(last), "ownership, or read and write", Cause::Ownership));
        }
        self.walks.last().map_or(Ok(()), |walk| walk.changes(who))?;
        if self.known.name.starts_with("mknod") {
            let mode = self.known.args.iter().position(|arg| *arg == super::calls::Arg::Octal);
            let kind = mode.map_or(0, |i| self.arguments[i] as u32 & libc::S_IFMT);
            if kind == libc::S_IFCHR || kind == libc::S_IFBLK {
                needs(who, caps::MKNOD)?;
                return Err(No::not_here("a user namespace makes no devices"));
            }
        }
        Ok(())
    }

    fn owns(&self, who: &Asker) -> Result<(), No> {
        let Some(last) = self.walks.first().and_then(Walk::last) else { return Ok(()) };
        if who.owns(&last.component) {
            return Ok(());
        }
        if self.errno == libc::EACCES {
            return allows(who, last, WRITE);
        }
        Err(No::new(Some(last), "ownership", Cause::Ownership))
    }

    fn traces(&self, who: &Asker) -> Result<(), No> {
        const TRACEME_ATTACH_SEIZE: [u64; 3] = [0, 16, 0x4206];
        if self.known.name == "ptrace" && TRACEME_ATTACH_SEIZE.contains(&self.arguments[0]) {
            return Err(No::new(None, "", Cause::Traced));
        }
        needs(who, caps::SYS_PTRACE)
    }

    fn read_only(&self) -> No {
        // Of two paths it is the one that is on a read-only file system.
        let found = self.walks.iter().find_map(|walk| {
            let part = walk.last().or_else(|| walk.parent())?;
            let mount = Mount::of(&part.component.path, self.mounts).filter(|mount| mount.is_read_only())?;
            Some((walk, mount))
        });
        let first = self.walks.first();
        match found {
            Some((walk, mount)) => {
                let mut place = walk.parts.iter().find(|part| part.component.path == mount.place);
                // A mount of a single file.
                place = place.or_else(|| walk.last()).or_else(|| walk.parent());
                No::new(place, "write", Cause::ReadOnly)
            }
            None => No::new(
                first.and_then(|walk| walk.last().or_else(|| walk.parent())),
                "write",
                Cause::ReadOnly,
            ),
        }
    }
}

/// Why root inside may not what production's root may.
const HOSTS_NETWORK: &str =
    "the network is the host's, over which root inside has no power (--net private gives one of its own)";

fn at(part: &Part) -> &str {
    &part.component.path
}

fn needs(who: &Asker, capability: u32) -> Result<(), No> {
    if who.has(capability) { Ok(()) } else { Err(No::capability(capability)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::why::calls::CALLS;
    use crate::why::cause::Component;

    fn no(call: &str, attribute: &str, errno: i32, mode: u32, who: &Asker) -> Option<(Cause, String)> {
        let component =
            Component { path: "/x".into(), kind: "file", uid: 0, gid: 0, mode, target: None, acl: None };
        let parts = vec![Part { component, searched: false, acl: Vec::new() }];
        let walk = Walk { path: "/x".into(), parts, last: Some(0), parent: None };
        let asked = Asked {
            known: CALLS.iter().find(|known| known.name == call).unwrap(),
            arguments: [0; 6],
            flags: 0,
            errno,
            walks: std::slice::from_ref(&walk),
            address: Address::Other,
            attribute,
            mounts: &[],
            in_hosts_network: false,
        };
        asked.refusal_of(who).map(|no| (no.cause, no.missing))
    }

    #[test]
    fn attributes_are_of_four_kinds() {
        let sam = Asker { uid: 1000, fsuid: 1000, ..Asker::default() };
        let root = Asker { effective: 1 << caps::DAC_OVERRIDE | 1 << caps::SETFCAP, ..Asker::default() };
        let mode = |missing: &str| Some((Cause::Mode, missing.to_owned()));
        let lacks = |name: &str| Some((Cause::MissingCapability, name.to_owned()));
        let of = |call, attribute, errno| no(call, attribute, errno, 0o600, &sam);
        assert_eq!(of("getxattr", "user.x", libc::EACCES), mode("read"));
        assert_eq!(of("setxattr", "user.x", libc::EACCES), mode("write"));
        assert_eq!(of("setxattr", "trusted.x", libc::EPERM), lacks("CAP_SYS_ADMIN"));
        assert_eq!(of("setxattr", "security.capability", libc::EPERM), lacks("CAP_SETFCAP"));
        let acl = of("setxattr", "system.posix_acl_access", libc::EPERM);
        assert_eq!(acl, Some((Cause::Ownership, "ownership".into())));
        // Anybody may write in a sticky directory, and its attributes are its owner's.
        let sticky = no("setxattr", "user.x", libc::EPERM, 0o1777, &sam);
        assert_eq!(sticky, Some((Cause::Ownership, "ownership".into())));
        for attribute in ["user.x", "security.capability"] {
            assert_eq!(no("setxattr", attribute, libc::EPERM, 0o600, &root), None, "{attribute}");
        }
        assert_eq!(no("setxattr", "trusted.x", libc::EPERM, 0o600, &root), lacks("CAP_SYS_ADMIN"));
    }
}
