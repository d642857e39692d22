//! What the measurements stand on: a directory of their own, a store in it, and bases made of a static program.

use crate::Result;
use rootlet::base::GcOptions;
use rootlet::{Base, Store};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A directory that goes away with the measurements.
pub struct Ground {
    directory: PathBuf,
    /// The store that the library uses.
    pub store: Store,
}

/// Turns an error of the library into text, with what caused it.
pub fn told(error: rootlet::Error) -> String {
    let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
    format!("{error}{cause}")
}

impl Ground {
    /// Makes it. Everybody may look into it: some commands run as an ordinary user.
    pub fn new() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("rootlet-bench-{}", std::process::id()));
        fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
        let store = Store::open(directory.join("store")).map_err(|e| e.to_string())?;
        Ok(Self { directory, store })
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Compiles a program of `c/`, if that is not done.
    pub fn compile(&self, name: &str, flags: &[&str]) -> Result<PathBuf> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c").join(name).with_extension("c");
        let program = self.path(name);
        if !program.exists() {
            let mut cc = Command::new("cc");
            run(cc.args(flags).args(["-Wall", "-Wextra", "-Werror", "-o"]).arg(&program).arg(source))?;
        }
        Ok(program)
    }

    /// A static program that does nothing.
    pub fn nothing(&self) -> Result<PathBuf> {
        self.compile("nothing", &["-static", "-nostdlib", "-O2"])
    }

    /// A tree of a static `/bin/true` and so many empty files besides.
    pub fn tree(&self, files: usize) -> Result<PathBuf> {
        let tree = self.path(&format!("tree-{files}"));
        if !tree.exists() {
            let nothing = self.nothing()?;
            fill(&tree, &nothing, files).map_err(|e| format!("{}: {e}", tree.display()))?;
        }
        Ok(tree)
    }

    /// That tree as a base.
    pub fn base(&self, files: usize) -> Result<Base> {
        let (tree, tarball) = (self.tree(files)?, self.path(&format!("tree-{files}.tar")));
        if !tarball.exists() {
            let mut tar = Command::new("tar");
            tar.args(["--owner=0", "--group=0", "--numeric-owner", "-cf"]).arg(&tarball);
            run(tar.arg("-C").arg(&tree).arg("."))?;
        }
        self.base_of(&tarball)
    }

    /// The base of a tarball.
    pub fn base_of(&self, tarball: &Path) -> Result<Base> {
        Base::resolve(&format!("tar:{}", tarball.display()), &self.store).map_err(|e| e.to_string())
    }
}

fn fill(tree: &Path, nothing: &Path, files: usize) -> std::io::Result<()> {
    for directory in ["bin", "etc", "proc", "dev", "sys", "tmp", "home", "root", "many"] {
        fs::create_dir_all(tree.join(directory))?;
    }
    fs::copy(nothing, tree.join("bin/true"))?;
    fs::write(tree.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
    fs::write(tree.join("etc/group"), "root:x:0:\n")?;
    for i in 0..files {
        let directory = tree.join(format!("many/{}", i / 100));
        if i % 100 == 0 {
            fs::create_dir_all(&directory)?;
        }
        fs::write(directory.join(i.to_string()), b"")?;
    }
    Ok(())
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Layers belong to other ids, which an ordinary user cannot remove: the store does it for them.
        let _ = self.store.gc(GcOptions { keep_recent: std::time::Duration::ZERO });
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("{}: {error}", self.directory.display());
        }
    }
}

/// Runs a command whose output matters only when it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().map_err(|e| format!("{command:?}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.trim().lines().last().unwrap_or_default();
            Err(format!("{}: {}: {last}", command.get_program().display(), output.status))
        }
    }
}
