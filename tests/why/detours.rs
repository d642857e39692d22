//! Programs that make many calls from one place: these stop nobody, unless one is refused, and nothing else is different.

use crate::services::services;
use crate::{explained, only};
use rootlet::Rootlet;
use rootlet::why::{Cause, Explained};

/// Python of Debian, as sam, in a root with a tree of files and a file of root's.
fn root() -> Option<Rootlet> {
    let root = Rootlet::builder(&services()?).user("sam").spawn().unwrap();
    root.write("/srv/secret", "x").unwrap();
    root.set_permissions("/srv/secret", 0o600).unwrap();
    root.create_dir("/srv/tree").unwrap();
    for name in 0..300 {
        root.write(format!("/srv/tree/{name}"), name.to_string()).unwrap();
    }
    Some(root)
}

const PYTHON: &str = "
import ctypes, os, signal, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
def refused(path='/srv/secret'):
    try: os.close(os.open(path, os.O_RDONLY))
    except OSError as e: return e.errno
    return 0
def look(times, path='/srv/tree/1'):
    for i in range(times): os.stat(path)
    for i in range(times): os.close(os.open(path, os.O_RDONLY))
";

fn run(root: &Rootlet, code: &str) -> Option<Explained> {
    let code = format!("{PYTHON}{code}");
    let explained = explained(root.command("/usr/bin/python3").args(["-c", &code]))?;
    let error = String::from_utf8_lossy(&explained.output.stderr).into_owned();
    assert!(!error.contains("Traceback"), "{error}");
    Some(explained)
}

#[test]
fn each_refusal_is_seen_among_those_that_go_well() {
    let Some(root) = root() else { return };
    let code = "
look(50)
for i in range(1000): look(3); assert refused() == 13
sys.exit(1)";
    let Some(explained) = run(&root, code) else { return };
    let refusal = only(&explained);
    assert_eq!((refusal.count, refusal.cause, refusal.errno.as_str()), (1000, Cause::Mode, "EACCES"));
    assert_eq!(refusal.path.as_deref(), Some("/srv/secret"));
    assert!(
        refusal.call.starts_with("openat(AT_FDCWD, \"/srv/secret\", O_RDONLY|O_CLOEXEC"),
        "{}",
        refusal.call
    );
}

#[test]
fn each_is_seen_that_only_an_owner_may() {
    let Some(base) = services() else { return };
    let root = Rootlet::builder(&base).user("sam").explain(true).spawn().unwrap();
    let code = "
def owners(call):
    try: call()
    except PermissionError: return
    assert False
for i in range(100):
    owners(lambda: os.chmod('/etc', 0o700)); owners(lambda: os.utime('/etc', (0, 0))); owners(lambda: os.chown('/tmp', 0, 0))
sys.exit(1)";
    let Some(explained) = run(&root, code) else { return };
    let counts: Vec<u64> = explained.why.refusals.iter().map(|refusal| refusal.count).collect();
    assert_eq!(counts, [100, 100, 100], "{}", explained.why);
    let causes: Vec<Cause> = explained.why.refusals.iter().map(|refusal| refusal.cause).collect();
    assert_eq!(causes, [Cause::MissingCapability, Cause::Ownership, Cause::Ownership], "{}", explained.why);
}

#[test]
fn calls_that_stopped_nobody_count_where_reasons_are_near() {
    let Some(root) = root() else { return };
    // The first was handled long before the end.
    let code = "look(50); refused('/root/early'); look(500); refused(); sys.exit(1)";
    let Some(explained) = run(&root, code) else { return };
    assert_eq!(only(&explained).path.as_deref(), Some("/srv/secret"), "{}", explained.why);
    assert_eq!(explained.why.refusals.len(), 2, "{}", explained.why);
    // Also in a process that was begun, and one that executes another program at its end.
    for begun in [
        "if os.fork() == 0: refused('/root/early'); look(500); refused(); os._exit(1)\nos.wait()",
        "refused('/root/early'); look(500); os.execv('/bin/cat', ['cat', '/srv/secret'])",
    ] {
        let Some(explained) = run(&root, &format!("look(50)\n{begun}\nsys.exit(1)")) else { return };
        assert_eq!(only(&explained).path.as_deref(), Some("/srv/secret"), "{}", explained.why);
    }
}

