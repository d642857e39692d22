//! The system call filter: what docker's and Kubernetes' default profile (RuntimeDefault) refuse to a container, so that
//! a program that tries it fails here as it does there. Refusals are EPERM, as theirs.

use crate::bpf::{ANY_OF, ARCHITECTURE, EQUAL, GREATER_OR_EQUAL, LOAD, bytes, jump, load, stop};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};
use std::collections::BTreeMap;

const CAP_SYS_ADMIN: u32 = 21;

/// What docker's published profile (moby, profiles/seccomp) refuses: capabilities any one of which lifts it (numbers of
/// linux/capability.h), and system calls. What is in none of the profile's lists is lifted by nothing.
const REFUSED: &[(&[u32], &[i64])] = &[
    (
        &[CAP_SYS_ADMIN],
        &[
            libc::SYS_mount,
            libc::SYS_umount2,
            libc::SYS_mount_setattr,
            libc::SYS_move_mount,
            libc::SYS_open_tree,
            libc::SYS_fsopen,
            libc::SYS_fsconfig,
            libc::SYS_fsmount,
            libc::SYS_fspick,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_sethostname,
            libc::SYS_setdomainname,
            libc::SYS_quotactl,
            libc::SYS_quotactl_fd,
            libc::SYS_fanotify_init,
            libc::SYS_lookup_dcookie,
        ],
    ),
    // CAP_BPF, CAP_PERFMON, CAP_SYSLOG: each of these besides CAP_SYS_ADMIN.
    (&[CAP_SYS_ADMIN, 39], &[libc::SYS_bpf]),
    (&[CAP_SYS_ADMIN, 38], &[libc::SYS_perf_event_open]),
    (&[CAP_SYS_ADMIN, 34], &[libc::SYS_syslog]),
    // CAP_DAC_READ_SEARCH
    (&[2], &[libc::SYS_open_by_handle_at]),
    // CAP_SYS_MODULE
    (&[16], &[libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module]),
    // CAP_SYS_CHROOT
    (&[18], &[libc::SYS_chroot]),
    // CAP_SYS_PTRACE
    (&[19], &[libc::SYS_kcmp, libc::SYS_pidfd_getfd, libc::SYS_process_madvise]),
    // CAP_SYS_PACCT
    (&[20], &[libc::SYS_acct]),
    // CAP_SYS_BOOT
    (&[22], &[libc::SYS_reboot]),
    // CAP_SYS_NICE
    (
        &[23],
        &[
            libc::SYS_mbind,
            libc::SYS_set_mempolicy,
            libc::SYS_get_mempolicy,
            libc::SYS_set_mempolicy_home_node,
        ],
    ),
    // CAP_SYS_TIME
    (&[25], &[libc::SYS_settimeofday, libc::SYS_clock_settime]),
    // CAP_SYS_TTY_CONFIG
    (&[26], &[libc::SYS_vhangup]),
    // CAP_SYS_RAWIO
    #[cfg(target_arch = "x86_64")]
    (&[17], &[libc::SYS_iopl, libc::SYS_ioperm]),
    #[cfg(target_arch = "x86_64")]
    (&[], &[libc::SYS_uselib, libc::SYS_ustat, libc::SYS_sysfs, libc::SYS__sysctl]),
    (
        &[],
        &[
            libc::SYS_pivot_root,
            libc::SYS_add_key,
            libc::SYS_request_key,
            libc::SYS_keyctl,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_register,
            libc::SYS_kexec_load,
            libc::SYS_kexec_file_load,
            libc::SYS_migrate_pages,
            libc::SYS_move_pages,
            libc::SYS_swapon,
            libc::SYS_swapoff,
            libc::SYS_nfsservctl,
        ],
    ),
];

/// Families of sockets that the profile leaves out: AF_ALG and AF_VSOCK.
const SOCKET_FAMILIES: [u64; 2] = [38, 40];
/// The personalities that it allows: PER_LINUX, PER_LINUX32, UNAME26 with either, and "tell me".
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Namespaces in the flags of clone(2).
const CLONE_NEW: u64 = 0x7e02_0000;
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541c;

