//! Runs the tests of a test binary as in a container of docker's as it is by default, one after the other, and sees after each
//! that it has changed nothing of what rootlets share. `cargo xtask test` has cargo start the binaries through it:
//! `in-docker BINARY [FILTER]`.

use rootlet_tests::Host;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let binary = words.next().expect("in-docker BINARY [FILTER]");
    let list =
        Command::new(&binary).args(["--list", "--format=terse"]).args(words).output().expect("it starts");
    let Some(docker) = Host::docker() else {
        rootlet_tests::skipped("no copy of docker's profile");
        return ExitCode::SUCCESS;
    };
    let list = String::from_utf8(list.stdout).expect("names are text");
    let mut shared = Shared::default();
    let failed = list.lines().filter_map(|line| line.strip_suffix(": test")).filter(|name| {
        let output = run(&docker, &binary, name);
        let changed = shared.changed();
        let good = output.status.success() && changed.is_empty();
        println!("test {name} ... {}", if good { "ok" } else { "FAILED" });
        let said = String::from_utf8_lossy(&output.stderr);
        said.lines().filter(|line| line.starts_with("SKIPPED ")).for_each(|line| eprintln!("{line}"));
        if !good {
            println!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            changed.iter().take(10).for_each(|path| println!("changed: {}", path.display()));
        }
        !good
    });
    if failed.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(docker: &Host, binary: &str, name: &str) -> Output {
    let mut command = docker.command(binary);
    command.args(["--exact", name]).env("ROOTLET_TIER", "chroot").output().expect("a test binary starts")
}

/// Of a file, directory or symlink what must stay: mode, owner, group, size, time, inode, and contents, hashed.
type Facts = (u32, u32, u32, u64, [i64; 2], u64, u64);

/// What is known of the trees, and of each file in them.
#[derive(Default)]
struct Shared {
    trees: BTreeMap<PathBuf, BTreeMap<PathBuf, Facts>>,
    /// By device and inode, since trees share most files: when anything of it changed, the number of its links for one, and its contents.
    files: HashMap<(u64, u64), ([i64; 2], u64)>,
}

impl Shared {
    /// Looks at `path` and all below. Stores are large: what has not changed at all since it was read is not read again.
    fn look(&mut self, path: &Path, all: &mut BTreeMap<PathBuf, Facts>) {
        let m = fs::symlink_metadata(path).expect("a shared tree stays");
        let (file, changed) = ((m.dev(), m.ino()), [m.ctime(), m.ctime_nsec()]);
        let contents = match self.files.get(&file) {
            Some((when, contents)) if *when == changed => *contents,
            _ => hash(path, &m),
        };
        self.files.insert(file, (changed, contents));
        let size = if m.is_dir() { 0 } else { m.len() };
        let facts = (m.mode(), m.uid(), m.gid(), size, [m.mtime(), m.mtime_nsec()], m.ino(), contents);
        all.insert(path.to_owned(), facts);
        if m.is_dir() {
            let entries = fs::read_dir(path).expect("a shared tree can be read");
            entries.flatten().for_each(|entry| self.look(&entry.path(), all));
        }
    }

    /// What is not as it was before, in trees that were there before; a new one is looked at for the next time.
    fn changed(&mut self) -> Vec<PathBuf> {
        let mut changed = Vec::new();
        self.trees.retain(|tree, _| tree.exists());
        for tree in trees(&rootlet_tests::store()) {
            let mut now = BTreeMap::new();
            self.look(&tree, &mut now);
            if let Some(before) = self.trees.get(&tree).filter(|before| **before != now) {
                let either = before.keys().chain(now.keys());
                changed.extend(either.filter(|path| before.get(*path) != now.get(*path)).cloned());
            }
            self.trees.insert(tree, now);
        }
        changed
    }
}

fn hash(path: &Path, m: &fs::Metadata) -> u64 {
    let mut hasher = DefaultHasher::new();
    if m.is_file() {
        fs::read(path).expect("root reads everything").hash(&mut hasher);
    } else if m.is_symlink() {
        fs::read_link(path).expect("root reads everything").hash(&mut hasher);
    }
    hasher.finish()
}

/// The trees that nobody may write: layers, bases without mounts, and the patterns of roots.
fn trees(store: &Path) -> Vec<PathBuf> {
    let inner = |path: PathBuf| -> Vec<PathBuf> {
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    };
    let mut places = inner(store.join("contents"));
    places.extend(inner(store.join("layers")).into_iter().flat_map(inner));
    let patterns = places.iter().flat_map(|place| inner(place.join("patterns"))).collect::<Vec<_>>();
    let flat = places.iter().map(|place| place.join("flat")).collect::<Vec<_>>();
    let all = places.into_iter().chain(flat).chain(patterns);
    all.map(|tree| tree.join("root")).filter(|tree| tree.is_dir()).collect()
}