#[test]
fn what_is_begun_later_is_seen() {
    let Some(root) = root() else { return };
    let code = "
look(50); refused()
for i in range(20):
    if os.fork() == 0: look(20); refused(); os._exit(0)
    os.wait()
threads = [threading.Thread(target=lambda: [refused() for i in range(30)]) for t in range(8)]
for t in threads: t.start()
for t in threads: t.join()
for i in range(5): os.spawnv(os.P_WAIT, '/bin/cat', ['cat', '/srv/secret'])
os.system('cat /srv/secret; cd /srv/tree; for i in *; do cat $i; done >/dev/null')
sys.exit(1)";
    let Some(explained) = run(&root, code) else { return };
    let count = |program: &str| -> u64 {
        let by = explained.why.refusals.iter().filter(|refusal| refusal.program.contains(program));
        by.map(|refusal| refusal.count).sum()
    };
    assert_eq!((count("python"), count("cat")), (1 + 20 + 8 * 30, 5 + 1), "{}", explained.why);
}

#[test]
fn a_program_does_not_notice() {
    let Some(root) = root() else { return };
    // Timers that interrupt everything, results of all sorts, and all that a walk through a tree finds.
    let code = "
ticks = 0
def tick(*_):
    global ticks
    ticks += 1
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
for i in range(3000):
    assert os.stat('/srv/tree/7').st_size == 1
    assert refused('/srv/none') == 2 and refused('/srv/tree/7/x') == 20 and refused() == 13
    assert os.readlink('/proc/self/cwd') == os.getcwd() and os.access('/srv', os.R_OK) and not os.access('/srv', os.W_OK)
signal.setitimer(signal.ITIMER_REAL, 0)
assert ticks
assert libc.open(8, 0) == -1 and ctypes.get_errno() == 14";
    let Some(explained) = run(&root, code) else { return };
    assert!(explained.output.status.success(), "{}", String::from_utf8_lossy(&explained.output.stderr));
    let script = "tar -C /usr/lib -cf - python3 git-core | sha256sum; find /usr/share /etc -printf '%p %s %l\n' | sort | sha256sum";
    let plain = root.command("sh").args(["-c", script]).output().unwrap();
    let traced = root.command("sh").args(["-c", script]).explain().unwrap();
    assert_eq!(plain.stdout, traced.output.stdout);
}

#[test]
fn most_calls_stop_nobody() {
    if cfg!(not(target_arch = "x86_64")) {
        return;
    }
    let Some(root) = root() else { return };
    // Each stop of the thread for its tracer is a switch that it did not ask for, or did: none of its own are left out.
    let code = "
import resource
def switches():
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return usage.ru_nvcsw + usage.ru_nivcsw
look(50)
before = switches()
look(5000)
print(switches() - before)";
    let Some(explained) = run(&root, code) else { return };
    let switches: u64 = String::from_utf8(explained.output.stdout).unwrap().trim().parse().unwrap();
    assert!(switches < 5000, "{switches} switches in 10,000 calls");
}

#[test]
fn a_filter_that_comes_later_is_obeyed() {
    let Some(root) = root() else { return };
    // struct sock_filter: openat(2) gives EPERM, or is handed to a tracer; libc's own numbers of prctl(2).
    let code = |action: &str| {
        format!(
            "
look(50)
import struct
program = b''.join(struct.pack('HBBI', *i) for i in
    [(0x20, 0, 0, 0), (0x15, 0, 1, 257), (6, 0, 0, {action}), (6, 0, 0, 0x7fff0000)])
room = ctypes.create_string_buffer(program)
class Fprog(ctypes.Structure): _fields_ = [('len', ctypes.c_ushort), ('filter', ctypes.c_void_p)]
fprog = Fprog(4, ctypes.addressof(room))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(fprog)) == 0
errors = set(refused('/srv/tree/1') for i in range(100))
os.stat('/srv/tree/1')
print(errors)"
        )
    };
    for (action, errors) in [("0x00050001", "{1}"), ("0x7ff05259", "{38}"), ("0x7ff00001", "{38}")] {
        let plain = root
            .command("/usr/bin/python3")
            .args(["-c", &format!("{PYTHON}{}", code(action))])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&plain.stdout).trim(), errors, "{action}");
        let Some(explained) = run(&root, &code(action)) else { return };
        assert_eq!(explained.output.stdout, plain.stdout, "{action}");
    }
}
