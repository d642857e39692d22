//! The table: whose file, with which mode, in what directory, and what is tried on it.
//!
//! Products of short lists, so that what a list leaves out is seen at once. Each combination that changes something has a
//! subtree of its own, hence all of them are tried in one root.

use rootlet_tests::facts::attempt::{Attempt, Operation};

/// Owner and group.
pub type Owner = (u32, u32);

/// Whose things are: root's, the user's own, with the user's group or one that he may be in by way of a supplementary
/// group, or a stranger's, whose group may be the user's.
const OWNERS: &[Owner] = &[(0, 0), (1000, 1000), (1000, 3000), (0, 1000), (0, 2000), (3000, 0)];

/// What each of the three classes may have and the others not, what is usual, and the bits of a program.
const FILE_MODES: &[u32] = &[0o400, 0o044, 0o077, 0o644, 0o664, 0o666, 0o4755, 0o2775];

const DIRECTORY_MODES: &[u32] = &[0o700, 0o070, 0o711, 0o755, 0o775, 0o777, 0o1777, 0o2775];

/// Who may remove what is in a directory: its owner, its group, anybody, anybody where it is sticky.
const HOLDERS: &[u32] = &[0o755, 0o775, 0o777, 0o1777];

/// Whose the entries of a directory are.
const ENTRY_OWNERS: &[Owner] = &[(0, 0), (1000, 1000), (3000, 2000)];

/// Directories between which files are moved.
const PAIRED: &[(Owner, u32)] =
    &[((1000, 1000), 0o755), ((0, 2000), 0o775), ((0, 0), 0o1777), ((3000, 0), 0o777)];

/// Something in the tree.
pub struct Node {
    /// Absolute path.
    pub path: String,
    pub kind: Kind,
    pub owner: Owner,
    pub mode: u32,
}

/// What it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Directory,
    /// A program that exits with the last byte of its effective user's or group's number.
    Program {
        group: bool,
    },
    /// A symlink to this.
    Symlink(&'static str),
}

/// One line of the table.
pub struct Combination {
    /// What it is, for a person; no two have the same.
    pub name: String,
    pub attempt: Attempt,
}

/// All lines, and the tree that they need.
#[derive(Default)]
pub struct Table {
    pub combinations: Vec<Combination>,
    pub nodes: Vec<Node>,
}

impl Table {
    /// The whole table.
    pub fn new() -> Self {
        let mut table = Self::empty();
        table.files();
        table.directories();
        table.entries();
        table.two_directories();
        table.links();
        table.ids();
        table
    }

    /// Directories alone.
    pub fn of_directories() -> Self {
        let mut table = Self::empty();
        table.directories();
        table
    }

    fn empty() -> Self {
        let mut table = Self::default();
        table.node("/t", Kind::Directory, (0, 0), 0o755);
        table
    }

    fn node(&mut self, path: &str, kind: Kind, owner: Owner, mode: u32) {
        self.nodes.push(Node { path: path.into(), kind, owner, mode });
    }

    fn program(&mut self, path: &str, owner: Owner, mode: u32) {
        // What a program of the set-group-ID kind is asked for is its group.
        self.node(path, Kind::Program { group: mode & 0o2000 != 0 }, owner, mode);
    }

    /// A path of its own for the next combination, in a directory where everybody may look.
    fn place(&self) -> String {
        format!("/t/{}", self.nodes.len())
    }

    /// What `make` makes, once for all operations that leave it as it is.
    fn unless_unchanged(
        &mut self,
        known: &mut Option<String>,
        operation: &Operation,
        make: impl Fn(&mut Self) -> String,
    ) -> String {
        use Operation::{Access, Chdir, Exec, List, Read, ReadNoAtime, Stat};
        match operation {
            Access(_) | Chdir | Exec | List | Read | ReadNoAtime | Stat => {
                known.get_or_insert_with(|| make(self)).clone()
            }
            _ => make(self),
        }
    }

    fn line(&mut self, scene: &str, operation: Operation, path: String, other: String, look: bool) {
        let name = format!("{scene}: {operation:?}{}", if look { ", and look" } else { "" });
        self.combinations.push(Combination { name, attempt: Attempt { operation, path, other, look } });
    }

