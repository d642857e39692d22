//! Hosts that forbid things, played for one process and what it starts.
//!
//! A host is the words that stand before a command: whatever they change (mounts, a filter, capabilities, variables), they
//! change for that command alone, and nothing of it is left afterwards. Played by root, a host is one where root runs the
//! command; by an ordinary user, one where he does.

mod docker;
mod filter;

use filter::{Answer, EACCES, ENOSPC, ENOSYS, EPERM, Rule, Test, calls, compile};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// A host that forbids things.
pub struct Host {
    words: Vec<OsString>,
    variables: Vec<(&'static str, Option<OsString>)>,
    /// Where its filter is.
    _files: Option<TempDir>,
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Host {
    fn new<W: Into<OsString>>(words: impl IntoIterator<Item = W>) -> Self {
        Self { words: words.into_iter().map(Into::into).collect(), variables: Vec::new(), _files: None }
    }

    /// Under this filter.
    fn filtered(filter: &[u8]) -> Self {
        let files = tempfile::tempdir().expect("there is room for a filter");
        let path = files.path().join("filter");
        std::fs::write(&path, filter).expect("there is room for a filter");
        let mut host = Self::new([crate::confine().as_os_str().to_owned(), path.into()]);
        host._files = Some(files);
        host
    }

    /// Where this script was at the mounts. An ordinary user, who is root of a user namespace for it, is himself again in
    /// another one: such a host has no subordinate ids that could be mapped, either.
    fn mounted(script: &str) -> Self {
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if is_root() {
            return Self::new(["unshare", "--mount", "sh", "-ec", &format!("{script}\nexec \"$@\""), "sh"]);
        }
        let back = format!("exec unshare --user --map-user={uid} --map-group={gid} -- \"$@\"");
        let script = format!("{script}\n{back}");
        Self::new(["unshare", "--map-root-user", "--mount", "sh", "-ec", &script, "sh"])
    }

    fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, Some(value.into())));
        self
    }

    fn without(mut self, name: &'static str) -> Self {
        self.variables.push((name, None));
        self
    }

    /// A container of docker's as it is by default: its filter and, for root, its fourteen capabilities. `None` where this
    /// machine has no copy of the profile.
    pub fn docker() -> Option<Self> {
        let mut host = Self::filtered(&docker::filter(&crate::docker_filter()?));
        if is_root() {
            let kept = docker::CAPABILITIES.map(|name| format!(",+{}", name.to_lowercase())).concat();
            let bounds = format!("--bounding-set=-all{kept}");
            host.words.extend(["setpriv", "--inh-caps=-all", &bounds, "--"].map(OsString::from));
        }
        Some(host)
    }

    /// Likewise with `--security-opt no-new-privileges`.
    pub fn docker_without_new_privileges() -> Option<Self> {
        let mut host = Self::docker()?;
        host.words.extend(["setpriv", "--no-new-privs", "--"].map(OsString::from));
        Some(host)
    }

    /// A kernel that makes no user namespaces, as where user.max_user_namespaces is 0.
    pub fn no_user_namespaces() -> Self {
        const NEW_USER: u32 = 0x1000_0000;
        let call = |name: &str| calls()[name];
        let asked = Some(Test::Masked(0, NEW_USER, NEW_USER));
        Self::filtered(&compile(
            &[
                Rule { call: call("unshare"), test: asked, answer: ENOSPC },
                Rule { call: call("clone"), test: asked, answer: ENOSPC },
                Rule { call: call("clone3"), test: None, answer: ENOSYS },
            ],
            Answer::Allow,
        ))
    }

    /// A filter that lets namespaces and mounts be made and no host name be set, as podman's does by default.
    pub fn no_host_name() -> Self {
        let rule = Rule { call: calls()["sethostname"], test: None, answer: EPERM };
        Self::filtered(&compile(&[rule], Answer::Allow))
    }

    /// A container of docker's with `--cap-add SYS_ADMIN`: its filter lets namespaces and mounts be made, and no root be changed.
    pub fn no_change_of_root() -> Self {
        let rule = Rule { call: calls()["pivot_root"], test: None, answer: EPERM };
        Self::filtered(&compile(&[rule], Answer::Allow))
    }

    /// A file of /etc is mounted, as in every container.
    pub fn mounted_in_etc() -> Self {
        Self::mounted("mount --bind /etc/hostname /etc/hostname")
    }

    /// Ubuntu's AppArmor, where it lets a user namespace be made and then gives it no power: mounts are refused. (That it
    /// refuses the id map as well, no filter can play.)
    pub fn powerless_user_namespaces() -> Self {
        let mounting = [
            "mount",
            "umount2",
            "pivot_root",
            "fsopen",
            "fsmount",
            "move_mount",
            "open_tree",
            "mount_setattr",
        ];
        let calls = calls();
        let rules = mounting.map(|name| Rule { call: calls[name], test: None, answer: EACCES });
        Self::filtered(&compile(&rules, Answer::Allow))
    }

    /// A container whose /proc is masked as docker and podman do it, for which the kernel refuses a new one.
    pub fn masked_proc() -> Self {
        Self::mounted(include_str!("mask-proc.sh"))
    }

    /// A pod with user namespaces of its own: root there, with 65,536 ids, is nobody outside. For an ordinary user with
    /// subordinate ids; real root plays none.
    pub fn own_ids() -> Self {
        Self::new(["unshare", "--map-root-user", "--map-auto", "--mount", "--"])
    }

    /// An ordinary user to whom nobody gave subordinate ids.
    pub fn no_subordinate_ids() -> Self {
        Self::mounted("mount --bind /dev/null /etc/subuid; mount --bind /dev/null /etc/subgid")
    }

    /// No program is found on the PATH, newuidmap least of all.
    pub fn no_programs() -> Self {
        Self::new(["/usr/bin/env"]).with("PATH", "/nowhere")
    }

    /// A service's environment: no home, nor any place for what is kept or temporary.
    pub fn no_home() -> Self {
        let places = ["HOME", "XDG_CACHE_HOME", "ROOTLET_STORE"];
        places.into_iter().fold(Self::new(["/usr/bin/env"]), Self::without)
    }

    /// A home that cannot be written, with the store to be in it.
    pub fn read_only_home(home: &Path) -> Self {
        let script = format!("mount -t tmpfs -o ro,mode=755 tmpfs '{}'", home.display());
        Self::mounted(&script).with("HOME", home).without("XDG_CACHE_HOME").without("ROOTLET_STORE")
    }

    /// TMPDIR leads nowhere.
    pub fn no_temporary_directory() -> Self {
        Self::new(["/usr/bin/env"]).with("TMPDIR", "/nowhere")
    }

    /// What is made has no rights at all; a store that is made, too.
    pub fn umask_0777(store: &Path) -> Self {
        Self::new(["sh", "-c", "umask 0777; exec \"$@\"", "sh"]).with("ROOTLET_STORE", store)
    }

    /// The store is on a tmpfs of its own with these options: another device than the rest, and small if they say so.
    pub fn store_in_memory(store: &Path, options: &str) -> Self {
        let script = format!("mount -t tmpfs -o mode=700,{options} tmpfs '{}'", store.display());
        Self::mounted(&script).with("ROOTLET_STORE", store)
    }

    /// The store is on an overlayfs, as in a container without a volume: one of real root's, or one of a user namespace.
    pub fn store_on_overlayfs(store: &Path) -> Self {
        let more = if is_root() { "" } else { ",userxattr" };
        let script = format!(
            "cd '{}'; mount -t tmpfs -o size=256m tmpfs .; cd \"$PWD\"; mkdir lower upper work; chmod 700 upper
             mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work{more} overlay \"$PWD\"; cd /",
            store.display()
        );
        Self::mounted(&script).with("ROOTLET_STORE", store)
    }

    /// apt is told of these sources, a directory of files, and of no others.
    pub fn apt_sources(directory: &Path) -> Self {
        let script = format!(
            "mount --bind '{}' /etc/apt/sources.list.d; [ ! -e /etc/apt/sources.list ] || mount --bind /dev/null /etc/apt/sources.list",
            directory.display()
        );
        Self::mounted(&script)
    }

    /// The same in a pod, as a process sees it.
    pub fn in_a_pod(self) -> Self {
        self.with("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    }

    /// A program on this host, with the store of these tests where it has no other. No tier is asked for, whatever the tests
    /// around are run with.
    pub fn command(&self, program: impl Into<OsString>) -> Command {
        let mut command = Command::new(&self.words[0]);
        command
            .args(&self.words[1..])
            .arg(program.into())
            .env("ROOTLET_STORE", crate::store())
            .env_remove("ROOTLET_TIER");
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}
