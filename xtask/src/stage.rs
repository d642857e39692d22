//! Running the tests that cargo built as an ordinary user too.
//!
//! The sources and the target directory often lie where that user cannot look (`/root`, a checkout of mode 0700), so
//! what the tests read is copied to the user's home first:
//!
//! ```text
//! ~rootlet-test/stage-PID/    root's, readable by all
//!     source/                 the tree as git sees it; tests start in their package's directory here
//!     data/                   the command, the probe, the Debian root, the shared data
//!     target/debug/deps/      test binaries, each copied when its turn comes
//!     target/debug/examples/  programs that tests find beside themselves
//!     tmp/  store/            the user's: TMPDIR and ROOTLET_STORE
//! ```
//!
//! The binaries are started by cargo itself, with this program as their *runner*: nothing is built twice, and the
//! environment is what cargo gives to a test.

use crate::Result;
use crate::setup::Data;
use crate::setup::account::{self, Account};
use crate::shell::{command, of_the_killed, quiet, target, workspace};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The word by which cargo calls this program as a runner.
pub const RUNNER: &str = "run-as-test-user";

/// The copied files; removed when dropped.
pub struct Stage {
    directory: PathBuf,
}

impl Stage {
    /// Copies the sources and the examples, and makes the user's own directories.
    pub fn new(user: &Account) -> Result<Stage> {
        for killed in of_the_killed(&user.home, "stage-") {
            let _ = fs::remove_dir_all(killed);
        }
        let stage = Stage { directory: user.home.join(format!("stage-{}", std::process::id())) };
        let files = quiet(
            command("git", &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
                .current_dir(workspace()),
        )?;
        for file in files.split_terminator('\0').filter(|file| workspace().join(file).is_file()) {
            copy(&workspace().join(file), &stage.directory.join("source").join(file))?;
        }
        for example in fs::read_dir(target().join("debug/examples")).into_iter().flatten().flatten() {
            let (path, name) = (example.path(), example.file_name());
            // With a hash in its name it is cargo's own copy, with an extension no program.
            if path.is_file() && !name.to_string_lossy().contains(['-', '.']) {
                copy(&path, &stage.directory.join("target/debug/examples").join(name))?;
            }
        }
        for own in [stage.temporary(), stage.store()] {
            fs::create_dir_all(&own).map_err(said(&own))?;
            chown(&own, Some(user.uid), Some(user.gid)).map_err(said(&own))?;
        }
        Ok(stage)
    }

    /// Copies a file of the tests' data and says where it is.
    pub fn data(&self, file: &Path) -> Result<PathBuf> {
        let place = self.directory.join("data").join(file.file_name().ok_or("data is a file")?);
        copy(file, &place)?;
        Ok(place)
    }

    /// Copies all the tests' data.
    pub fn all_data(&self, data: &Data) -> Result<Data> {
        Ok(Data {
            debian: data.debian.as_deref().map(|file| self.data(file)).transpose()?,
            services: data.services.as_deref().map(|file| self.data(file)).transpose()?,
            probe: self.data(&data.probe)?,
            hostile: self.data(&data.hostile)?,
            confine: self.data(&data.confine)?,
            server: data.server.as_deref().map(|file| self.data(file)).transpose()?,
            pjdfstest: data.pjdfstest.as_deref().map(|file| self.data(file)).transpose()?,
            python: data.python.as_deref().map(|directory| self.python(directory)).transpose()?,
        })
    }

    /// Copies what Python's tests use, and not what it was made with.
    fn python(&self, directory: &Path) -> Result<PathBuf> {
        let place = self.directory.join("data/python");
        for entry in fs::read_dir(directory).map_err(said(directory))?.flatten() {
            if !["tools", "mypy", "measured", "fakechroot"].contains(&&*entry.file_name().to_string_lossy()) {
                copy_all(&entry.path(), &place.join(entry.file_name()))?;
            }
        }
        Ok(place)
    }

    /// Copies the data that checkouts share.
    pub fn shared(&self, directory: &Path) -> Result<PathBuf> {
        let place = self.directory.join("data/shared");
        copy_tree(directory, &place)?;
        Ok(place)
    }

    /// The user's `TMPDIR`.
    pub fn temporary(&self) -> PathBuf {
        self.directory.join("tmp")
    }

    /// The user's `ROOTLET_STORE`.
    pub fn store(&self) -> PathBuf {
        self.directory.join("store")
    }

    /// The argument that makes cargo start each test binary through [`run_as_test_user`].
    pub fn cargo_config(&self) -> String {
        // By its name: the file that runs here is gone when cargo, building the whole workspace, has linked it anew.
        let me = target().join("debug/xtask");
        format!("target.'cfg(all())'.runner=['{}', '{RUNNER}', '{}']", me.display(), self.directory.display())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("xtask: {}: {error}", self.directory.display());
        }
    }
}