/// The filter for commands that may have these capabilities, as [`rootlet_kernel::Bounds`] wants it.
pub(crate) fn filter(capabilities: u64, pass: u64) -> Vec<u8> {
    // Compiling cannot fail for a table that the test below compiles; an empty program would be none.
    bytes(&compile(capabilities, SeccompAction::Errno(libc::EPERM as u32), Some(pass)).unwrap_or_default())
}

/// The same filter for commands that are traced: it has the tracer refuse, to whom it says `told`. For pid 1's own calls it has no
/// word, since pid 1 is not under it.
pub(crate) fn traced(capabilities: u64, told: u16) -> BpfProgram {
    compile(capabilities, SeccompAction::Trace(told.into()), None).unwrap_or_default()
}

/// The capability that would lift the refusal of a call, where there is one.
pub(crate) fn lifted_by(call: u64) -> Option<u32> {
    let of_namespaces = (libc::SYS_clone as u64 == call).then_some(&[CAP_SYS_ADMIN][..]);
    let row = REFUSED.iter().find(|(_, calls)| calls.contains(&(call as i64)));
    row.map(|(by, _)| *by).or(of_namespaces)?.first().copied()
}

/// Calls whose answer depends on who owns a file: what an owner may do whatever the bits say.
const OWNERS: &[i64] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    libc::SYS_utimensat,
    libc::SYS_linkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
];

/// Calls that name ids, and the attribute that holds the truth of a file.
const IDS: &[i64] = &[
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
];

/// Calls that a sticky directory refuses for what is somebody else's.
const STICKY: &[i64] = &[
    libc::SYS_unlinkat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_renameat,
    libc::SYS_renameat2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
];

/// Linux 6.6; one number everywhere.
const FCHMODAT2: i64 = 452;

/// Calls that tell owners.
const STATS: &[i64] = &[
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
];

/// Calls that make files and directories.
const MAKERS: &[(i64, Answer)] = &[
    (libc::SYS_mkdirat, Answer::Asked),
    (libc::SYS_openat, Answer::AskedWith(2, libc::O_CREAT)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_mkdir, Answer::Asked),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_creat, Answer::Asked),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, Answer::AskedWith(1, libc::O_CREAT)),
];

/// Calls that leave no time of access, which is its owner's right.
const TRACELESS: &[(i64, Answer)] = &[
    (libc::SYS_openat, Answer::AskedWith(2, libc::O_NOATIME)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, Answer::AskedWith(1, libc::O_NOATIME)),
];

/// What pid 1 is asked about, where one id stands for all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// Commands are root's: they are told true owners, and may change them.
    pub root: bool,
    /// They are root's where the one id is a user's: what they make is to be root's.
    pub nested: bool,
    /// Sticky directories hold what is somebody else's.
    pub sticky: bool,
    /// The kernel cannot be told the supplementary groups, or knows others.
    pub groups: bool,
}

/// The filter that has pid 1 asked; `pass` lets pid 1's own calls through.
pub(crate) fn asking(asked: Asked, pass: u64) -> Vec<u8> {
    let parts = [
        (true, IDS),
        // Root's rights are in no bits, so what it may do is what the kernel lets it.
        (!asked.root || asked.nested, OWNERS),
        (asked.sticky, STICKY),
        (asked.groups, &[libc::SYS_getgroups]),
        (asked.root, STATS),
    ];
    let calls = parts.into_iter().filter(|(wanted, _)| *wanted).flat_map(|(_, calls)| calls);
    let mut answers: Vec<_> = calls.map(|&call| (call as u32, Answer::Asked)).collect();
    let conditional = if asked.nested { MAKERS } else { TRACELESS };
    if asked.nested || !asked.root {
        answers.extend(conditional.iter().map(|&(call, answer)| (call as u32, answer)));
    }
    answers.sort_unstable_by_key(|(call, _)| *call);
    // Another architecture's calls have other numbers; they are refused by the other filter, if there is one.
    let mut program = vec![load(4), jump(EQUAL, ARCHITECTURE, 1, 0), stop(libc::SECCOMP_RET_ALLOW), load(0)];
    program.extend(dispatch(&answers, EPERM, Some(pass)));
    bytes(&program)
}

