//! What lifts a host to the next tier: the command, where one does it, or what to ask of whoever starts the container.

use super::caller;
use std::path::Path;

/// What mends a check.
#[derive(Clone, Debug, Default)]
pub(super) struct Mend {
    pub text: String,
    /// It is a command that can be run here.
    pub is_command: bool,
}

impl Mend {
    fn command(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_command: true }
    }

    fn advice(text: impl Into<String>) -> Self {
        Self { text: text.into(), is_command: false }
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}

/// A field of /proc/self/status.
fn status(field: &str) -> String {
    let text = read("/proc/self/status");
    let found = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    found.unwrap_or_default().trim().to_owned()
}

/// Who runs the container around this process.
enum Around {
    Nobody,
    Docker,
    Podman,
    Kubernetes,
}

fn around() -> Around {
    if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        Around::Kubernetes
    } else if Path::new("/run/.containerenv").exists() {
        Around::Podman
    } else if Path::new("/.dockerenv").exists() {
        Around::Docker
    } else {
        Around::Nobody
    }
}

/// Why user namespaces are refused, and what allows them. Looked at only after they were refused, with this errno.
pub(super) fn user_namespaces(errno: Option<i32>) -> Mend {
    if errno == Some(libc::ENOSPC) || read("/proc/sys/user/max_user_namespaces") == "0" {
        return Mend::command("sudo sysctl -w user.max_user_namespaces=15000");
    }
    if read("/proc/sys/kernel/unprivileged_userns_clone") == "0" {
        return Mend::command("sudo sysctl -w kernel.unprivileged_userns_clone=1");
    }
    if read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" && !caller().is_root() {
        return apparmor();
    }
    if caller().is_root() { in_roots_container() } else { in_a_users_container() }
}

/// Root needs its power over mounts. Podman's own filter is open to whoever has that; docker's knows no pivot_root(2) at all.
fn in_roots_container() -> Mend {
    Mend::advice(match around() {
        Around::Kubernetes => {
            "in the pod: `hostUsers: false`, and in the container's securityContext `capabilities: {add: [SYS_ADMIN]}`, \
             `seccompProfile: {type: Unconfined}`, `procMount: Unmasked`"
        }
        Around::Podman => "podman run --cap-add SYS_ADMIN …",
        Around::Docker => {
            "docker run --cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined …"
        }
        Around::Nobody => return around_nobody(),
    })
}

/// An ordinary user has another way in a container: to be its root.
fn in_a_users_container() -> Mend {
    let (text, as_root) = match around() {
        Around::Kubernetes => (
            "in the pod: `hostUsers: false`, and in the container's securityContext `seccompProfile: {type: Unconfined}`, \
             `procMount: Unmasked`",
            "`runAsUser: 0`",
        ),
        Around::Podman => (
            "podman run --security-opt seccomp=unconfined --security-opt unmask=ALL …",
            "podman run --user 0 …",
        ),
        Around::Docker => (
            "docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
             --security-opt systempaths=unconfined …",
            "docker run --user 0 …",
        ),
        Around::Nobody => return around_nobody(),
    };
    Mend::advice(format!("{text}; or as root in it, for the tier chroot: {as_root}"))
}

fn around_nobody() -> Mend {
    match status("Seccomp").as_str() {
        "2" => Mend::advice("a system call filter around this process refuses them: start it without"),
        _ => Mend::default(),
    }
}

/// Ubuntu since 23.10 lets a program make them whose profile says so. What is tested by the library instead of the command runs as a
/// program of its own, hence the other way.
fn apparmor() -> Mend {
    let program = std::env::current_exe().unwrap_or_else(|_| "/usr/local/bin/rootlet".into());
    let name = program.file_name().is_some_and(|name| name == "rootlet");
    if !name {
        return Mend::command("sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0");
    }
    Mend::command(format!(
        "printf 'abi <abi/4.0>,\\nprofile rootlet %s flags=(unconfined) {{\\n  userns,\\n}}\\n' '{}' | \
         sudo tee /etc/apparmor.d/rootlet && sudo apparmor_parser -r /etc/apparmor.d/rootlet",
        program.display()
    ))
}

/// What gives an ordinary user more than one id.
pub(super) fn sub_ids() -> Mend {
    match caller().is_root() {
        true => Mend::advice("give the container or user namespace that this runs in more ids"),
        // Nobody of that number in /etc/passwd, for whom usermod(8) would look.
        false if caller().name.is_empty() => {
            Mend::command(format!("echo {}:100000:65536 | sudo tee -a /etc/subuid /etc/subgid", caller().uid))
        }
        false => Mend::command(format!(
            "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}",
            caller().name
        )),
    }
}

/// What makes newuidmap and newgidmap do their work; `found`: they are on the PATH.
pub(super) fn id_tools(found: bool) -> Mend {
    if found {
        // Their setuid bit means nothing to a user namespace without the host's root.
        return Mend::advice("run this outside of the user namespace around it, or give its root ids");
    }
    let os = read("/etc/os-release");
    let like = |name: &str| {
        let mut words = os.lines().filter(|line| line.starts_with("ID=") || line.starts_with("ID_LIKE="));
        words.any(|line| line.contains(name))
    };
    Mend::command(if like("alpine") {
        "sudo apk add shadow-uidmap"
    } else if like("fedora") || like("rhel") {
        "sudo dnf install -y shadow-utils"
    } else if like("arch") {
        "sudo pacman -S --noconfirm shadow"
    } else {
        "sudo apt-get install -y uidmap"
    })
}

/// Whether programs of this process gain nothing by setuid, newuidmap among them; and what changes that.
pub(super) fn no_new_privileges() -> Option<Mend> {
    (status("NoNewPrivs") == "1").then(|| {
        Mend::advice(match around() {
            Around::Kubernetes => "in the container's securityContext: `allowPrivilegeEscalation: true`",
            _ => "start this without no_new_privs (docker run --security-opt no-new-privileges=false …)",
        })
    })
}

/// What lets a rootlet have a /proc of its own.
pub(super) fn proc() -> Mend {
    Mend::advice(match around() {
        Around::Kubernetes => {
            "in the container's securityContext: `procMount: Unmasked` (with `hostUsers: false` in the pod)"
        }
        Around::Podman => "podman run --security-opt unmask=ALL …",
        Around::Docker => "docker run --security-opt systempaths=unconfined …",
        Around::Nobody => {
            "docker run --security-opt systempaths=unconfined …, podman run --security-opt unmask=ALL …"
        }
    })
}

/// What root lacks for changing its root directory and its ids.
pub(super) fn chroot() -> Mend {
    Mend::advice(match around() {
        Around::Kubernetes => {
            "in the container's securityContext.capabilities: do not drop ALL, or add CHOWN, DAC_OVERRIDE, FOWNER, SETGID, \
             SETUID, SETPCAP, SYS_CHROOT"
        }
        _ => "start the container with docker's default capabilities",
    })
}
