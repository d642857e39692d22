//! Files that steps write: into a root, as its root, whose changes become a layer.

use super::memo::key;
use super::pattern::Patterns;
use super::place::{Found, Kind, Place};
use super::state::State;
use super::{Engine, Result};
use crate::commit::Commit;
use crate::functions::Outcome;
use crate::{Error, Identity, Rootlet};
use rootlet_base::{Base, LayerWriter};
use rootlet_spec::pipeline::{Copied, FileStep};
use rootlet_spec::{GroupSpec, Net, UserSpec, Writable};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// The form of what is written; another one is another layer.
const VERSION: &str = "files 2";

/// Something to be written.
pub(super) struct Write {
    /// What it depends on besides what it is written into.
    key: String,
    what: What,
}

enum What {
    /// All that is at a place, as far as it is taken.
    Copy {
        from: Place,
        patterns: Patterns,
        to: String,
        owner: Option<String>,
        mode: Option<u32>,
    },
    /// Some of it.
    Some {
        from: Place,
        relative: Vec<PathBuf>,
        to: String,
    },
    File {
        to: String,
        contents: Vec<u8>,
        owner: Option<String>,
        mode: u32,
    },
    Directory {
        to: String,
        mode: u32,
    },
    Symlink {
        to: String,
        target: String,
    },
    Remove {
        path: String,
    },
    Timestamps {
        path: String,
        time: SystemTime,
    },
}

impl Write {
    pub fn all(from: Place, patterns: Patterns, to: &str) -> Result<Self> {
        let key = format!("copy {} {patterns:?} {to}", from.fingerprint()?);
        Ok(Self { key, what: What::Copy { from, patterns, to: to.into(), owner: None, mode: None } })
    }

    pub fn some(from: Place, relative: Vec<PathBuf>, to: &str) -> Result<Self> {
        let key = format!("some {} {relative:?} {to}", from.fingerprint()?);
        Ok(Self { key, what: What::Some { from, relative, to: to.into() } })
    }

    pub fn directory(to: &str) -> Self {
        Self { key: format!("directory {to}"), what: What::Directory { to: to.into(), mode: 0o755 } }
    }

    pub fn timestamps(path: &str, seconds: u64) -> Self {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Self {
            key: format!("timestamps {path} {seconds}"),
            what: What::Timestamps { path: path.into(), time },
        }
    }
}

impl Engine {
    /// A container after steps that write files.
    pub(super) fn written(&self, before: &State, steps: Vec<FileStep>) -> Result<State> {
        let mut writes = Vec::new();
        for step in &steps {
            self.plan(before, step, &mut writes)?;
        }
        let base = self.write(&before.base, writes)?;
        Ok(State { base, ..before.clone() })
    }

    /// What a step writes.
    fn plan(&self, state: &State, step: &FileStep, writes: &mut Vec<Write>) -> Result<()> {
        let place = |path: &str, expand: bool| state.place(&state.expanded(path, expand));
        let json = serde_json::to_string(step).expect("plain data has a JSON form");
        let plain = |what: What| Write { key: format!("{json} {}", state.workdir()), what };
        match step {
            FileStep::WithFile { path, source, permissions, owner, expand } => {
                let (from, to) = (self.file_place(source)?, place(path, *expand));
                writes.push(copy(from, to.clone(), owner.clone(), *permissions)?);
                writes.extend(source.timestamp.map(|time| Write::timestamps(&to, time)));
            }
            FileStep::WithFiles { path, sources, permissions, owner } => {
                for source in sources {
                    let name = self.file_name(source)?;
                    let to = place(&format!("{path}/{name}"), false);
                    writes.push(copy(self.file_place(source)?, to, owner.clone(), *permissions)?);
                }
            }
            FileStep::WithDirectory(Copied { path, source, include, exclude, owner, expand, .. }) => {
                let (from, to) = (self.place(source)?, place(path, *expand));
                let patterns = Patterns::new(include, exclude)?;
                let key = format!("copy {} {include:?} {exclude:?} {to} {owner:?}", from.fingerprint()?);
                let what = What::Copy { from, patterns, to, owner: owner.clone(), mode: None };
                writes.push(Write { key, what });
            }
            FileStep::WithNewFile { path, contents, permissions, owner, expand } => {
                let (to, contents) = (place(path, *expand), contents.clone().into_bytes());
                let mode = permissions.unwrap_or(0o644);
                writes.push(plain(What::File { to, contents, owner: owner.clone(), mode }));
            }
            FileStep::WithNewDirectory { path, permissions } => {
                writes.push(plain(What::Directory {
                    to: place(path, false),
                    mode: permissions.unwrap_or(0o755),
                }));
            }
            FileStep::WithSymlink { target, link_name, expand } => {
                let target = state.expanded(target, *expand);
                writes.push(plain(What::Symlink { to: place(link_name, *expand), target }));
            }
            FileStep::WithoutFile { path } | FileStep::WithoutDirectory { path } => {
                writes.push(plain(What::Remove { path: place(path, false) }));
            }
            FileStep::WithoutFiles { paths } => {
                writes.extend(paths.iter().map(|path| Write {
                    key: format!("remove {} {path}", state.workdir()),
                    what: What::Remove { path: place(path, false) },
                }));
            }
        }
        Ok(())
    }