/// Where calls of rootlet's own carry the word that lets them through: the sixth argument, which none of them uses.
const PASS: u8 = 5;

fn compile(
    capabilities: u64,
    refuse: SeccompAction,
    pass: Option<u64>,
) -> std::result::Result<BpfProgram, seccompiler::BackendError> {
    let has = |caps: &[u32]| caps.iter().any(|cap| capabilities & 1 << cap != 0);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    // TIOCSTI and TIOCLINUX put words into the mouth of whoever holds the terminal. The kernel looks at 32 bits of the
    // request, hence so do we.
    let ioctl = [TIOCSTI, TIOCLINUX].map(|request| low(1, SeccompCmpOp::Eq, request));
    rules.insert(libc::SYS_ioctl, rules_of(ioctl)?);
    rules.insert(libc::SYS_socket, rules_of(SOCKET_FAMILIES.map(|family| low(0, SeccompCmpOp::Eq, family)))?);
    let none_of: std::result::Result<Vec<_>, _> =
        PERSONALITIES.map(|p| low(0, SeccompCmpOp::Ne, p)).into_iter().collect();
    rules.insert(libc::SYS_personality, vec![SeccompRule::new(none_of?)?]);
    if capabilities & 1 << CAP_SYS_ADMIN == 0 {
        // Any of the bits: one rule each.
        let bits = (0..64).map(|n| 1u64 << n).filter(|bit| CLONE_NEW & bit != 0);
        let any: Vec<_> = bits.map(|bit| low(0, SeccompCmpOp::MaskedEq(bit), bit)).collect();
        rules.insert(libc::SYS_clone, rules_of(any)?);
    }
    let arch = if cfg!(target_arch = "aarch64") { TargetArch::aarch64 } else { TargetArch::x86_64 };
    let refused_as = u32::from(refuse.clone());
    let looked_into = rules.keys().map(|&call| (call as u32, Answer::ByRules)).collect::<Vec<_>>();
    let mut program: BpfProgram =
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch)?.try_into()?;
    let refused = REFUSED.iter().filter(|(lifted_by, _)| !has(lifted_by)).flat_map(|(_, calls)| calls.iter());
    let mut answers: Vec<_> =
        refused.map(|&call| (call as u32, Answer::Refused)).chain(looked_into).collect();
    // clone3(2) takes its flags from memory, where a filter cannot see them. As docker does, it is answered with ENOSYS,
    // so that the C library falls back to clone(2).
    if capabilities & 1 << CAP_SYS_ADMIN == 0 {
        answers.push((libc::SYS_clone3 as u32, Answer::Unknown));
    }
    answers.sort_unstable_by_key(|(call, _)| *call);
    before_rules(&mut program, &dispatch(&answers, refused_as, pass));
    Ok(program)
}

type Condition = std::result::Result<SeccompCondition, seccompiler::BackendError>;

