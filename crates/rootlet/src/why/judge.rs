//! Which rule refused a call: the rules that the kernel applies to it, in its order, until one says no. Pure.

use super::calls::{Does, Known};
use super::cause::{Asker, Cause, caps};
use super::look::Walk;
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
    pub mounts: &'a [Mount],
}

impl Asked<'_> {
    /// What refused it.
    pub fn refusal(&self, who: &Asker) -> No {
        self.check(who).err().unwrap_or_else(|| No::new(None, "", Cause::Unknown))
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

    /// Whether somebody else would have been let through.
    pub fn passes(&self, who: &Asker) -> bool {
        self.check(who).is_ok()
    }

    fn check(&self, who: &Asker) -> Result<(), No> {
        self.check_files(who)?;
        // What another process shows of itself in /proc, the bits do not say.
        let of_another = |walk: &Walk| {
            let Some(rest) = walk.last().and_then(|last| last.component.path.strip_prefix("/proc/")) else {
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
            Does::Execute => {
                self.with_last(who, EXECUTE)?;
                match self.mount().is_some_and(|mount| mount.has("noexec")) {
                    true => Err(No::new(self.walks.first().and_then(Walk::last), "execute", Cause::NoExec)),
                    false => Ok(()),
                }
            }
            Does::Enter => self.with_last(who, EXECUTE),
            Does::Make => self.makes(who),
            Does::Remove => self.walks.iter().try_for_each(|walk| {
                walk.changes(who)?;
                walk.takes_away(who)
            }),
            Does::Write => self.with_last(who, WRITE),
            Does::Own => self.owns(who),
            Does::Chown => needs(who, caps::CHOWN),
            Does::Bind => match self.address {
                Address::Port(_) if !who.has(caps::NET_BIND_SERVICE) => {
                    Err(No::new(None, "CAP_NET_BIND_SERVICE", Cause::Port))
                }
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
            Does::Capability(number) => needs(who, number),
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

    fn makes(&self, who: &Asker) -> Result<(), No> {
        self.walks.last().map_or(Ok(()), |walk| walk.changes(who))?;
        if self.known.name.starts_with("mknod") {
            let mode = self.known.args.iter().position(|arg| *arg == super::calls::Arg::Octal);
            let kind = mode.map_or(0, |i| self.arguments[i] as u32 & libc::S_IFMT);
            if kind == libc::S_IFCHR || kind == libc::S_IFBLK {
                return needs(who, caps::MKNOD);
            }
        }
        // fs.protected_hardlinks.
        match self.walks {
            [existing, _] if self.errno == libc::EPERM => match existing.last() {
                Some(last) if !who.owns(&last.component) => {
                    Err(No::new(Some(last), "ownership, or read and write", Cause::Ownership))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
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

    fn mount(&self) -> Option<&Mount> {
        let part = self.walks.first()?.last()?;
        Mount::of(&part.component.path, self.mounts)
    }
}

fn needs(who: &Asker, capability: u32) -> Result<(), No> {
    if who.has(capability) { Ok(()) } else { Err(No::capability(capability)) }
}
