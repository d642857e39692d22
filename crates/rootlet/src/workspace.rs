//! What a program that cargo built needs around it: its project, what it was built into, the libraries that it loads.

use crate::host;
use rootlet_spec::{Mount, Spec, UserSpec};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A project's directories, and how they look in a rootlet: each at its own place, copy-on-write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Workspace {
    /// Absolute; none is inside another.
    directories: Vec<PathBuf>,
    /// Libraries, read-only.
    libraries: Vec<PathBuf>,
    workdir: PathBuf,
    /// Directories within, whose changes are to last.
    lasting: Vec<PathBuf>,
}

impl Workspace {
    /// Of a program that is started in `workdir` as cargo starts it: with `CARGO_MANIFEST_DIR` and `LD_LIBRARY_PATH`, which `variable` reads.
    ///
    /// The project is the directory with `Cargo.lock`, or Go's `go.mod`, that the package is in; the target directory is the one with cargo's
    /// `CACHEDIR.TAG` that the program is in, else the program's own.
    pub fn of(program: &Path, workdir: &Path, variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let package = variable("CARGO_MANIFEST_DIR").map_or_else(|| workdir.to_owned(), PathBuf::from);
        let project = project_of(&package);
        let own = program.parent().unwrap_or(workdir);
        let target = above(own, "CACHEDIR.TAG").unwrap_or(own).to_owned();
        let mut workspace = Self { workdir: workdir.to_owned(), ..Self::default() };
        // The variable may be of another cargo, which runs what runs this.
        let elsewhere = !workdir.starts_with(&project) && !project.starts_with(workdir);
        let here = elsewhere.then(|| project_of(workdir));
        for directory in [project, target].into_iter().chain(here) {
            if !workspace.holds(&directory) && directory.parent().is_some() && directory.is_dir() {
                workspace.directories.retain(|known| !known.starts_with(&directory));
                workspace.directories.push(directory);
            }
        }
        let libraries = variable("LD_LIBRARY_PATH").unwrap_or_default();
        let libraries = std::env::split_paths(&libraries).filter(|path| path.is_absolute() && path.is_dir());
        workspace.libraries = libraries.filter(|path| !workspace.holds(path)).collect();
        workspace
    }

    /// Of a program that cargo did not build: directories of its own, copy-on-write, and others that it reads.
    pub fn showing(
        directories: impl IntoIterator<Item = PathBuf>,
        libraries: impl IntoIterator<Item = PathBuf>,
        workdir: &Path,
    ) -> Self {
        let directories = directories.into_iter().collect();
        let mut workspace = Self { directories, workdir: workdir.to_owned(), ..Self::default() };
        workspace.libraries = libraries.into_iter().filter(|path| !workspace.holds(path)).collect();
        workspace
    }

    /// A directory in it whose changes are to last; a relative path begins in the work directory.
    pub fn lasting(&mut self, directory: &Path) {
        self.lasting.push(self.workdir.join(directory));
    }

    fn holds(&self, path: &Path) -> bool {
        self.directories.iter().any(|directory| path.starts_with(directory))
    }

    /// Adds it to a rootlet: mounts, and the work directory where none is said.
    pub fn add_to(&self, spec: &mut Spec) {
        let shown = self.directories.iter().chain(&self.libraries).chain(&self.lasting);
        let mut mounts: Vec<Mount> = match is_roots(spec) {
            true => Vec::new(),
            false => closed(shown),
        };
        let overlay =
            |path: &PathBuf| Mount::Overlay { source: path.clone(), target: text(path), as_user: true };
        let bind =
            |path: &PathBuf, read_only| Mount::Bind { source: path.clone(), target: text(path), read_only };
        mounts.extend(self.directories.iter().map(overlay));
        mounts.extend(self.libraries.iter().map(|path| bind(path, true)));
        mounts.extend(self.lasting.iter().map(|path| bind(path, false)));
        // What the caller asks for may lie in it.
        mounts.append(&mut spec.mounts);
        spec.mounts = mounts;
        spec.workdir.get_or_insert_with(|| text(&self.workdir));
    }
}

/// The variables of the caller that a program is to have, of all: not those that say who somebody is and where his things are.
pub fn variables(
    all: impl IntoIterator<Item = (OsString, OsString)>,
    is_host: bool,
) -> Vec<(String, String)> {
    const OWN: [&str; 14] = [
        "HOME",
        "USER",
        "LOGNAME",
        "USERNAME",
        "SHELL",
        "MAIL",
        "PWD",
        "OLDPWD",
        "TMPDIR",
        "HOSTNAME",
        "SUDO_USER",
        "SUDO_UID",
        "SUDO_GID",
        "SUDO_COMMAND",
    ];
    let is_own = |name: &str| {
        OWN.contains(&name)
            || name.starts_with("XDG_")
            || name.starts_with("ROOTLET_")
            || (name == "PATH" && !is_host)
    };
    let texts = all
        .into_iter()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    texts.filter(|(name, _)| !is_own(name)).collect()
}

fn project_of(directory: &Path) -> PathBuf {
    let root = ["Cargo.lock", "go.mod"].into_iter().find_map(|file| above(directory, file));
    root.unwrap_or(directory).to_owned()
}

/// The nearest directory, upwards from `from`, that has such a file.
fn above<'a>(from: &'a Path, file: &str) -> Option<&'a Path> {
    from.ancestors().find(|directory| directory.join(file).is_file())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn is_roots(spec: &Spec) -> bool {
    match &spec.user {
        Some(UserSpec::Name(name, _)) => name == "root",
        Some(UserSpec::Id(uid, _)) => *uid == 0,
        Some(UserSpec::Account(user)) => user.uid == 0,
        None => false,
    }
}

/// Directories on the way that only their owner may pass, of a caller who is root: production's user cannot see what else is in them, so an
/// empty one stands for it. (An ordinary caller is production's user inside, and owns his.)
fn closed<'a>(shown: impl Iterator<Item = &'a PathBuf>) -> Vec<Mount> {
    if !host::caller().is_root() {
        return Vec::new();
    }
    let passes =
        |path: &Path| path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0);
    let mut closed = Vec::new();
    for path in shown {
        let way = path.ancestors().skip(1).collect::<Vec<_>>();
        let first = way.into_iter().rev().find(|directory| !passes(directory));
        if let Some(first) = first.map(text).filter(|first| !closed.contains(first)) {
            closed.push(first);
        }
    }
    closed.into_iter().map(|target| Mount::Tmpfs { target, size: None, mode: 0o711 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_elses_home_is_passed_on() {
        let all = [
            ("HOME", "/root"),
            ("XDG_CACHE_HOME", "/c"),
            ("PATH", "/bin"),
            ("RUST_LOG", "debug"),
            ("ROOTLET_STORE", "/s"),
        ];
        let passed = |is_host| {
            let all = all.iter().map(|(name, value)| ((*name).into(), (*value).into()));
            variables(all, is_host).into_iter().map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(passed(true), ["PATH", "RUST_LOG"]);
        assert_eq!(passed(false), ["RUST_LOG"]);
    }
}