/// Becomes `program`, a test binary, as the test user. Called by cargo, in the package's directory.
pub fn run_as_test_user(stage: &str, program: &str, arguments: &[&str]) -> Result<()> {
    let (stage, program) = (Path::new(stage), Path::new(program));
    let user = account::find().ok_or("there is no test user")?;
    let name = program.file_name().ok_or("a program has a name")?;
    // A proc macro is linked with the compiler's libraries, which only the owner of the toolchain can read. It has tests/errors.rs.
    if name.to_string_lossy().starts_with("rootlet_macros-") {
        return Ok(());
    }
    let copied = stage.join("target/debug/deps").join(name);
    copy(program, &copied)?;
    let staged = |path: &Path| path.strip_prefix(workspace()).map(|inner| stage.join("source").join(inner));
    let here = std::env::current_dir().map_err(|e| e.to_string())?;

    let mut command = Command::new(&copied);
    command.args(arguments).uid(user.uid).gid(user.gid).env_clear().envs(std::env::vars_os().filter(
        |(name, _)| {
            let name = name.to_string_lossy();
            // With which mirrors, and whose certificates, pip and others work here.
            ["CARGO_", "ROOTLET_", "RUST_", "LC_", "PIP_"].iter().any(|prefix| name.starts_with(prefix))
                || ["CI", "LANG", "TERM", "TMPDIR", "SSL_CERT_FILE"].contains(&&*name)
                || name.to_lowercase().ends_with("_proxy")
        },
    ));
    for name in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"] {
        if let Some(Ok(path)) = std::env::var_os(name).map(|path| staged(Path::new(&path))) {
            command.env(name, path);
        }
    }
    command
        .env("HOME", &user.home)
        .env("USER", &user.name)
        .env("LOGNAME", &user.name)
        .env("SHELL", "/bin/sh");
    command.env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin");
    let error = command.current_dir(staged(&here).unwrap_or(here)).exec();
    Err(format!("{}: {error}", copied.display()))
}

/// Copies a file, or a directory with all that is in it.
fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        return copy(from, to);
    }
    for entry in fs::read_dir(from).map_err(said(from))?.flatten() {
        copy_all(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Copies a file so that everybody can read it, and run it if anybody could, whatever the umask was.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let parent = to.parent().expect("a file lies in a directory");
    fs::create_dir_all(parent).map_err(said(parent))?;
    fs::copy(from, to).map_err(said(from))?;
    let executable = fs::metadata(from).map_err(said(from))?.permissions().mode() & 0o111 != 0;
    fs::set_permissions(to, PermissionsExt::from_mode(if executable { 0o755 } else { 0o644 }))
        .map_err(said(to))
}

/// The files of a directory, and of those in it.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).map_err(said(from))?.flatten() {
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_tree(&path, &place)?;
        } else if path.is_file() {
            copy(&path, &place)?;
        }
    }
    Ok(())
}

fn said(path: &Path) -> impl Fn(std::io::Error) -> String {
    move |error| format!("{}: {error}", path.display())
}
