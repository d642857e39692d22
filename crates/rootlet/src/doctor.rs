//! What this host allows, found by trying; and the exact command that mends what it does not.

use crate::cgroup::Why;
use crate::host::{self, caller};
use rootlet_base::{BaseKind, Store};
use rootlet_kernel::{Bounds, Nursery, mount};
use rootlet_spec::{Limits, Tier};
use serde::Serialize;
use std::path::Path;

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What: `user namespaces`.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// Whether nothing works without it.
    pub required: bool,
    /// What was found.
    pub found: String,
    /// What its lack costs; empty when it is there.
    pub cost: String,
    /// The command that mends it; empty when it is there, or when nothing can.
    pub mend: String,
}

/// What this host allows.
#[derive(Clone, Debug, Serialize)]
pub struct Examination {
    /// Which row of the table of identities applies; `None` when rootlets cannot be made here.
    pub tier: Option<Tier>,
    /// Everything that was looked at.
    pub checks: Vec<Check>,
}

/// Looks at this host. Nothing is left of it.
pub fn examine() -> Examination {
    let mut checks = vec![sub_ids()];
    if !caller().is_root() {
        checks.push(tools());
    }
    let nursery = caller()
        .id_map(
            Tier::Exact,
            &BaseKind::Layers,
            &crate::Identity { uid: 1000, gid: 1000, ..Default::default() },
        )
        .and_then(|map| Nursery::shared(&map, Bounds::NONE).map_err(host::explain));
    checks.push(match &nursery {
        Ok(_) => good("user namespaces", true, "allowed".into()),
        Err(e) => {
            bad("user namespaces", true, causes(e), "no rootlet can be made", e.hint().unwrap_or_default())
        }
    });
    let mut works = false;
    if let Ok(nursery) = &nursery {
        checks.push(match nursery.upper_in_memory() {
            Ok(true) => good("writable layer in memory", false, "tmpfs has user attributes".into()),
            Ok(false) => bad(
                "writable layer in memory",
                false,
                "tmpfs has no user attributes (before Linux 6.6)".into(),
                "the writable layer is on disk, which is several times slower to make and remove",
                "",
            ),
            Err(e) => bad(
                "mounts in a user namespace",
                true,
                causes(&host::explain(e)),
                "no rootlet can be made",
                "",
            ),
        });
        let rootlet = whole();
        works = rootlet.ok;
        checks.push(rootlet);
        if caller().is_root() {
            let cloned =
                nursery.user_namespace().and_then(|ns| mount::clone_idmapped(Path::new("/"), ns, false));
            checks.push(match cloned {
                Ok(_) => good("idmapped mounts", false, "the root file system has them".into()),
                Err(e) => bad(
                    "idmapped mounts",
                    false,
                    e.to_string(),
                    "files of the host and of volumes show as nobody's, and root inside cannot change them",
                    "",
                ),
            });
        }
    }
    checks.push(cgroup());
    checks.push(store());
    Examination { tier: works.then_some(Tier::Exact), checks }
}

fn good(name: &'static str, required: bool, found: String) -> Check {
    Check { name, ok: true, required, found, cost: String::new(), mend: String::new() }
}

fn bad(name: &'static str, required: bool, found: String, cost: &str, mend: &str) -> Check {
    Check { name, ok: false, required, found, cost: cost.into(), mend: mend.into() }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Most sentences name the errno below them.
        let errno = cause.downcast_ref::<std::io::Error>().and_then(crate::error::errno_name);
        if errno.is_none_or(|name| !text.contains(name)) {
            text = format!("{text}: {cause}");
        }
        next = cause.source();
    }
    text
}

fn sub_ids() -> Check {
    let name = "ids to give away";
    match caller().sub_ids() {
        Some((uids, gids)) => {
            let found = format!(
                "uids from {} ({}), gids from {} ({})",
                uids.first, uids.count, gids.first, gids.count
            );
            match uids.count.min(gids.count) >= 65536 {
                true => good(name, true, found),
                false => bad(
                    name,
                    false,
                    found,
                    "files with higher ids than that cannot be unpacked",
                    &mend_sub_ids(),
                ),
            }
        }
        None => bad(
            name,
            true,
            "none in /etc/subuid and /etc/subgid".into(),
            "no rootlet can be made",
            &mend_sub_ids(),
        ),
    }
}

fn mend_sub_ids() -> String {
    match caller().is_root() {
        true => String::new(),
        false => {
            format!("sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {}", caller().name)
        }
    }
}

