//! Why something is refused: each cause on a real root, by programs that really are refused it.

#[path = "why/causes.rs"]
mod causes;
#[path = "why/command.rs"]
mod command;
#[path = "why/detours.rs"]
mod detours;
#[path = "why/fixes.rs"]
mod fixes;
#[path = "why/gathered.rs"]
mod gathered;
#[path = "why/page.rs"]
mod page;
#[path = "why/programs.rs"]
mod programs;
#[path = "why/runtimes.rs"]
mod runtimes;
#[path = "why/services.rs"]
mod services;
#[path = "why/surprises.rs"]
mod surprises;

use rootlet::why::{Explained, Refusal};
use rootlet::{Base, Builder, ErrorKind, Rootlet, Store};

/// Alpine, as the tests of the library have it.
fn alpine() -> Option<Base> {
    let Some(tar) = rootlet_tests::alpine_tar() else {
        rootlet_tests::skipped("no tarball of alpine");
        return None;
    };
    let store = Store::open(rootlet_tests::store()).unwrap();
    Some(Base::resolve(&format!("tar:{}", tar.display()), &store).unwrap())
}

/// A root of Alpine whose user is sam; ends the test where there is none.
macro_rules! root {
    () => {
        root!(|builder| builder)
    };
    ($change:expr) => {{
        let Some(base) = crate::alpine() else { return };
        crate::made(&base, $change)
    }};
}
use root;

fn made(base: &Base, change: impl FnOnce(Builder) -> Builder) -> Rootlet {
    change(Rootlet::builder(base).user("sam")).spawn().unwrap()
}

/// Explains a script; ends the test where processes without namespaces may not be traced, as docker's default container has it.
macro_rules! explain {
    ($root:expr, $script:expr) => {
        match crate::explained($root.command("sh").args(["-c", $script])) {
            Some(explained) => explained,
            None => return,
        }
    };
}
use explain;

fn explained(command: &mut rootlet::Command<'_>) -> Option<Explained> {
    match command.explain() {
        Err(e) if rootlet_tests::chroot() && e.kind() == ErrorKind::Host => {
            assert!(e.hint().is_some_and(|hint| hint.contains("SYS_PTRACE")), "{e:?}");
            None
        }
        explained => Some(explained.unwrap()),
    }
}

/// Whether this process may not see where links in /proc of those that it traces lead, as root in docker's default container: what begins
/// where a program stands is not explained, nor is a setuid program, and programs are called as they call themselves.
fn sees_no_links() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    const SYS_PTRACE: u64 = 1 << 19;
    rootlet_tests::chroot() && u64::from_str_radix(capabilities, 16).unwrap() & SYS_PTRACE == 0
}

/// The only refusal that was not handled.
#[track_caller]
fn only(explained: &Explained) -> &Refusal {
    let failed: Vec<_> = explained.why.refusals.iter().filter(|refusal| !refusal.handled).collect();
    assert_eq!(failed.len(), 1, "{}", explained.why);
    failed[0]
}

/// Path, owner, group and mode of what refused.
#[track_caller]
fn by(refusal: &Refusal) -> (&str, u32, u32, u32) {
    let by = refusal.refused_by.as_ref().expect("something refused");
    (&by.path, by.uid, by.gid, by.mode)
}
