//! The smallest change that lets a refusal through, as text for the files that deploy a program. Pure.

use super::cause::{Asker, Cause, Component, Fixes, Refusal};
use super::insist;
use crate::words::{shell, unit, unit_command, yaml};
use rootlet_spec::printable;

/// What to change; `home` is the variable HOME.
pub fn of(refusal: &Refusal, home: Option<&str>) -> Fixes {
    let by = refusal.refused_by.as_ref();
    let who = &refusal.who;
    match (refusal.cause, by) {
        // No image and no volume changes it.
        (Cause::Mode | Cause::Acl | Cause::Ownership | Cause::ReadOnly, Some(by)) if is_given(refusal, by) => {
            Fixes::default()
        }
        (Cause::Mode | Cause::Acl, Some(by)) if is_a_home_of_others(refusal, by, home) => another_home(),
        (Cause::Mode | Cause::Acl, Some(by)) => rights(refusal, by),
        (Cause::Ownership | Cause::Sticky, Some(by)) => owner(who, by),
        (Cause::ReadOnly, by) => writable(refusal, by),
        (Cause::NoExec, _) => Fixes {
            systemd: "# take the program from a file system without noexec".into(),
            ..Fixes::default()
        },
        (Cause::Filter, _) if refusal.missing.is_empty() => Fixes {
            kubernetes: "securityContext:  # of the container; it lifts the whole filter\n  seccompProfile: {type: Unconfined}".into(),
            compose: "security_opt:  # it lifts the whole filter\n- seccomp:unconfined".into(),
            ..Fixes::default()
        },
        (Cause::MissingCapability, _) if refusal.missing.contains(PING) => pings(who.fsgid),
        (Cause::MissingCapability, _) if refusal.call.contains("RLIMIT_") => limit(refusal),
        (Cause::MissingCapability | Cause::OtherUser | Cause::Filter, _) => capability(refusal),
        (Cause::Port, _) => Fixes {
            dockerfile: setcap(refusal, "net_bind_service"),
            kubernetes: "securityContext:  # of the pod; or listen on a port from 1024 on\n  sysctls:\n  - {name: net.ipv4.ip_unprivileged_port_start, value: \"0\"}".into(),
            compose: "sysctls:\n  net.ipv4.ip_unprivileged_port_start: 0".into(),
            systemd: "AmbientCapabilities=CAP_NET_BIND_SERVICE".into(),
        },
        (Cause::NoNewPrivs, _) => Fixes {
            dockerfile: String::new(),
            kubernetes: "securityContext:  # of the container; better: do without the setuid program\n  allowPrivilegeEscalation: true".into(),
            compose: "security_opt:\n- no-new-privileges:false".into(),
            systemd: "NoNewPrivileges=no".into(),
        },
        (Cause::NoEntry, _) => Fixes {
            dockerfile: format!("RUN echo 'app:x:{}:{}::/tmp:/sbin/nologin' >> /etc/passwd", who.uid, who.fsgid),
            kubernetes: String::new(),
            compose: String::new(),
            systemd: "DynamicUser=yes".into(),
        },
        (Cause::NoHome, _) => another_home(),
        (Cause::Insists, Some(by)) => insist::fixes(refusal, by),
        _ => Fixes::default(),
    }
}

/// Who may ask by ICMP whether a host is there.
const PING: &str = "net.ipv4.ping_group_range";

fn pings(gid: u32) -> Fixes {
    Fixes {
        kubernetes: format!(
            "securityContext:  # of the pod\n  sysctls:\n  - {{name: {PING}, value: \"{gid} {gid}\"}}"
        ),
        compose: format!("sysctls:\n  {PING}: {gid} {gid}"),
        ..Fixes::default()
    }
}

