//! What is looked at when a call was refused: its arguments, its paths, who asked, and which rule said no.

use super::calls::{self, Arg, Does, Known};
use super::cause::{Asker, Cause, Component, Fixes, Refusal, caps};
use super::fixes;
use super::interpreters;
use super::judge::{Address, Asked};
use super::log::{Key, Log};
use super::look::{self, Walk};
use super::process::{self, Process};
use super::rights::No;
use crate::bpf;
use rootlet_kernel::trace::{self, Call};

use rootlet_kernel::{Init, Who, errno_name};
use seccompiler::sock_filter;
use std::sync::Arc;

/// What a command is held against.
#[derive(Debug)]
pub struct Watch {
    pub init: Arc<Init>,
    /// What root would have had.
    pub root: Asker,
    /// The supplementary groups, where the kernel was not told them.
    pub groups: Option<Vec<u32>>,
    /// Its variable HOME.
    pub home: Option<String>,
    /// Its variable HOME, where that is no directory.
    pub missing_home: Option<Vec<u8>>,
    /// The user, if that has no entry in /etc/passwd.
    pub nobody: Option<u32>,
    pub no_new_privs: bool,
    /// Where the root lies on the host: `/` where it is the root of a mount namespace.
    pub base: Vec<u8>,
    /// What is refused before it is made; empty where nothing is.
    pub bounds: Vec<sock_filter>,
    pub in_hosts_network: bool,
    /// What the command is called until it has executed.
    pub program: Vec<u8>,
}

/// Who refused.
#[derive(Clone, Copy, PartialEq)]
enum By {
    /// The kernel, with this errno; 0 where it did not, and something is amiss all the same.
    Kernel(i32),
    /// The system call filter, in whose place the tracer is.
    Filter,
}

impl By {
    fn errno(self) -> i32 {
        match self {
            Self::Kernel(errno) => errno,
            Self::Filter => libc::EPERM,
        }
    }
}

/// Where who traces may not read everything of who is traced, as root in docker's default container.
const UNREAD: &str = "paths that begin where a program stands: without CAP_SYS_PTRACE, this process may not see where that is (docker run --cap-add SYS_PTRACE)";

const TOO_LONG: &str =
    "paths that begin where a program stands, where that is longer than a path may be (4095 bytes)";

/// What a call named.
#[derive(Default)]
pub struct Arguments {
    /// Directory it is relative to, and path.
    pub paths: Vec<(Vec<u8>, Vec<u8>)>,
    pub strings: Vec<String>,
    pub flags: i32,
    pub address: Option<(Address, String)>,
    /// A path could not be read, or where it begins: nothing can be said of it.
    pub unread: bool,
}

impl Watch {
    /// Whether some calls are to be refused.
    pub fn is_bounded(&self) -> bool {
        !self.bounds.is_empty()
    }

    /// Whether this one is.
    pub fn is_refused(&self, call: &Call) -> bool {
        let refused = libc::SECCOMP_RET_TRACE | u32::from(trace::REFUSED);
        bpf::answer(&self.bounds, bpf::ARCHITECTURE, call.number as u32, call.arguments) == refused
    }

    /// A call is refused that would be made otherwise.
    pub fn bounded(&self, tid: i32, call: &Call, calls: u64, log: &mut Log) {
        if let Some(known) = calls::known(call.number) {
            self.note(tid, known, call, By::Filter, calls, log);
        }
    }

    /// Whether a result is worth a look. It is asked for every call.
    pub fn wants(&self, result: i64) -> bool {
        const EPERM: i64 = -(libc::EPERM as i64);
        const ENOENT: i64 = -(libc::ENOENT as i64);
        const EACCES: i64 = -(libc::EACCES as i64);
        const ETXTBSY: i64 = -(libc::ETXTBSY as i64);
        const EROFS: i64 = -(libc::EROFS as i64);
        match result {
            EACCES | EPERM | EROFS | ETXTBSY => true,
            ENOENT => self.missing_home.is_some(),
            // seccomp(2) gives 0; a descriptor may be of /etc/passwd.
            0 => true,
            1.. => self.nobody.is_some(),
            _ => false,
        }
    }

    /// A call gave a result that is wanted.
    pub fn refused(&self, tid: i32, call: &Call, result: i64, calls: u64, log: &mut Log) {
        let Some(known) = calls::known(call.number) else { return };
        let opens = known.does == Does::Open;
        if result >= 0 && !opens {
            return;
        }
        let errno = if result < 0 { -result as i32 } else { 0 };
        self.note(tid, known, call, By::Kernel(errno), calls, log);
    }

