//! The smallest change that lets a refusal through, as text for the files that deploy a program. Pure.

use super::cause::{Asker, Cause, Component, Fixes, Refusal};
use super::insist;
use rootlet_spec::printable;

/// What to change; `home` is the variable HOME.
pub fn of(refusal: &Refusal, home: Option<&str>) -> Fixes {
    let by = refusal.refused_by.as_ref();
    let who = &refusal.who;
    match (refusal.cause, by) {
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
    let (Some(home), Some(path)) = (home, refusal.path.as_deref()) else { return false };
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
        false => format!("RUN setcap cap_{name}=+ep {}", printable(&refusal.program)),
    }
}

fn rights(refusal: &Refusal, by: &Component) -> Fixes {
    let who = &refusal.who;
    let wanted = bits(&refusal.missing);
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
    let path = printable(&by.path);
    let letters: String =
        [(4, 'r'), (2, 'w'), (1, 'x')].iter().filter(|(bit, _)| wanted & bit != 0).map(|(_, c)| *c).collect();
    if by.uid == who.fsuid {
        let change = format!("chmod u+{letters} {path}");
        return Fixes {
            dockerfile: format!("RUN {change}"),
            systemd: format!("ExecStartPre=+/bin/{change}"),
            ..Fixes::default()
        };
    }
    if wanted & 2 != 0 {
        if let Some(fixes) = in_system(refusal, by) {
            return fixes;
        }
        let mut fixes = writable(refusal, Some(by));
        let change = format!("chown {} {path}", who.fsuid);
        fixes.dockerfile = format!("RUN {change}");
        // To be let to write by systemd is not to be let by the mode.
        if fixes.systemd.is_empty() || fixes.systemd.starts_with("ReadWritePaths") {
            fixes.systemd = format!("ExecStartPre=+/bin/{change}");
        }
        return fixes;
    }
    let change = format!("chgrp {} {path} && chmod g+{letters} {path}", who.fsgid);
    let secret = by.kind == "file";
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
                "secrets:  # in place of {path}\n- {{source: NAME, uid: \"{}\", mode: 0400}}",
                who.fsuid
            ),
            false => String::new(),
        },
        systemd: match secret {
            true => format!("LoadCredential=NAME:{path}"),
            false => format!("ExecStartPre=+/bin/sh -c '{change}'"),
        },
    }
}

fn owner(who: &Asker, by: &Component) -> Fixes {
    let change = format!("chown {} {}", who.fsuid, printable(&by.path));
    Fixes {
        dockerfile: format!("RUN {change}"),
        systemd: format!("ExecStartPre=+/bin/{change}"),
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
];

/// What is to be made in a directory that is full of others' things is made beforehand; the directory stays as it is.
fn in_system(refusal: &Refusal, by: &Component) -> Option<Fixes> {
    let made =
        refusal.path.as_deref().filter(|path| SYSTEM.contains(&by.path.as_str()) && *path != by.path)?;
    let (path, uid) = (printable(made), refusal.who.fsuid);
    if refusal.call.starts_with("mkdir") {
        let place = Component { path: made.into(), ..by.clone() };
        let volume = volume(refusal, &place);
        let install = format!("install -d -o {uid} {path}");
        return Some(Fixes {
            dockerfile: format!("RUN {install}"),
            systemd: managed(made).unwrap_or_else(|| format!("ExecStartPre=+/usr/bin/{install}")),
            ..volume
        });
    }
    // With O_EXCL it must not be there.
    let makes_file = refusal.call.contains("O_CREAT") && !refusal.call.contains("O_EXCL");
    let install = format!("install -m 0644 -o {uid} /dev/null {path}");
    makes_file.then(|| Fixes {
        dockerfile: format!("RUN {install}"),
        systemd: format!("ExecStartPre=+/usr/bin/{install}"),
        ..Fixes::default()
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
    if SYSTEM.contains(&place.path.as_str()) {
        // A volume there would hide what the program needs.
        let systemd = match refusal.cause {
            Cause::ReadOnly => format!("ReadWritePaths={}", printable(&place.path)),
            _ => String::new(),
        };
        return Fixes { systemd, ..Fixes::default() };
    }
    volume(refusal, place)
}

/// A volume at this place.
fn volume(refusal: &Refusal, place: &Component) -> Fixes {
    let who = &refusal.who;
    let path = printable(&place.path);
    let name = place.path.trim_matches('/').replace(|c: char| !c.is_ascii_alphanumeric(), "-").to_lowercase();
    Fixes {
        dockerfile: String::new(),
        kubernetes: format!(
            "securityContext: {{fsGroup: {}}}  # of the pod\nvolumes:\n- {{name: {name}, emptyDir: {{}}}}\nvolumeMounts:  # of the container\n- {{name: {name}, mountPath: {path}}}",
            who.fsgid
        ),
        compose: format!("tmpfs:\n- {path}:uid={},gid={}", who.fsuid, who.fsgid),
        systemd: managed(&place.path).unwrap_or_else(|| format!("ReadWritePaths={path}")),
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
        Some(format!("{kind}={}", printable(rest)))
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