fn low(argument: u8, operator: SeccompCmpOp, value: u64) -> Condition {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn rules_of(
    conditions: impl IntoIterator<Item = Condition>,
) -> std::result::Result<Vec<SeccompRule>, seccompiler::BackendError> {
    conditions.into_iter().map(|c| SeccompRule::new(vec![c?])).collect()
}

const EPERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const ENOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// What becomes of a call that is not simply allowed. All but the last let it through where it carries the word.
#[derive(Clone, Copy, PartialEq)]
enum Answer {
    Refused,
    Unknown,
    /// pid 1 is asked.
    Asked,
    /// Likewise, where the argument of this number has one of these flags.
    AskedWith(u8, i32),
    /// As the rules say, which come after this.
    ByRules,
}

/// Finds the call by its number, in halves: when a filter is installed, the kernel asks it about every call that there is,
/// which is a good part of a single run.
#[derive(Default)]
struct Search {
    code: BpfProgram,
    /// Jumps to be set, and where they lead.
    found: Vec<(usize, Answer)>,
}

impl Search {
    fn among(&mut self, answers: &[(u32, Answer)]) {
        if let [_, _, _, _, ..] = answers {
            let (below, above) = answers.split_at(answers.len() / 2);
            let fork = self.code.len();
            self.code.push(jump(GREATER_OR_EQUAL, above[0].0, 0, 0));
            self.among(below);
            self.code[fork].jt = distance(fork, self.code.len());
            self.among(above);
        } else {
            for &(call, answer) in answers {
                self.found.push((self.code.len(), answer));
                self.code.push(jump(EQUAL, call, 0, 0));
            }
            self.code.push(stop(libc::SECCOMP_RET_ALLOW));
        }
    }

    fn lead(&mut self, answer: Answer) {
        let here = self.code.len();
        for (from, _) in self.found.iter().filter(|(_, found)| *found == answer) {
            self.code[*from].jt = distance(*from, here);
        }
    }
}

/// As a jump counts it, in eight bits: the test below compiles the longest program.
fn distance(from: usize, to: usize) -> u8 {
    (to - from - 1) as u8
}

/// `answers` are sorted by call; `refused` is what a refusal returns; `pass` the word that lets a call through.
fn dispatch(answers: &[(u32, Answer)], refused: u32, pass: Option<u64>) -> BpfProgram {
    let mut search = Search::default();
    // The x32 interface has the same calls under other numbers.
    if cfg!(target_arch = "x86_64") {
        search.code.extend([jump(GREATER_OR_EQUAL, 0x4000_0000, 0, 1), stop(ENOSYS)]);
    }
    search.among(answers);
    // Offsets in struct seccomp_data, whose words are in the machine's order.
    let argument = 16 + 8 * u32::from(PASS);
    for &(_, answer) in answers {
        if let Answer::AskedWith(argument, flags) = answer {
            search.lead(answer);
            let has_one = jump(ANY_OF, flags as u32, 1, 0);
            search.code.extend([load(16 + 8 * u32::from(argument)), has_one]);
            search.code.extend([stop(libc::SECCOMP_RET_ALLOW), stop(libc::SECCOMP_RET_USER_NOTIF)]);
        }
    }
    let asked = (Answer::Asked, libc::SECCOMP_RET_USER_NOTIF);
    for (answer, action) in [(Answer::Refused, refused), (Answer::Unknown, ENOSYS), asked] {
        if answers.iter().all(|(_, known)| *known != answer) {
            continue;
        }
        search.lead(answer);
        if let Some(pass) = pass {
            search.code.extend([
                load(argument),
                jump(EQUAL, pass as u32, 0, 3),
                load(argument + 4),
                jump(EQUAL, (pass >> 32) as u32, 0, 1),
                stop(libc::SECCOMP_RET_ALLOW),
            ]);
        }
        search.code.push(stop(action));
    }
    search.lead(Answer::ByRules);
    search.code
}

/// Puts instructions right behind where the program loads the number of the call (offset 0 of struct seccomp_data).
fn before_rules(program: &mut BpfProgram, instructions: &[sock_filter]) {
    let at = program.iter().position(|f| f.code == LOAD && f.k == 0).map_or(0, |i| i + 1);
    program.splice(at..at, instructions.iter().cloned());
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS_WORD: u64 = 0x1234_5678_9abc_def0;
    const DOCKERS: u64 = 0xa804_25fb;

    #[test]
    fn it_compiles_for_every_set() {
        for caps in [0, 1 << CAP_SYS_ADMIN, u64::MAX, DOCKERS] {
            let program = compile(caps, REFUSE, Some(PASS_WORD)).unwrap();
            // Jumps reach 255 instructions.
            assert!((10..250).contains(&program.len()), "{}", program.len());
        }
        assert!(compile(0, REFUSE, None).unwrap().len() > compile(u64::MAX, REFUSE, None).unwrap().len());
    }

    const REFUSE: SeccompAction = SeccompAction::Errno(libc::EPERM as u32);

    fn answer(program: &[sock_filter], call: u32, arguments: [u64; 6]) -> u32 {
        crate::bpf::answer(program, ARCHITECTURE, call, arguments)
    }

    #[test]
    fn every_call_is_answered_as_the_table_says() {
        for caps in [0, DOCKERS, 1 << CAP_SYS_ADMIN, u64::MAX] {
            let program = compile(caps, REFUSE, Some(PASS_WORD)).unwrap();
            for call in 0..1000 {
                let row = REFUSED.iter().find(|(_, calls)| calls.contains(&i64::from(call)));
                let lifted = |by: &[u32]| by.iter().any(|cap| caps & 1 << cap != 0);
                let wanted = match row {
                    Some((by, _)) if !lifted(by) => EPERM,
                    _ if i64::from(call) == libc::SYS_clone3 && !lifted(&[CAP_SYS_ADMIN]) => ENOSYS,
                    _ => libc::SECCOMP_RET_ALLOW,
                };
                assert_eq!(answer(&program, call, [0; 6]), wanted, "call {call}, capabilities {caps:#x}");
                let own = answer(&program, call, [0, 0, 0, 0, 0, PASS_WORD]);
                assert_eq!(own, libc::SECCOMP_RET_ALLOW, "rootlet's own call {call}");
                let nearly = answer(&program, call, [0, 0, 0, 0, 0, PASS_WORD ^ 1 << 40]);
                assert_eq!(nearly, wanted, "call {call} with a wrong word");
            }
        }
    }

    #[test]
    fn a_tracer_is_told_of_the_same() {
        for caps in [0, DOCKERS, u64::MAX] {
            let (plain, told) = (compile(caps, REFUSE, Some(PASS_WORD)).unwrap(), traced(caps, 7));
            for (call, argument) in (0..1000).flat_map(|call| [(call, 0), (call, 40), (call, CLONE_NEW)]) {
                let arguments = [argument, TIOCSTI, 0, 0, 0, 0];
                let wanted = match answer(&plain, call, arguments) {
                    EPERM => libc::SECCOMP_RET_TRACE | 7,
                    other => other,
                };
                assert_eq!(answer(&told, call, arguments), wanted, "call {call}, capabilities {caps:#x}");
            }
        }
    }

    #[test]
    fn arguments_are_looked_into() {
        let program = compile(DOCKERS, REFUSE, Some(PASS_WORD)).unwrap();
        let answer = |call: i64, first, second| answer(&program, call as u32, [first, second, 0, 0, 0, 0]);
        for (call, first, second) in [
            (libc::SYS_ioctl, 0, TIOCSTI),
            (libc::SYS_ioctl, 0, TIOCLINUX | 1 << 32),
            (libc::SYS_socket, 40, 0),
            (libc::SYS_personality, 0x4_0000, 0),
            (libc::SYS_clone, CLONE_NEW & (CLONE_NEW - 1), 0),
        ] {
            assert_eq!(answer(call, first, second), EPERM, "{call} {first:#x} {second:#x}");
        }
        for (call, first) in [(libc::SYS_socket, 2), (libc::SYS_personality, 8), (libc::SYS_clone, 0x11)] {
            assert_eq!(answer(call, first, 0), libc::SECCOMP_RET_ALLOW, "{call} {first:#x}");
        }
        #[cfg(target_arch = "x86_64")]
        assert_eq!(answer(0x4000_0000, 0, 0), ENOSYS);
    }
}
