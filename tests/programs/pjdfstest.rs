//! pjdfstest, a suite of what POSIX says of files: the same outcomes inside as outside, but for what
//! docs/differences.md explains.
//!
//! Outside is a tmpfs, as the writable layer is one: mounted by real root, or by an ordinary user as root of a user
//! namespace, for he has no other root. As nobody but himself, an ordinary user needs none: he stands in a directory.

use super::text;
use rootlet::spec::Writable;
use rootlet::{Base, Rootlet, Store};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// All that Linux has. Times of files are as fine as the timer's ticks, the coarsest of which are 10 ms apart.
const CONFIGURATION: &str = r#"
[features]
posix_fallocate = {}
rename_ctime = {}
utime_now = {}
utimensat = {}
[settings]
naptime = 0.02
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
"#;

/// Makes the outside and becomes the user in it. The program and its configuration are copied, since that user may not be
/// able to walk to where they are.
const OUTSIDE: &str = r#"
set -e
mount -t tmpfs -o mode=0755 tmpfs /mnt
cp "$0" /mnt/pjdfstest; cp "$1" /mnt/pjdfstest.toml; mkdir -m 1777 "$2"
exec setpriv --reuid "$3" --regid "$3" --clear-groups /mnt/pjdfstest -c /mnt/pjdfstest.toml -s /dev/shm -p "$2"
"#;

/// `ok`, `FAILED` or `skipped`, and why.
type Outcome = (String, String);

/// Every difference that there may be; docs/differences.md has the same, with their reasons.
fn explained(test: &str, (word, why): &Outcome) -> bool {
    let device = test.ends_with("::block") || test.ends_with("::char");
    match word.as_str() {
        "FAILED" if rootlet_tests::chroot() && test.ends_with("::exdev_target") => true,
        "FAILED" if rootlet_tests::chroot() && test == "link::link_count_max" => true,
        "FAILED" => device && (why.ends_with(" EPERM") || why.starts_with("assertion failed: mknod(")),
        "skipped" if test == "link::link_count_max" => why.ends_with("filesystem limit is unknown"),
        "skipped" if test == "rmdir::ebusy" => why.contains("CAP_SYS_ADMIN"),
        _ => false,
    }
}

#[test]
fn posix_as_root() {
    if rootlet_tests::one_id() {
        // As root the suite becomes other users, and there are none: setuid(2) only seems to be done.
        return;
    }
    compare("root", 0);
}

#[test]
fn posix_as_the_production_user() {
    compare("sam", 1000);
}

fn compare(user: &str, uid: u32) {
    let Some(program) = rootlet_tests::pjdfstest() else {
        return rootlet_tests::skipped("no pjdfstest");
    };
    let Some(debian) = rootlet_tests::debian_tar() else {
        return rootlet_tests::skipped("no tarball of debian");
    };
    let store = Store::open(rootlet_tests::store()).unwrap();
    let base = Base::resolve(&format!("tar:{}", debian.display()), &store).unwrap();

    let scratch = Scratch::new(user);
    let (place, said) = scratch.outside(&program, uid);
    let outside = outcomes(&said);
    for writable in [Writable::Memory, Writable::Disk] {
        let inside = outcomes(&inside(&base, user, writable, &program, &place));
        assert!(inside.keys().eq(outside.keys()), "not the same tests");
        let (same, differ): (Vec<_>, Vec<_>) =
            inside.iter().partition(|(test, (word, _))| *word == outside[*test].0);
        println!("{user} on {writable:?}: {} the same, {} differ as explained", same.len(), differ.len());
        let strange: Vec<_> =
            differ.into_iter().filter(|(test, outcome)| !explained(test, outcome)).collect();
        assert!(strange.is_empty(), "{strange:#?}");
    }
}

fn inside(base: &Base, user: &str, writable: Writable, program: &Path, place: &Path) -> Output {
    let builder = Rootlet::builder(base).user(user).writable(writable);
    let root = builder.bind_read_only(program, "/pjdfstest").spawn().unwrap();
    root.write("/pjdfstest.toml", CONFIGURATION).unwrap();
    // The same path as outside: whether the suite's arithmetic of the longest path works out depends on its length.
    root.create_dir_all(place).unwrap();
    root.set_permissions(place, 0o1777).unwrap();
    let mut suite = root.command("/pjdfstest");
    suite.args(["-c", "/pjdfstest.toml", "-s", "/dev/shm", "-p"]).arg(place).env("RUST_BACKTRACE", "0");
    suite.output().unwrap()
}

/// A directory of the caller's; removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(user: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("pjdfstest-{user}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("pjdfstest.toml"), CONFIGURATION).unwrap();
        Scratch(path)
    }

    /// Runs the suite as this user of the host; says where it stood.
    fn outside(&self, program: &Path, uid: u32) -> (PathBuf, Output) {
        let configuration = self.0.join("pjdfstest.toml");
        let real_root = rustix::process::geteuid().is_root();
        if !real_root && uid != 0 {
            let mut suite = Command::new(program);
            suite.arg("-c").arg(configuration).args(["-s", "/dev/shm", "-p"]).arg(&self.0);
            return (self.0.clone(), suite.env("RUST_BACKTRACE", "0").output().unwrap());
        }
        let place = PathBuf::from("/mnt/here");
        let mut suite = Command::new("unshare");
        suite.args(if real_root { &["--mount"][..] } else { &["--mount", "--map-root-user", "--map-auto"] });
        suite.args(["sh", "-c", OUTSIDE]).arg(program).arg(configuration).arg(&place).arg(uid.to_string());
        (place, suite.env("RUST_BACKTRACE", "0").output().unwrap())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A line for each test, `NAME WORD`, with the reason on the next one.
fn outcomes(output: &Output) -> BTreeMap<String, Outcome> {
    let text = text(output);
    assert!(text.contains("\nSummary: "), "{text}");
    let mut lines = text.lines().peekable();
    let mut outcomes = BTreeMap::new();
    while let Some(line) = lines.next() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [test, word @ ("ok" | "FAILED" | "skipped")] = words[..] {
            let why = lines.peek().and_then(|next| next.strip_prefix('\t')).unwrap_or_default();
            outcomes.insert(test.to_owned(), (word.to_owned(), why.to_owned()));
        }
    }
    let total = format!("{} total", outcomes.len());
    assert!(text.contains(&total) && outcomes.values().any(|(word, _)| word == "ok"), "{text}");
    outcomes
}