fn tools() -> Check {
    let name = "newuidmap and newgidmap";
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |tool: &str| std::env::split_paths(&path).any(|dir| dir.join(tool).is_file());
    match found("newuidmap") && found("newgidmap") {
        true => good(name, true, "found".into()),
        false => {
            bad(name, true, "not in PATH".into(), "no rootlet can be made", "sudo apt-get install uidmap")
        }
    }
}

/// A rootlet of this machine's own root.
fn rootlet() -> crate::Result<crate::Rootlet> {
    let base = Store::open_default().and_then(|store| rootlet_base::Base::resolve("host", &store))?;
    crate::Rootlet::builder(&base).spawn()
}

/// A whole rootlet, with a command in it.
fn whole() -> Check {
    let name = "a rootlet of this machine";
    match rootlet().and_then(|root| root.command("/bin/sh").args(["-c", ":"]).output()) {
        Ok(_) => good(name, true, "made, used and removed".into()),
        Err(e) => bad(name, true, causes(&e), "no rootlet can be made", e.hint().unwrap_or_default()),
    }
}

/// Each limit by itself, since an ordinary user is often given only some controllers.
fn cgroup() -> Check {
    let name = "limits of the whole tree";
    let none = Limits::default;
    let each = [
        ("--memory", Limits { memory: Some(1 << 30), ..none() }),
        ("--pids-limit", Limits { pids: Some(1000), ..none() }),
        ("--cpus", Limits { cpus: Some(1.0), ..none() }),
    ];
    let cost = "--memory holds in each process, --pids-limit for each user in all rootlets of one calling process, --cpus \
                not at all; likewise where one that cannot be kept is asked for with others";
    let mut refused = None;
    let mut kept = Vec::new();
    for (option, limits) in each {
        match limited(&limits) {
            Ok(Ok(())) => kept.push(option),
            Ok(Err(why)) => refused = refused.or(Some((option, why))),
            Err(e) => return bad(name, false, causes(&e), cost, e.hint().unwrap_or_default()),
        }
    }
    let Some((option, why)) = refused else {
        return good(name, false, format!("{} are kept by a cgroup", kept.join(", ")));
    };
    let found = match kept.is_empty() {
        true => format!("no cgroup can be made: {why}"),
        false => format!("a cgroup keeps {}, but not {option}: {why}", kept.join(", ")),
    };
    bad(name, false, found, cost, &mend_cgroup(&why))
}

fn limited(limits: &Limits) -> crate::Result<Result<(), Why>> {
    let root = rootlet()?;
    let made = crate::limits::cgroup(root.init(), limits)?;
    // What runs in a cgroup goes before the cgroup.
    drop(root);
    Ok(made.map(drop))
}

fn mend_cgroup(why: &Why) -> String {
    let there = |path: &str| Path::new(path).exists();
    let (uid, name) = (caller().uid, &caller().name);
    match (why, caller().is_root()) {
        // Controllers are of one version or the other.
        (Why::NotMounted | Why::Lacks(..), _) if !there("/sys/fs/cgroup/cgroup.controllers") => {
            "boot with `cgroup_no_v1=all systemd.unified_cgroup_hierarchy=1` on the kernel's command line"
                .into()
        }
        (Why::Lacks(..), false) if there("/run/systemd/system") => format!(
            "sudo sh -c 'd=/etc/systemd/system/user@.service.d; mkdir -p $d; printf \"[Service]\\nDelegate=cpu memory \
             pids\\n\" > $d/delegate.conf; systemctl daemon-reload; systemctl restart user@{uid}'"
        ),
        (_, false) if there("/run/systemd/system") => {
            let run = "systemd-run --user --scope -p Delegate=yes rootlet run …";
            match there(&format!("/run/user/{uid}/systemd")) {
                true => run.into(),
                false => format!(
                    "sudo loginctl enable-linger {name}; export XDG_RUNTIME_DIR=/run/user/{uid}; {run}"
                ),
            }
        }
        // A container, whose processes are in the only cgroup that it sees.
        (Why::Populated(path), true) => {
            let path = path.display();
            format!("mkdir {path}/init && xargs -rn1 < {path}/cgroup.procs > {path}/init/cgroup.procs")
        }
        (Why::Refused(_, e), true) if e.raw_os_error() == Some(libc::EROFS) => {
            "start this container with --privileged, or with its cgroup writable".into()
        }
        _ => String::new(),
    }
}

fn store() -> Check {
    match Store::open_default() {
        Ok(store) => good("store", true, store.path().display().to_string()),
        Err(e) => bad("store", true, causes(&e), "no base can be kept", e.hint().unwrap_or_default()),
    }
}
