//! What the tests of this crate share.
#![allow(dead_code, reason = "each test takes what it needs")]

pub mod registry;
pub mod rich;
pub mod scene;
pub mod tokens;
pub mod tree;

use rootlet_base::Store;
use rootlet_kernel::{IdMap, SubIds};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Skips loudly; with `ROOTLET_MUST_WORK=1` it fails.
#[track_caller]
pub fn skipped(reason: &str) {
    assert!(std::env::var_os("ROOTLET_MUST_WORK").is_none_or(|value| value != "1"), "cannot run: {reason}");
    let thread = std::thread::current();
    // Not eprintln: libtest would keep it to itself.
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "SKIPPED {}: {reason}", thread.name().unwrap_or("?"));
}

macro_rules! skip {
    ($($reason:tt)*) => {{
        $crate::support::skipped(&format!($($reason)*));
        return;
    }};
}
pub(crate) use skip;

/// Lets time pass, where there is nothing to wait on: another program comes up, a slow network is played.
#[expect(clippy::disallowed_methods, reason = "nothing tells us")]
pub fn pause(time: std::time::Duration) {
    std::thread::sleep(time);
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A store of the test's own, removed with it.
pub struct Home {
    pub directory: TempDir,
    pub store: Store,
}

impl Home {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path().join("store")).unwrap();
        Self { directory, store }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Everything below a directory of the store.
    pub fn list(&self, below: &str) -> Vec<String> {
        let mut names: Vec<String> = self
            .store
            .path()
            .join(below)
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What belongs to subordinate ids goes the way that the store has for it.
        let gone = self.store.gc(rootlet_base::GcOptions { keep_recent: std::time::Duration::ZERO });
        if !std::thread::panicking() {
            let gone = gone.unwrap();
            assert!(gone.problems.is_empty(), "{:?}", gone.problems);
        }
    }
}

/// An id map that this host allows; `None` for an ordinary user without subordinate ids. `inside` is the
/// number that this user has within; root has none.
pub fn map_with(inside: u32) -> Option<IdMap> {
    if is_root() {
        let all = SubIds { first: 1_000_000_000, count: 65_536 }.ranges(None);
        return Some(IdMap::new(all.clone(), all));
    }
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let name = Command::new("id").arg("-un").output().ok()?.stdout;
    let name = String::from_utf8(name).ok()?;
    let ids = |file| {
        let table = std::fs::read_to_string(file).ok()?;
        SubIds::from_table(&table, name.trim(), uid)
    };
    Some(IdMap::new(
        ids("/etc/subuid")?.ranges(Some((inside, uid))),
        ids("/etc/subgid")?.ranges(Some((inside, gid))),
    ))
}

pub fn map() -> Option<IdMap> {
    map_with(1000)
}

pub fn tar_of(home: &Home, name: &str, entries: &[(&str, u8, &str, u64)]) -> String {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, kind, text, id) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(tar::EntryType::new(*kind));
        header.set_mode(if *kind == b'5' { 0o755 } else { 0o644 });
        header.set_uid(*id);
        header.set_gid(*id);
        header.set_mtime(1_000_000_000);
        header.set_size(0);
        let data = match kind {
            b'1' | b'2' => {
                header.as_old_mut().linkname[..text.len()].copy_from_slice(text.as_bytes());
                ""
            }
            _ => text,
        };
        header.set_size(data.len() as u64);
        header.set_cksum();
        tar.append(&header, data.as_bytes()).unwrap();
    }
    let path = home.path().join(name);
    std::fs::write(&path, tar.into_inner().unwrap()).unwrap();
    format!("tar:{}", path.display())
}

/// Alpine's smallest root.
pub fn alpine() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let directory = std::env::var_os("ROOTLET_SHARED").map_or_else(beside, PathBuf::from);
    Some(directory.join("alpine-minirootfs-3.20.3-x86_64.tar.gz")).filter(|tarball| tarball.exists())
}

pub fn has(tool: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$1\"", "sh", tool]).output();
    found.is_ok_and(|output| output.status.success())
}

/// Runs a tool that must succeed.
#[track_caller]
pub fn run(program: &str, arguments: &[&str]) -> Output {
    // Without it they look for passwords below /run/containers, which is closed to others once root has run podman.
    let output = Command::new(program)
        .args(arguments)
        .env("XDG_RUNTIME_DIR", std::env::temp_dir())
        .output()
        .unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// An OCI layout of two layers on Alpine (a file added and one removed), tagged `3.20`, made with umoci.
pub fn layout(directory: &Path) -> Option<PathBuf> {
    let alpine = alpine()?;
    if !has("umoci") || !has("skopeo") {
        return None;
    }
    let layout = directory.join("layout");
    let image = format!("{}:3.20", layout.display());
    run("umoci", &["init", "--layout", layout.to_str().unwrap()]);
    run("umoci", &["new", "--image", &image]);
    let rootless: &[&str] = if is_root() { &[] } else { &["--rootless"] };
    let tar = directory.join("alpine.tar");
    run("sh", &["-c", "gunzip -c \"$1\" > \"$2\"", "sh", alpine.to_str().unwrap(), tar.to_str().unwrap()]);
    run("umoci", &["raw", "add-layer", "--image", &image, tar.to_str().unwrap()]);
    let _ = rootless;
    let second = directory.join("second.tar");
    std::fs::write(&second, second_layer()).unwrap();
    run("umoci", &["raw", "add-layer", "--image", &image, second.to_str().unwrap()]);
    run(
        "umoci",
        &[
            "config",
            "--image",
            &image,
            "--config.user",
            "app:app",
            "--config.env",
            "GREETING=hello world",
            "--config.workingdir",
            "/srv",
            "--config.cmd",
            "/bin/sh",
            "--config.volume",
            "/data",
            "--config.exposedports",
            "80/tcp",
            "--config.label",
            "who=test",
            "--config.stopsignal",
            "SIGQUIT",
            "--architecture",
            "amd64",
            "--os",
            "linux",
        ],
    );
    Some(layout)
}

/// Adds `/srv/app` of user 1000, whose parent has no entry, and removes `/etc/motd`.
fn second_layer() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_uid(1000);
    header.set_gid(1000);
    header.set_size(5);
    tar.append_data(&mut header, "srv/app", &b"hello"[..]).unwrap();
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    tar.append_data(&mut header, "etc/.wh.motd", &b""[..]).unwrap();
    tar.into_inner().unwrap()
}
