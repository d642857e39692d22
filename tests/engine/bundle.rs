//! Another runtime, crun, with the settings of a rootlet: an OCI bundle over the same root, with docker's own system call
//! filter.

use rootlet_tests::{alpine_tar, docker_filter, hostile, probe};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What both runtimes are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who runs, by number; the group has the same.
    pub uid: u32,
    /// Names as the kernel has them, `CAP_CHOWN`.
    pub caps: &'static [&'static str],
    /// Whether a setuid program may raise anybody.
    pub new_privileges: bool,
    pub umask: u32,
    /// Soft and hard limit of open files.
    pub open_files: (u64, u64),
}

/// Lays the bundle out in a mount namespace of its own, so that nothing of it is ever left. Of an ordinary user it is in a
/// user namespace with his subordinate ids, which is how podman starts crun.
///
/// crun refuses a machine with cgroups of both versions; it is shown the second's only.
const LAY_OUT: &str = r#"
set -e
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/rootfs; tar -xzpf "$0" -C /mnt/rootfs; cp "$1" /mnt/rootfs/probe; cp "$2" /mnt/rootfs/hostile
cp "$3" /mnt/config.json
if [ -e /sys/fs/cgroup/unified ]; then mount --bind /sys/fs/cgroup/unified /sys/fs/cgroup; fi
exec crun --root /mnt/state --cgroup-manager=disabled run --bundle /mnt peer
"#;

/// What the shell says that runs this script under crun as its pid 1, or why crun cannot run here.
pub fn under_crun(settings: &Settings, script: &str) -> Result<String, String> {
    let (alpine, filter) = (alpine_tar().ok_or("no tarball of alpine")?, filter(settings)?);
    let config = Config::new(&configuration(settings, script, &filter));
    let mut command = Command::new("unshare");
    command.arg("--mount");
    if !rustix::process::geteuid().is_root() {
        command.args(["--map-root-user", "--map-auto"]);
    }
    command.args(["sh", "-c", LAY_OUT]).arg(alpine).arg(probe()).arg(hostile()).arg(&config.0);
    // crun gives the container's user what standard input is: that must not be a device of this machine.
    let output = command.stdin(Stdio::piped()).output().map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("crun does not run here: {said}"))
    }
}

/// The runtime specification's config.json, with what docker says of variables and mounts.
fn configuration(settings: &Settings, script: &str, filter: &Value) -> Value {
    let held = if settings.uid == 0 { settings.caps } else { &[] };
    let plain = json!(["nosuid", "noexec", "nodev"]);
    let mount = |target: &str, kind: &str, options: Value| json!({ "destination": target, "type": kind, "source": kind, "options": options });
    let namespaces = ["pid", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
    json!({
        "ociVersion": "1.0.0",
        "process": {
            "user": { "uid": settings.uid, "gid": settings.uid, "umask": settings.umask },
            "args": ["sh", "-c", script],
            "env": [
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOSTNAME=rootlet",
                if settings.uid == 0 { "HOME=/root" } else { "HOME=/" },
            ],
            "cwd": "/",
            "capabilities": {
                "bounding": settings.caps, "effective": held, "permitted": held, "inheritable": [], "ambient": [],
            },
            "rlimits": [
                { "type": "RLIMIT_NOFILE", "soft": settings.open_files.0, "hard": settings.open_files.1 },
            ],
            "noNewPrivileges": !settings.new_privileges,
        },
        "root": { "path": "rootfs" },
        "hostname": "rootlet",
        "mounts": [
            mount("/proc", "proc", plain.clone()),
            mount("/dev", "tmpfs", json!(["nosuid", "strictatime", "mode=755", "size=65536k"])),
            mount("/dev/pts", "devpts", json!(["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"])),
            mount("/dev/shm", "tmpfs", json!(["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"])),
        ],
        "linux": { "namespaces": namespaces, "seccomp": filter },
    })
}

/// docker's profile is a template over capabilities and architectures; a runtime takes what comes of it.
fn filter(settings: &Settings) -> Result<Value, String> {
    let file = docker_filter().ok_or("docker's filter is not among the shared data")?;
    let text = std::fs::read(file).map_err(|e| e.to_string())?;
    let profile: Value = serde_json::from_slice(&text).map_err(|e| e.to_string())?;
    let (arch, name) = match std::env::consts::ARCH {
        "x86_64" => ("SCMP_ARCH_X86_64", "amd64"),
        "aarch64" => ("SCMP_ARCH_AARCH64", "arm64"),
        other => return Err(format!("docker's filter for {other} is not known to this test")),
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let has_cap = |cap: &Value| settings.caps.iter().any(|known| cap == known);
    let applies = |rule: &Value| {
        let (with, without) = (&rule["includes"], &rule["excludes"]);
        let arches = list(&with["arches"]);
        list(&with["caps"]).iter().all(has_cap)
            && (arches.is_empty() || arches.iter().any(|arch| arch == name))
            && !list(&without["caps"]).iter().any(has_cap)
            && !list(&without["arches"]).iter().any(|arch| arch == name)
    };
    let taken = |mut rule: Value| {
        let fields = rule.as_object_mut().expect("a rule is an object");
        fields.retain(|field, _| ["names", "action", "args", "errnoRet"].contains(&field.as_str()));
        rule
    };
    let rules: Vec<Value> = list(&profile["syscalls"]).into_iter().filter(applies).map(taken).collect();
    let mut arches = vec![json!(arch)];
    let map = list(&profile["archMap"]);
    let entry = map.iter().find(|entry| entry["architecture"] == arch);
    arches.extend(entry.map(|entry| list(&entry["subArchitectures"])).unwrap_or_default());
    Ok(json!({
        "defaultAction": profile["defaultAction"], "defaultErrnoRet": profile["defaultErrnoRet"],
        "architectures": arches, "syscalls": rules,
    }))
}

/// The configuration as a file; removed when dropped.
struct Config(PathBuf);

impl Config {
    fn new(value: &Value) -> Config {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("test").replace(':', "-");
        let path = std::env::temp_dir().join(format!("{test}-{}.json", std::process::id()));
        std::fs::write(&path, value.to_string()).expect("tests may write in TMPDIR");
        Config(path)
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