    /// What is tried on a file in a directory where everybody may look.
    fn files(&mut self) {
        for &owner in OWNERS {
            for &mode in FILE_MODES {
                let mut unchanged = None;
                for (operation, look) in on_file() {
                    let file = self.unless_unchanged(&mut unchanged, &operation, |table| {
                        let file = table.place();
                        table.program(&file, owner, mode);
                        file
                    });
                    self.line(&format!("file {}", shown(owner, mode)), operation, file, String::new(), look);
                }
            }
        }
    }

    /// What is tried on a directory itself, and in it.
    fn directories(&mut self) {
        for &owner in OWNERS {
            for &mode in DIRECTORY_MODES {
                let scene = format!("directory {}", shown(owner, mode));
                let mut unchanged = None;
                for (operation, name, look) in on_directory().into_iter().chain(in_directory()) {
                    let directory = self.unless_unchanged(&mut unchanged, &operation, |table| {
                        table.directory(owner, mode, (0, 0), &[name, "/f"])
                    });
                    let other = if operation == Operation::Symlink { "anywhere" } else { "" };
                    self.line(&format!("{scene} {name}"), operation, directory + name, other.into(), look);
                }
            }
        }
    }

    /// A directory with those of its entries that these paths name or go through: the files f and g, the directory e.
    fn directory(&mut self, owner: Owner, mode: u32, of_entries: Owner, names: &[&str]) -> String {
        let directory = self.place();
        self.node(&directory, Kind::Directory, owner, mode);
        let named = |entry: &str| names.iter().any(|name| name.starts_with(entry));
        for (name, mode) in [("/f", 0o644), ("/g", 0o666)] {
            if named(name) {
                self.program(&format!("{directory}{name}"), of_entries, mode);
            }
        }
        if named("/e") {
            self.node(&format!("{directory}/e"), Kind::Directory, of_entries, 0o755);
        }
        directory
    }

    /// What depends on whose the entries of a directory are, most of all where it is sticky.
    fn entries(&mut self) {
        for &owner in OWNERS {
            for &mode in HOLDERS {
                for &of_entries in ENTRY_OWNERS {
                    let (uid, gid) = of_entries;
                    let scene = format!("directory {} with entries of {uid}:{gid}", shown(owner, mode));
                    for (operation, from, to) in on_entries() {
                        let directory = self.directory(owner, mode, of_entries, &[from, to]);
                        let other = if to.is_empty() { String::new() } else { format!("{directory}{to}") };
                        let scene = format!("{scene} {from} {to}");
                        self.line(&scene, operation, directory + from, other, false);
                    }
                }
            }
        }
    }

    /// From one directory to another.
    fn two_directories(&mut self) {
        for &(from, from_mode) in PAIRED {
            for &(to, to_mode) in PAIRED {
                for &(uid, gid) in ENTRY_OWNERS {
                    let between = format!("from {} to {}", shown(from, from_mode), shown(to, to_mode));
                    for operation in [Operation::Rename, Operation::Link, Operation::Exchange] {
                        let source = self.directory(from, from_mode, (uid, gid), &["/f"]) + "/f";
                        let there = if operation == Operation::Exchange { "/f" } else { "" };
                        let target = self.directory(to, to_mode, (1000, 1000), &[there]) + "/f";
                        self.line(
                            &format!("file of {uid}:{gid} {between}"),
                            operation,
                            source,
                            target,
                            false,
                        );
                    }
                }
            }
        }
    }

    /// Symlinks: whose they are matters where a directory is sticky, and to lchown(2).
    fn links(&mut self) {
        use Operation::{Chdir, Lchown, Read, Unlink};
        for &owner in ENTRY_OWNERS {
            for (directory, mode) in [((0, 0), 0o755), ((0, 0), 0o1777), ((1000, 1000), 0o1777)] {
                let scene = format!("symlink of {}:{} in {}", owner.0, owner.1, shown(directory, mode));
                let lchown = [Lchown(Some(1000), None), Lchown(None, Some(2000)), Lchown(None, None)];
                for operation in [Read, Chdir, Unlink].into_iter().chain(lchown) {
                    let link = self.directory(directory, mode, owner, &[]) + "/l";
                    self.node(&link, Kind::Symlink("/etc/passwd"), owner, 0o777);
                    self.line(&scene, operation, link, String::new(), false);
                }
            }
        }
    }