/// A hard limit that the program wants to raise: who starts it can give it more.
fn limit(refusal: &Refusal) -> Fixes {
    let name = refusal
        .call
        .split("RLIMIT_")
        .nth(1)
        .and_then(|rest| rest.split([',', ')']).next())
        .unwrap_or_default();
    Fixes {
        compose: format!("ulimits:\n  {}: {{soft: N, hard: N}}", name.to_lowercase()),
        systemd: format!("Limit{name}=N"),
        ..Fixes::default()
    }
}

/// Files that runtimes lay over the image's.
const RUNTIMES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// Whether the kernel, or the runtime, puts there what is there.
fn is_given(refusal: &Refusal, by: &Component) -> bool {
    let below = |path: &str| {
        let at = |place: &str| {
            path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        at("/proc") || at("/sys") || at("/dev") && !at("/dev/shm")
    };
    RUNTIMES.contains(&&*by.path)
        || below(&by.path)
        || refusal.components.last().is_some_and(|last| below(&last.path))
}

/// A path without the slashes that say nothing: `//.npm` is what a program makes of a HOME that is `/`.
fn clean(path: &str) -> String {
    let names: String =
        path.split('/').filter(|name| !name.is_empty()).flat_map(|name| ["/", name]).collect();
    if names.is_empty() { "/".into() } else { names }
}

fn another_home() -> Fixes {
    Fixes {
        dockerfile: "ENV HOME=/tmp".into(),
        kubernetes: "env:\n- {name: HOME, value: /tmp}".into(),
        compose: "environment:\n  HOME: /tmp".into(),
        systemd: "Environment=HOME=/tmp".into(),
    }
}

/// Whether something was sought at home, and HOME is `/` or somebody else's, as it is for a uid that no image knows.
fn is_a_home_of_others(refusal: &Refusal, by: &Component, home: Option<&str>) -> bool {
    let (Some(home), Some(path)) = (home, refusal.path.as_deref().map(clean)) else { return false };
    let rest = match path.strip_prefix(home.trim_end_matches('/')) {
        Some(rest) if by.uid != refusal.who.fsuid => rest,
        _ => return false,
    };
    match home.trim_end_matches('/') {
        // Most of what lies below is not sought as a home.
        "" => by.path == "/" && (rest == "/" || rest.starts_with("/.")),
        _ => rest.is_empty() || rest.starts_with('/'),
    }
}

/// Nothing is gained by it under no_new_privs.
fn setcap(refusal: &Refusal, name: &str) -> String {
    match refusal.who.no_new_privs {
        true => String::new(),
        false => format!("RUN setcap cap_{name}=+ep {}", shell(&refusal.program)),
    }
}

fn rights(refusal: &Refusal, by: &Component) -> Fixes {
    let who = &refusal.who;
    let mut wanted = bits(&refusal.missing);
    if makes(refusal) && refusal.path.as_deref().is_some_and(|path| lies_in(path, &by.path)) {
        // Who may search it is refused to write next.
        wanted |= 2;
    }
    // Its group has the right: to be a member is enough.
    if by.acl.is_none()
        && by.mode >> 3 & wanted == wanted
        && !who.groups.contains(&by.gid)
        && by.uid != who.fsuid
    {
        return Fixes {
            dockerfile: format!("USER {}:{}", who.uid, by.gid),
            kubernetes: format!("securityContext:  # of the pod\n  supplementalGroups: [{}]", by.gid),
            compose: format!("group_add: [\"{}\"]", by.gid),
            systemd: format!("SupplementaryGroups={}", by.gid),
        };
    }
    // It is meant for its owner alone, and so is what lies in it.
    if by.kind == "directory" && by.mode & 0o077 == 0 && by.uid != 0 && by.uid != who.fsuid {
        return insist::as_owner(by);
    }
    let path = shell(&by.path);
    let letters: String =
        [(4, 'r'), (2, 'w'), (1, 'x')].iter().filter(|(bit, _)| wanted & bit != 0).map(|(_, c)| *c).collect();
    if by.kind == "file" && wanted & 1 != 0 && by.mode & 0o111 == 0 {
        return executable(&by.path);
    }
    if by.uid == who.fsuid {
        return done_by_root(&format!("chmod u+{letters}"), &by.path);
    }
    if wanted & 2 != 0 {
        if refusal.call.starts_with("rename") && refusal.path.as_deref().map(clean).as_ref() == Some(&by.path)
        {
            // It moves with what is in it.
            return owner(who, by);
        }
        if let Some(fixes) = in_system(refusal, by) {
            return fixes;
        }
        let mut fixes = writable(refusal, Some(by));
        let change = format!("chown {}", who.fsuid);
        let is_system = SYSTEM.contains(&by.path.as_str());
        let change = done_by_root(&change, &by.path);
        fixes.dockerfile = change.dockerfile + if is_system { HANDS_OVER } else { "" };
        // To be let to write by systemd is not to be let by the mode.
        if fixes.systemd.is_empty() || fixes.systemd.starts_with("ReadWritePaths") {
            fixes.systemd = change.systemd;
        }
        return fixes;
    }
    let change = format!("chgrp {} {path} && chmod g+{letters} {path}", who.fsgid);
    let secret = by.kind == "file" && wanted == 4;
    Fixes {
        dockerfile: format!("RUN {change}"),
        kubernetes: match secret {
            true => format!(
                "securityContext:  # of the pod; for a file of a Secret or ConfigMap, with its defaultMode: 0440\n  fsGroup: {}",
                who.fsgid
            ),
            false => String::new(),
        },
        compose: match secret {
            true => format!(
                "secrets:  # in place of {}\n- {{source: NAME, uid: \"{}\", mode: 0400}}",
                printable(&by.path),
                who.fsuid
            ),
            false => String::new(),
        },
        systemd: match secret {
            true => format!("LoadCredential={}", unit(&format!("NAME:{}", by.path))),
            false => format!("ExecStartPre=+/bin/sh -c {}", unit_command(&change)),
        },
    }
}

const HANDS_OVER: &str = "  # and all that lies in it; better, have the program write elsewhere";

/// Nobody may execute it, as it is with a file of a ConfigMap or one that was copied without its mode.
fn executable(path: &str) -> Fixes {
    Fixes {
        kubernetes: "configMap: {defaultMode: 0555}  # of the volume, if it comes from one".into(),
        compose: format!(
            "configs:  # if it comes from one\n- {{source: NAME, target: {}, mode: 0555}}",
            yaml(path)
        ),
        ..done_by_root("chmod a+rx", path)
    }
}

/// The mode that a call wants for what it makes, its last argument.
fn asked_mode(call: &str) -> Option<u32> {
    let (_, last) = call.strip_suffix(')')?.rsplit_once(", ")?;
    u32::from_str_radix(last, 8).ok()
}

/// Whether a name was to be made.
fn makes(refusal: &Refusal) -> bool {
    let makers = ["mkdir", "mknod", "symlink", "link", "rename", "bind"];
    refusal.call.contains("O_CREAT") || makers.iter().any(|call| refusal.call.starts_with(call))
}

fn lies_in(path: &str, directory: &str) -> bool {
    clean(path).rsplit_once('/').is_some_and(|(above, _)| above == directory.trim_end_matches('/'))
}

fn owner(who: &Asker, by: &Component) -> Fixes {
    done_by_root(&format!("chown {}", who.fsuid), &by.path)
}

/// A command of coreutils that root does to a file, beforehand.
pub fn done_by_root(command: &str, path: &str) -> Fixes {
    Fixes {
        dockerfile: format!("RUN {command} {}", shell(path)),
        systemd: format!("ExecStartPre=+/bin/{command} {}", unit_command(path)),
        ..Fixes::default()
    }
}

/// Directories that are full of what belongs to the image.
const SYSTEM: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/opt",
    "/proc",
    "/root",
    "/sbin",
    "/sys",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/lib",
    "/var/lib/dpkg",
];