    /// A base after something was written into it: from the store, where it was before.
    pub(super) fn write(&self, base: &Base, writes: Vec<Write>) -> Result<Base> {
        let parts: Vec<&str> = writes.iter().map(|write| write.key.as_str()).collect();
        let name = base.fingerprint()?.map(|parent| format!("step:{}", key(&(VERSION, parent, parts)).hex()));
        let known =
            |name: &Option<String>| name.as_ref().map_or(Ok(None), |name| self.0.resolver.known(name));
        if let Some(base) = known(&name)? {
            return Ok(base);
        }
        let _turn = name.as_ref().map(|name| self.0.resolver.turn(name)).transpose()?;
        if let Some(base) = known(&name)? {
            return Ok(base);
        }
        let (began, id) = (Instant::now(), self.0.begin("copy files"));
        let done = self.write_anew(base, &writes, name.as_deref());
        let outcome = if done.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.0.hears.end(id, outcome, began.elapsed());
        done
    }

    fn write_anew(&self, base: &Base, writes: &[Write], name: Option<&str>) -> Result<Base> {
        let mut builder = Rootlet::builder(base).net(Net::None).workdir("/").writable(Writable::Disk);
        builder.spec.user = Some(UserSpec::Id(0, Some(GroupSpec::Id(0))));
        let root = builder.spawn()?;
        writes.iter().try_for_each(|write| perform(&root, &write.what))?;
        let Some(name) = name else { return Ok(root.snapshot()?) };
        let leave_out = super::exec::LEAVE_OUT.map(str::to_owned).into();
        let layer = LayerWriter::begin(self.0.resolver.store())?;
        let packed = root.commit(&Commit { epoch: 0, leave_out }, layer)?;
        Ok(base.with_layers(vec![packed], base.defaults().clone(), name, "copy files", &[])?)
    }
}

/// A file, or all that is in a directory.
fn copy(from: Place, to: String, owner: Option<String>, mode: Option<u32>) -> Result<Write> {
    let key = format!("copy {} {to} {owner:?} {mode:?}", from.fingerprint()?);
    Ok(Write { key, what: What::Copy { from, patterns: Patterns::default(), to, owner, mode } })
}

/// Copies what is at a place into a root.
pub(super) fn copy_in(root: &Rootlet, from: &Place, to: &str) -> Result<()> {
    let all = from.walk(&Patterns::default())?;
    all.iter().try_for_each(|found| put(root, from, found, to, None, None))
}

fn perform(root: &Rootlet, what: &What) -> Result<()> {
    let identity = |owner: &Option<String>| owner.as_deref().map(|owner| root.identity(owner)).transpose();
    match what {
        What::Copy { from, patterns, to, owner, mode } => {
            let owner = identity(owner)?;
            for found in from.walk(patterns)? {
                put(root, from, &found, to, owner.as_ref(), *mode)?;
            }
        }
        What::Some { from, relative, to } => {
            for relative in relative {
                let found = from.look(relative).map_err(|e| from.failed("read", relative, e))?;
                put(root, from, &found, to, None, None)?;
            }
        }
        What::File { to, contents, owner, mode } => {
            let owner = identity(owner)?;
            make_parent(root, to, None)?;
            let written =
                remove(root, to).and_then(|()| root.write(to, contents)).and_then(|()| match &owner {
                    Some(owner) => root.chown(to, Some(owner.uid), Some(owner.gid)),
                    None => Ok(()),
                });
            // Last, since a new owner takes set-user-id away.
            written.and_then(|()| root.set_permissions(to, *mode)).map_err(|e| failed("write", to, e))?;
        }
        What::Directory { to, mode } => {
            let made = root.create_dir_all(to).and_then(|()| root.set_permissions(to, *mode));
            made.map_err(|e| failed("make", to, e))?;
        }
        What::Symlink { to, target } => {
            make_parent(root, to, None)?;
            let made = remove(root, to).and_then(|()| root.symlink(target, to));
            made.map_err(|e| failed("make", to, e))?;
        }
        What::Remove { path } => match root.remove_dir_all(path) {
            Err(e) if !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(failed("remove", path, e).into());
            }
            _ => {}
        },
        What::Timestamps { path, time } => stamp(root, path, *time)?,
    }
    Ok(())
}