    /// What concerns the process alone.
    fn ids(&mut self) {
        for id in [0, 1, 1000, 2000, 3000, 65_534] {
            self.line("process", Operation::SetUid(id), String::new(), String::new(), false);
            self.line("process", Operation::SetGid(id), String::new(), String::new(), false);
        }
        for ids in [vec![], vec![0], vec![2000], vec![1000, 2000]] {
            self.line("process", Operation::SetGroups(ids), String::new(), String::new(), false);
        }
    }
}

/// Calls on a file, and whether to look afterwards.
fn on_file() -> Vec<(Operation, bool)> {
    use Operation::{
        Access, Append, Chmod, Chown, Exec, Fchmod, OpenOrCreate, Read, ReadNoAtime, SetAttribute, SetTimes,
        Stat, Touch, Truncate, Write,
    };
    let plain = [
        Read,
        ReadNoAtime,
        Write,
        Append,
        Truncate,
        OpenOrCreate,
        Access(4),
        Access(2),
        Access(1),
        Stat,
        Exec,
        Chmod(0o666),
        Fchmod(0o600),
        Chown(None, None),
        Chown(Some(1000), None),
        Chown(Some(0), None),
        Chown(Some(3000), None),
        Chown(None, Some(1000)),
        Chown(None, Some(2000)),
        Chown(None, Some(0)),
        Chown(Some(1000), Some(1000)),
        Touch,
        SetTimes,
        SetAttribute,
    ];
    let looked =
        [Write, Truncate, Chmod(0o2775), Chmod(0o4711), Chown(None, Some(1000)), Chown(None, Some(2000))];
    plain.map(|one| (one, false)).into_iter().chain(looked.map(|one| (one, true))).collect()
}

/// Calls on a directory itself.
fn on_directory() -> Vec<(Operation, &'static str, bool)> {
    use Operation::{
        Access, Chdir, Chmod, Chown, List, Nameless, Rmdir, SetAttribute, SetTimes, Stat, Touch,
    };
    let plain = [
        List,
        Chdir,
        Stat,
        Access(4),
        Access(2),
        Access(1),
        Chmod(0o777),
        Chown(None, Some(2000)),
        Chown(Some(1000), None),
        Touch,
        SetTimes,
        SetAttribute,
        Nameless,
        Rmdir,
    ];
    plain.map(|one| (one, "", false)).into_iter().chain([(Chmod(0o2777), "", true)]).collect()
}

/// Calls on what is, or is to be, in a directory.
fn in_directory() -> Vec<(Operation, &'static str, bool)> {
    use Operation::{Create, Mkdir, Mkfifo, OpenOrCreate, Read, Stat, Symlink, Write};
    vec![
        (Create, "/new", false),
        (Create, "/new", true),
        (Create, "/f", false),
        (Create, "/e/new", false),
        (OpenOrCreate, "/new", false),
        (Mkdir, "/new", false),
        (Mkdir, "/new", true),
        (Mkfifo, "/new", false),
        (Symlink, "/new", false),
        (Read, "/f", false),
        (Write, "/g", false),
        (Stat, "/f", false),
        (Stat, "/nothing", false),
    ]
}

/// Calls on entries of one directory, by their names in it.
fn on_entries() -> Vec<(Operation, &'static str, &'static str)> {
    use Operation::{Exchange, Link, OpenOrCreate, Rename, RenameNoReplace, Rmdir, Unlink};
    vec![
        (Unlink, "/f", ""),
        (Unlink, "/e", ""),
        (Rmdir, "/e", ""),
        (Rename, "/f", "/new"),
        (Rename, "/f", "/g"),
        (Rename, "/f", "/e"),
        (Rename, "/f", "/e/new"),
        (Rename, "/e", "/new"),
        (RenameNoReplace, "/f", "/g"),
        (Exchange, "/f", "/g"),
        (Link, "/f", "/new"),
        (Link, "/g", "/new"),
        (Link, "/g", "/f"),
        (OpenOrCreate, "/g", ""),
    ]
}

fn shown((uid, gid): Owner, mode: u32) -> String {
    format!("{uid}:{gid} {mode:04o}")
}