/// Likewise, and emptied by what makes a place of them: a volume there does no harm.
const SHARED: &[&str] = &["/run", "/var/cache", "/var/log", "/var/spool"];

/// What is to be made in a directory that is full of others' things is made beforehand; the directory stays as it is.
fn in_system(refusal: &Refusal, by: &Component) -> Option<Fixes> {
    let directory = by.path.as_str();
    let is_shared = SHARED.contains(&directory);
    let is_system = is_shared || SYSTEM.contains(&directory) || directory.starts_with("/etc/");
    // What it is really called, where a symlink such as /var/run is on the way.
    let made = clean(refusal.path.as_deref()?);
    let made = match made.rsplit_once('/') {
        Some((_, name)) if is_system && by.kind == "directory" && makes(refusal) => {
            format!("{}/{name}", directory.trim_end_matches('/'))
        }
        _ => return None,
    };
    let uid = refusal.who.fsuid;
    let install = |how: &str| {
        let command = format!("install {how}");
        (
            format!("RUN {command} {}", shell(&made)),
            format!("ExecStartPre=+/usr/bin/{command} {}", unit_command(&made)),
        )
    };
    if refusal.call.starts_with("mkdir") {
        let place = Component { path: made.clone(), ..by.clone() };
        let volume = volume(refusal, &place);
        let mode = asked_mode(&refusal.call).filter(|mode| ![0o777, 0o755].contains(mode));
        let mode = mode.map_or(String::new(), |mode| format!(" -m {mode:04o}"));
        let (dockerfile, systemd) = install(&format!("-d{mode} -o {uid}"));
        return Some(Fixes { dockerfile, systemd: managed(&made).unwrap_or(systemd), ..volume });
    }
    // With O_EXCL it must not be there.
    let makes_file = refusal.call.contains("O_CREAT") && !refusal.call.contains("O_EXCL");
    let mode = asked_mode(&refusal.call).filter(|mode| *mode != 0o666).unwrap_or(0o644);
    let (dockerfile, systemd) = install(&format!("-m {mode:04o} -o {uid} /dev/null"));
    makes_file.then(|| Fixes {
        dockerfile,
        systemd,
        ..if is_shared { volume(refusal, by) } else { Fixes::default() }
    })
}