    /// Keeps what was refused, unless it is of no interest.
    fn note(&self, tid: i32, known: &'static Known, call: &Call, by: By, calls: u64, log: &mut Log) {
        let arguments = self.arguments(tid, known, call);
        let errno = by.errno();
        if errno == 0 && !arguments.paths.iter().any(|(_, path)| path == b"/etc/passwd") {
            return;
        }
        if errno == libc::ENOENT && !self.is_of_home(&arguments) {
            return;
        }
        let Some(mut process) = Process::read(tid) else { return };
        if arguments.unread {
            let here = std::fs::read_link(format!("/proc/{tid}/cwd")).err().and_then(|e| e.raw_os_error());
            log.not_seen(if here == Some(libc::ENAMETOOLONG) { TOO_LONG } else { UNREAD }.to_owned());
            return;
        }
        let who = process.who.clone();
        if let (Some(groups), true) = (&self.groups, who.effective == 0) {
            process.who.groups.clone_from(groups);
        }
        if errno == 0 && self.nobody != Some(who.uid) {
            return;
        }
        let program = process::link(tid, "exe", &self.base)
            .filter(|_| calls > 0)
            .unwrap_or_else(|| self.program.clone());
        let detail = detail(known, call);
        let paths = arguments.paths.iter().flat_map(|(dir, path)| [dir.clone(), path.clone()]).collect();
        let key = Key {
            program: program.clone(),
            name: process.name.clone(),
            call: call.number,
            errno,
            paths,
            detail,
        };
        if log.again(&key, process.process, tid, calls) || log.is_full() {
            return;
        }
        let refusal = self.explain(&process, program, known, call, arguments, by);
        if refusal.cause == Cause::Traced {
            log.not_seen(format!(
                "{} traces others itself, which fails while it is traced: a process has one tracer",
                refusal.program
            ));
        }
        log.add(key, refusal, process.process, tid, calls);
    }