/// Puts one thing of a place below another one.
fn put(
    root: &Rootlet,
    from: &Place,
    found: &Found,
    to: &str,
    owner: Option<&Identity>,
    mode: Option<u32>,
) -> Result<()> {
    let is_top = found.relative.as_os_str().is_empty();
    let at = if is_top { PathBuf::from(to) } else { Path::new(to).join(&found.relative) };
    let text = at.to_string_lossy();
    let fail = |e| failed("write", &text, e);
    make_parent(root, &text, owner)?;
    match &found.kind {
        // What is there already keeps its owner and mode.
        Kind::Directory if root.is_dir(&at) => return Ok(()),
        Kind::Directory => remove(root, &text).and_then(|()| root.create_dir_all(&at)),
        Kind::Symlink(target) => remove(root, &text).and_then(|()| root.symlink(target, &at)),
        Kind::File => {
            let mut file = from.open(&found.relative).map_err(|e| from.failed("read", &found.relative, e))?;
            remove(root, &text).and_then(|()| io::copy(&mut file, &mut root.create(&at)?).map(drop))
        }
        // Sockets and devices mean nothing elsewhere.
        Kind::Other => return Ok(()),
    }
    .map_err(fail)?;
    let (uid, gid) = owner.map_or((found.uid, found.gid), |owner| (owner.uid, owner.gid));
    root.lchown(&at, Some(uid), Some(gid)).map_err(fail)?;
    match &found.kind {
        Kind::File => root.set_permissions(&at, mode.unwrap_or(found.mode)).map_err(fail)?,
        Kind::Directory => root.set_permissions(&at, found.mode).map_err(fail)?,
        _ => return Ok(()),
    }
    Ok(root.set_modified(&at, found.modified).map_err(fail)?)
}

/// Makes what is missing above a path. With `owner` it is theirs, as whatever is copied there.
fn make_parent(root: &Rootlet, path: &str, owner: Option<&Identity>) -> Result<()> {
    let Some(parent) = Path::new(path).parent() else { return Ok(()) };
    let missing = |path: &&Path| root.metadata(path).is_err();
    let missing: Vec<&Path> =
        owner.map_or_else(Vec::new, |_| parent.ancestors().take_while(missing).collect());
    let made = root.create_dir_all(parent).and_then(|()| match owner {
        Some(owner) => missing.iter().try_for_each(|path| root.chown(path, Some(owner.uid), Some(owner.gid))),
        None => Ok(()),
    });
    Ok(made.map_err(|e| failed("make", &parent.to_string_lossy(), e))?)
}

/// What another name leads to stays as it is.
fn remove(root: &Rootlet, path: &str) -> io::Result<()> {
    match root.remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn stamp(root: &Rootlet, path: &str, time: SystemTime) -> Result<()> {
    let fail = |path: &Path, e| failed("set the time of", &path.to_string_lossy(), e);
    let (mut all, mut left) = (Vec::new(), vec![PathBuf::from(path)]);
    while let Some(path) = left.pop() {
        let metadata = root.symlink_metadata(&path).map_err(|e| fail(&path, e))?;
        if metadata.is_dir() {
            let entries = root.read_dir(&path).map_err(|e| fail(&path, e))?;
            left.extend(entries.iter().map(|entry| entry.path().to_owned()));
        }
        if !metadata.is_symlink() {
            all.push(path);
        }
    }
    // What is in a directory first: that changes the directory's own.
    all.iter().rev().try_for_each(|path| root.set_modified(path, time).map_err(|e| fail(path, e)))?;
    Ok(())
}

fn failed(doing: &str, path: &str, error: io::Error) -> Error {
    Error::io(format!("failed to {doing} {} inside", rootlet_spec::printable(path)), error)
}