/// A place of its own, where the program writes.
fn writable(refusal: &Refusal, by: Option<&Component>) -> Fixes {
    // The directory that was to be written in.
    let mut directories = refusal.components.iter().filter(|c| c.kind == "directory");
    let place = match by.filter(|by| by.kind == "directory" && refusal.cause != Cause::ReadOnly) {
        Some(by) => Some(by),
        None => directories.next_back(),
    };
    let Some(place) = place else { return Fixes::default() };
    // A volume in place of a directory hides the file that was to be changed.
    let changes = by.is_some_and(|by| by.kind == "file") && !refusal.call.contains("O_CREAT");
    if changes && refusal.cause != Cause::ReadOnly {
        return Fixes::default();
    }
    if SYSTEM.contains(&place.path.as_str()) {
        // A volume there would hide what the program needs.
        let systemd = match refusal.cause {
            Cause::ReadOnly => format!("ReadWritePaths={}", unit(&place.path)),
            _ => String::new(),
        };
        return Fixes { systemd, ..Fixes::default() };
    }
    volume(refusal, place)
}

/// A volume at this place.
fn volume(refusal: &Refusal, place: &Component) -> Fixes {
    let who = &refusal.who;
    // A label of DNS has 63 characters at most.
    const LONGEST: usize = 63;
    let path = yaml(&place.path);
    let options = format!(":uid={},gid={}", who.fsuid, who.fsgid);
    let tmpfs =
        if path == place.path { path.clone() + &options } else { yaml(&(place.path.clone() + &options)) };
    let name = place.path.trim_matches('/').replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_lowercase();
    let name = name.trim_start_matches('-').chars().take(LONGEST).collect::<String>();
    let name = name.trim_end_matches('-');
    Fixes {
        dockerfile: String::new(),
        kubernetes: format!(
            "securityContext: {{fsGroup: {}}}  # of the pod\nvolumes:\n- {{name: {name}, emptyDir: {{}}}}\nvolumeMounts:  # of the container\n- {{name: {name}, mountPath: {path}}}",
            who.fsgid
        ),
        compose: format!("tmpfs:\n- {tmpfs}"),
        systemd: managed(&place.path).unwrap_or_else(|| format!("ReadWritePaths={}", unit(&place.path))),
    }
}