    fn is_of_home(&self, arguments: &Arguments) -> bool {
        let Some(home) = &self.missing_home else { return false };
        arguments.paths.iter().any(|(_, path)| {
            path.strip_prefix(&home[..]).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    }

    fn explain(
        &self,
        process: &Process,
        program: Vec<u8>,
        known: &Known,
        call: &Call,
        arguments: Arguments,
        by: By,
    ) -> Refusal {
        let errno = by.errno();
        let stays = known.stays(&call.arguments);
        let walk =
            |(from, path): &(Vec<u8>, Vec<u8>)| look::walk(&self.init, from, path, stays, process.inside);
        let mut walks: Vec<Walk> = arguments.paths.iter().map(walk).collect();
        if known.does == Does::Execute {
            self.interpreters(&mut walks, process.inside);
        }
        let mounts = process.mounts(&self.base);
        let asked = Asked {
            known,
            arguments: call.arguments,
            flags: arguments.flags,
            errno,
            walks: &walks,
            address: arguments.address.as_ref().map_or(Address::Other, |(address, _)| *address),
            attribute: arguments.strings.last().map_or("", String::as_str),
            mounts: &mounts,
            in_hosts_network: self.in_hosts_network,
        };
        let (no, root) = match errno {
            // The same for root, whose capabilities are in the filter.
            _ if by == By::Filter => (asked.filtered(&process.who), Some(false)),
            0 => (No::new(None, format!("an entry for {}", process.who.uid), Cause::NoEntry), None),
            libc::ENOENT => (No::new(None, "the directory", Cause::NoHome), None),
            _ => {
                let mut no = asked.refusal(&process.who);
                if known.does == Does::Execute && interpreters::refused(&no, &walks) {
                    let directory = no.by.as_ref().is_some_and(|by| by.kind == "directory");
                    no.missing += if directory {
                        "; the program's interpreter lies there"
                    } else {
                        "; it is the program's interpreter"
                    };
                }
                let root = asked.refusal_of(&self.root);
                let passes = match (no.cause, root.map(|root| root.cause)) {
                    // Production's passes where this one's does not.
                    (Cause::Unknown | Cause::Traced, _) | (_, Some(Cause::NotReproduced)) => None,
                    (_, root) => Some(root.is_none() && self.try_it(&asked)),
                };
                (no, passes)
            }
        };
        let address = arguments.address.as_ref().map(|(_, text)| text.as_str());
        let call = known.print(&call.arguments, &arguments.strings, address, arguments.flags);
        self.refusal(Seen { process, program, call, errno, walks: &walks }, no, root)
    }

    /// Does as root what does no harm: looking, and reading a plain file. Whether nothing spoke against it.
    fn try_it(&self, asked: &Asked<'_>) -> bool {
        let Some(walk) = asked.walks.first() else { return true };
        let Some(last) = walk.last() else { return true };
        let (root, path) = (Who::default(), last.component.path.as_bytes());
        let only_reads = asked.flags & (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC) == libc::O_RDONLY;
        match asked.known.does {
            Does::Open if only_reads && last.component.kind == "file" => {
                self.init.open(&root, 0, path, libc::O_RDONLY as u32, 0).is_ok()
            }
            Does::Open | Does::Look | Does::ReadAttribute | Does::Access | Does::Enter => {
                self.init.stat(&root, 0, path, true).is_ok()
            }
            _ => true,
        }
    }

    pub fn refusal(&self, seen: Seen<'_>, no: No, root_would_pass: Option<bool>) -> Refusal {
        let Seen { process, program, call, errno, walks } = seen;
        // The path that refused, where there are two.
        let of = |walk: &&Walk| {
            no.by.as_ref().is_some_and(|by| walk.parts.iter().any(|part| part.component == **by))
        };
        let walk = walks.iter().find(of).or(walks.first());
        let program = String::from_utf8_lossy(&program).into_owned();
        let mut refusal = Refusal {
            program,
            name: process.name.clone(),
            pid: process.inside,
            call,
            errno: if errno == 0 { String::new() } else { errno_name(errno).unwrap_or("?").into() },
            path: walk.map(|walk| walk.path.clone()),
            components: walk.map(components).unwrap_or_default(),
            refused_by: no.by.map(|by| *by),
            who: process.who.clone(),
            missing: no.missing,
            cause: no.cause,
            root_would_pass,
            count: 1,
            handled: false,
            fixes: Fixes::default(),
        };
        refusal.fixes = fixes::of(&refusal, self.home.as_deref());
        refusal
    }

    pub fn arguments(&self, tid: i32, known: &Known, call: &Call) -> Arguments {
        let mut read = Arguments { flags: known.open_flags(&call.arguments), ..Arguments::default() };
        let from = |dir: i32| match dir {
            libc::AT_FDCWD => process::link(tid, "cwd", &self.base),
            fd => process::link(tid, &format!("fd/{fd}"), &self.base),
        };
        // Where it has changed its root.
        let root = process::link(tid, "root", &self.base).filter(|root| root != b"/").unwrap_or_default();
        for named in known.names(&call.arguments) {
            let path = match named.address {
                // NULL: the descriptor itself, as futimens(3) has it.
                None | Some(0) => Vec::new(),
                Some(address) => trace::read_string(tid, address).unwrap_or_else(|| {
                    read.unread = true;
                    Vec::new()
                }),
            };
            let path = if path.starts_with(b"/") { [&root[..], &path].concat() } else { path };
            let dir = if path.starts_with(b"/") {
                Vec::new()
            } else {
                from(named.dir).unwrap_or_else(|| {
                    read.unread = true;
                    Vec::new()
                })
            };
            read.paths.push((dir, path));
        }
        for (i, arg) in known.args.iter().enumerate() {
            let address = call.arguments[i];
            match arg {
                Arg::Path | Arg::Text if address != 0 => {
                    let string = trace::read_string(tid, address).unwrap_or_default();
                    read.strings.push(String::from_utf8_lossy(&string).into_owned());
                }
                Arg::How => {
                    let mut flags = [0u8; 8];
                    let _ = trace::read_memory(tid, address, &mut flags);
                    read.flags = u64::from_ne_bytes(flags) as i32;
                }
                Arg::Address => {
                    let mut room = [0u8; 128];
                    let n = (call.arguments[i + 1] as usize).min(room.len());
                    let n = trace::read_memory(tid, address, &mut room[..n]).unwrap_or(0);
                    read.take_address(&room[..n], &from);
                }
                _ => {}
            }
        }
        read
    }
}

impl Arguments {
    /// struct sockaddr: a family, then what is its own.
    fn take_address(&mut self, bytes: &[u8], from: &dyn Fn(i32) -> Option<Vec<u8>>) {
        let [low, high, rest @ ..] = bytes else { return };
        let port = rest.first_chunk::<2>().map_or(0, |port| u16::from_be_bytes(*port));
        self.address = Some(match i32::from(u16::from_ne_bytes([*low, *high])) {
            libc::AF_UNIX if rest.first().is_some_and(|b| *b != 0) => {
                let path: Vec<u8> = rest.iter().copied().take_while(|b| *b != 0).collect();
                let text = format!(
                    "{{sa_family=AF_UNIX, sun_path=\"{}\"}}",
                    String::from_utf8_lossy(&path).escape_debug()
                );
                self.paths.push((from(libc::AT_FDCWD).unwrap_or_else(|| b"/".to_vec()), path));
                (Address::Path, text)
            }
            libc::AF_INET => (Address::Port(port), format!("{{sa_family=AF_INET, sin_port=htons({port})}}")),
            libc::AF_INET6 => {
                (Address::Port(port), format!("{{sa_family=AF_INET6, sin6_port=htons({port})}}"))
            }
            family => (Address::Other, format!("{{sa_family={family}}}")),
        });
    }
}

/// What was seen of a call.
pub struct Seen<'a> {
    pub process: &'a Process,
    pub program: Vec<u8>,
    pub call: String,
    pub errno: i32,
    pub walks: &'a [Walk],
}

fn components(walk: &Walk) -> Vec<Component> {
    walk.parts.iter().map(|part| part.component.clone()).collect()
}

/// What sets two refusals without paths apart: numbers, and not addresses.
fn detail(known: &Known, call: &Call) -> u64 {
    let numbers = known.args.iter().zip(call.arguments).filter(|(arg, _)| {
        matches!(arg, Arg::Id | Arg::Signal | Arg::OpenFlags | Arg::AccessMode | Arg::Flags)
    });
    numbers.fold(0, |all: u64, (_, value)| all.wrapping_mul(31).wrapping_add(value))
}

/// Root, with these capabilities.
pub fn root(capabilities: u64) -> Asker {
    Asker { capabilities: caps::names(capabilities), effective: capabilities, ..Asker::default() }
}
