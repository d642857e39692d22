//! An explanation as plain text: a paragraph for each refusal, short.

use super::Why;
use super::cause::{Cause, Component, Refusal};
use rootlet_spec::printable;
use std::fmt;

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (handled, failed): (Vec<_>, Vec<_>) = self.refusals.iter().partition(|refusal| refusal.handled);
        if self.refusals.is_empty() {
            writeln!(f, "nothing was refused")?;
        }
        for refusal in failed {
            writeln!(f, "{refusal}")?;
        }
        if !handled.is_empty() {
            let count: u64 = handled.iter().map(|refusal| refusal.count).sum();
            writeln!(f, "{count} more, which the programs went on from:")?;
            for refusal in handled {
                let times =
                    if refusal.count > 1 { format!(" ({} times)", refusal.count) } else { String::new() };
                writeln!(f, "  {} {}{times}: {}", printable(&refusal.call), refusal.errno, refusal.reason())?;
            }
        }
        for sentence in &self.not_seen {
            writeln!(f, "not seen: {}", printable(sentence))?;
        }
        Ok(())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = if self.errno.is_empty() { "went well" } else { &self.errno };
        let times = if self.count > 1 { format!(" ({} times)", self.count) } else { String::new() };
        writeln!(f, "{}[{}]: {} = {result}{times}", self.title(), self.pid, printable(&self.call))?;
        writeln!(f, "  {}", self.reason())?;
        writeln!(f, "  asked by {}", self.asker())?;
        match self.root_would_pass {
            Some(true) => writeln!(f, "  root would pass")?,
            Some(false) => writeln!(f, "  root would be refused, too")?,
            None if self.is_about_the_hosts_network() => {
                writeln!(
                    f,
                    "  root would pass in a network of its own (--net private), and not in the host's"
                )?;
            }
            None => {}
        }
        for (name, fix) in self.fixes.each() {
            let mut lines = fix.lines();
            writeln!(f, "  {name:<11} {}", lines.next().unwrap_or_default())?;
            lines.try_for_each(|line| writeln!(f, "              {line}"))?;
        }
        Ok(())
    }
}

impl Refusal {
    /// Over which root inside has no power, so that nothing is to be found out from it.
    fn is_about_the_hosts_network(&self) -> bool {
        self.cause == Cause::Port || self.cause == Cause::MissingCapability && self.missing == "CAP_NET_RAW"
    }

    /// The program's path, and how it calls itself where that is something else: `/bin/busybox (cat)`.
    pub fn title(&self) -> String {
        let program = printable(&self.program);
        // The kernel keeps 15 bytes of it.
        let own = self.program.rsplit('/').next().is_some_and(|last| last.starts_with(&self.name));
        if own { program.into_owned() } else { format!("{program} ({})", printable(&self.name)) }
    }

    /// Why, in a sentence without its full stop.
    pub fn reason(&self) -> String {
        let by = self.refused_by.as_ref().map(Component::to_string).unwrap_or_default();
        let missing = &self.missing;
        match self.cause {
            Cause::Mode => format!("{by} does not let uid {} {missing}", self.who.fsuid),
            Cause::Acl => format!("the access control list of {by} does not let uid {} {missing}", self.who.fsuid),
            Cause::Ownership => format!("only the owner may: {by}; uid {} is not", self.who.fsuid),
            Cause::Sticky => format!("a sticky directory protects what is somebody else's: {by}"),
            Cause::ReadOnly if by.is_empty() => "the file system is read-only".into(),
            Cause::ReadOnly => format!("the file system is read-only at {by}"),
            Cause::NoExec => format!("the file system is mounted noexec: {by}"),
            Cause::NoProgram => format!("only a file is executed, and it is a {by}"),
            Cause::MissingCapability => match self.components.last() {
                Some(last) => format!("{missing} is missing, for {last}"),
                None => format!("{missing} is missing"),
            },
            Cause::Filter if missing.is_empty() => "the runtime's system call filter (seccomp) refuses it".into(),
            Cause::Filter => format!("the runtime's system call filter (seccomp) refuses it without {missing}"),
            Cause::Port => format!("a port below 1024 needs {missing}, or net.ipv4.ip_unprivileged_port_start"),
            Cause::NoNewPrivs => format!("no_new_privs is set, so the program gains nothing from {by}"),
            Cause::UnmappedId => format!("it belongs to an id that this root has not, so that not even root may {missing}: {by}"),
            Cause::OtherUser => format!("the process belongs to somebody else, and {missing} is missing"),
            Cause::NoEntry => format!("/etc/passwd has no entry for uid {}: it has no name and no home", self.who.uid),
            Cause::Insists => format!("the program wants {missing}, and ended soon after it had looked at {by}"),
            Cause::NoHome => "the home directory is not there (HOME)".into(),
            Cause::Busy => format!("the program is running, and cannot be written: {by}"),
            Cause::Traced => "a process has one tracer, which here is rootlet".into(),
            Cause::NotReproduced => format!("production's root may do it, and a rootlet's may not: {missing}"),
            Cause::Unknown => "none of the rules that are known here refused it: a security module, or an attribute of the file".into(),
        }
    }

    /// Who asked: `uid 1000, gid 1000, groups 1000,20, no capabilities`.
    pub fn asker(&self) -> String {
        let who = &self.who;
        let groups: Vec<_> = who.groups.iter().map(u32::to_string).collect();
        let groups = if groups.is_empty() { "none".into() } else { groups.join(",") };
        let capabilities = match who.capabilities.as_slice() {
            [] => "no capabilities".into(),
            some if some.len() > 20 => "all capabilities".into(),
            some => format!("capabilities {}", some.join(",")),
        };
        let privileges = if who.no_new_privs { ", no_new_privs" } else { "" };
        format!("uid {}, gid {}, groups {groups}, {capabilities}{privileges}", who.fsuid, who.fsgid)
    }
}

/// `directory /etc (owner 0:0, mode 0755)`
impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} (owner {}:{}, mode {:04o}",
            self.kind,
            printable(&self.path),
            self.uid,
            self.gid,
            self.mode
        )?;
        if let Some(acl) = &self.acl {
            write!(f, ", {acl}")?;
        }
        f.write_str(")")
    }
}
