//! What is told although no call was refused: a setuid program that gains nothing, a directory that its reader does not like.

use super::calls::{self, Does};
use super::cause::Cause;
use super::insist::{self, Insists};
use super::log::{Key, Log};
use super::look;
use super::process::{self, Process};
use super::rights::No;
use super::watch::{Seen, Watch};
use rootlet_kernel::Who;
use rootlet_kernel::trace::Call;

impl Watch {
    /// A program was executed.
    pub fn executed(&self, tid: i32, log: &mut Log) {
        if !self.no_new_privs {
            return;
        }
        let program = match std::fs::metadata(format!("/proc/{tid}/exe")) {
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => return log.blind(),
            Err(_) => return,
            Ok(program) => program,
        };
        use std::os::unix::fs::MetadataExt;
        let mode = program.mode();
        if mode & libc::S_ISUID == 0 && mode & (libc::S_ISGID | 0o010) != libc::S_ISGID | 0o010 {
            return;
        }
        let (Some(process), Some(path)) = (Process::read(tid), process::link(tid, "exe", &self.base)) else {
            return;
        };
        let walk = look::walk(&self.init, b"/", &path, false, process.inside);
        let Some(last) = walk.last() else { return };
        let gains = |bit, owner, own| last.component.mode & bit != 0 && owner != own;
        let c = &last.component;
        if !process.who.no_new_privs
            || !(gains(libc::S_ISUID, c.uid, process.who.fsuid)
                || gains(libc::S_ISGID, c.gid, process.who.fsgid))
        {
            return;
        }
        let key = Key {
            program: path.clone(),
            name: process.name.clone(),
            call: libc::SYS_execve as u64,
            errno: 0,
            paths: vec![],
            detail: 0,
        };
        let no = No::new(Some(last), "the rights of its owner", Cause::NoNewPrivs);
        let call = format!("execve(\"{}\", …)", walk.path.escape_debug());
        let seen =
            Seen { process: &process, program: path, call, errno: 0, walks: std::slice::from_ref(&walk) };
        // It bears on all that the program does until its end.
        if !log.again(&key, process.process, tid, u64::MAX) && !log.is_full() {
            log.add(key, self.refusal(seen, no, Some(true)), process.process, tid, u64::MAX);
        }
    }

    /// What the program that was executed insists on.
    pub fn insists(&self, tid: i32) -> Option<&'static Insists> {
        insist::by(&process::link(tid, "exe", &self.base)?)
    }

    /// A call went well, of a program that may not like what it found.
    pub fn looked(&self, tid: i32, insists: &Insists, call: &Call, calls: u64, log: &mut Log) {
        let Some(known) = calls::known(call.number).filter(|known| known.does == Does::Look) else { return };
        let Some(found) = insist::directory(tid, call) else { return };
        let Some(process) = Process::read(tid).filter(|process| insists.minds(found, process.who.fsuid))
        else {
            return;
        };
        let arguments = self.arguments(tid, known, call);
        let Some((from, path)) = arguments.paths.first() else { return };
        let walk = look::walk(&self.init, from, path, known.stays(&call.arguments), process.inside);
        let Some(by) = walk.last().map(|last| last.component.clone()) else { return };
        let marker = format!("{}/{}", by.path.trim_end_matches('/'), insists.marker);
        if self.init.stat(&Who::default(), 0, marker.as_bytes(), false).is_err() {
            return;
        }
        let Some(program) = process::link(tid, "exe", &self.base) else { return };
        let call = known.print(&call.arguments, &arguments.strings, None, arguments.flags);
        let seen = Seen { process: &process, program, call, errno: 0, walks: std::slice::from_ref(&walk) };
        let refusal = self.refusal(seen, insist::no(&by, process.who.fsuid), None);
        log.looked(refusal, process.process, tid, calls);
    }
}