/// Directories that systemd makes for a unit.
fn managed(path: &str) -> Option<String> {
    if path == "/tmp" || path == "/var/tmp" {
        return Some("PrivateTmp=yes".into());
    }
    let kinds = [
        ("/run/", "RuntimeDirectory"),
        ("/var/run/", "RuntimeDirectory"),
        ("/var/lib/", "StateDirectory"),
        ("/var/cache/", "CacheDirectory"),
        ("/var/log/", "LogsDirectory"),
    ];
    kinds.iter().find_map(|(above, kind)| {
        let rest = path.strip_prefix(above).filter(|rest| !rest.is_empty())?;
        Some(format!("{kind}={}", unit(rest)))
    })
}

fn capability(refusal: &Refusal) -> Fixes {
    let Some(name) = refusal.missing.strip_prefix("CAP_") else { return Fixes::default() };
    // Added ones are root's; anybody else gains them only by a program that has them.
    let note = match (refusal.who.uid, refusal.root_would_pass) {
        (0, _) => "",
        _ => "  # of the container, for root alone: for others the program needs them, too (setcap)",
    };
    Fixes {
        dockerfile: match refusal.who.uid {
            0 => String::new(),
            _ => setcap(refusal, &name.to_lowercase()),
        },
        kubernetes: format!("securityContext:{note}\n  capabilities: {{add: [{name}]}}"),
        compose: format!("cap_add: [{name}]"),
        systemd: format!("AmbientCapabilities=CAP_{name}"),
    }
}

fn bits(missing: &str) -> u32 {
    let names = [("read", 4), ("write", 2), ("search", 1), ("execute", 1)];
    names.iter().filter(|(name, _)| missing.contains(name)).fold(0, |all, (_, bit)| all | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_beforehand_has_the_mode_that_was_asked_for() {
        let by = Component {
            path: "/run".into(),
            kind: "directory",
            uid: 0,
            gid: 0,
            mode: 0o755,
            target: None,
            acl: None,
        };
        let fix = |call: &str| {
            let refusal = Refusal {
                program: "/bin/x".into(),
                name: "x".into(),
                pid: 1,
                call: call.into(),
                errno: "EACCES".into(),
                path: Some("/run/x".into()),
                components: vec![by.clone()],
                refused_by: Some(by.clone()),
                who: Asker { uid: 1000, fsuid: 1000, ..Asker::default() },
                missing: "write".into(),
                cause: Cause::Mode,
                root_would_pass: Some(true),
                count: 1,
                handled: false,
                fixes: Fixes::default(),
            };
            of(&refusal, None).dockerfile
        };
        assert_eq!(fix("mkdir(\"/run/x\", 0777)"), "RUN install -d -o 1000 /run/x");
        // What screen(1) makes, and what a daemon makes for its secrets.
        assert_eq!(fix("mkdir(\"/run/x\", 1777)"), "RUN install -d -m 1777 -o 1000 /run/x");
        let open = |mode: &str| fix(&format!("openat(AT_FDCWD, \"/run/x\", O_WRONLY|O_CREAT, {mode})"));
        assert_eq!(open("0600"), "RUN install -m 0600 -o 1000 /dev/null /run/x");
        assert_eq!(open("0666"), "RUN install -m 0644 -o 1000 /dev/null /run/x");
    }
}
